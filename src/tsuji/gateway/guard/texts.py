"""The texts of requests and answers, each replaced by what `change` makes of it. What does not change stays itself.

Read: texts of messages, refusals, plain text documents and their titles, words of spoken audio, calls' arguments,
tools' results, and the strings in parts that only one dialect knows. An answer's thinking, too; in a request it is the
model's own, and signed. Not read: tools' descriptions, images, audio, files.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tsuji.core.parts import (
    Audio,
    Citation,
    Document,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.core.response import ChatResponse, Choice

Change = Callable[[str], str]
_T = TypeVar("_T", bound=msgspec.Struct)
_Whole = TypeVar("_Whole", bound=ChatRequest | EmbeddingRequest | ChatResponse)


def within(whole: _Whole, change: Change, *, raw: bool = False) -> _Whole:
    """raw: a call's arguments are one text, not strings of a JSON document, and parts of one dialect are left alone."""
    if isinstance(whole, ChatRequest):
        messages = tuple([_in_message(message, change, raw) for message in whole.messages])
        same = all(map(_same, messages, whole.messages))
        return whole if same else msgspec.structs.replace(whole, messages=messages)
    if isinstance(whole, ChatResponse):
        choices = tuple([_in_choice(choice, change, raw) for choice in whole.choices])
        same = all(map(_same, choices, whole.choices))
        return whole if same else msgspec.structs.replace(whole, choices=choices)
    inputs = tuple([change(text) if isinstance(text, str) else text for text in whole.inputs])
    title = change(whole.title) if whole.title else whole.title
    return _changed(whole, inputs=inputs, title=title)


def in_part(part: Part, change: Change, raw: bool = False) -> Part:
    """What goes with the text as it was goes with it: citations of places in it, a signature of it."""
    match part:
        case Text():
            text = change(part.text)
            kept = tuple([citation for citation in part.citations if unsaid(citation, change)])
            return _changed(part, text=text, citations=kept if text == part.text else ())
        case Thinking():
            text = change(part.text) if part.text else part.text
            return part if text == part.text else Thinking(text, summary=part.summary)
        case Refusal():
            return _changed(part, text=change(part.text))
        case ToolCall():
            plain = raw or part.custom
            return _changed(part, arguments=change(part.arguments) if plain else in_json(part.arguments, change))
        case ToolResult():
            content = tuple([in_part(inner, change, raw) for inner in part.content])
            return part if all(map(_same, content, part.content)) else msgspec.structs.replace(part, content=content)
        case Document():
            source = _changed(part.source, text=change(part.source.text)) if part.source.text else part.source
            title = change(part.title) if part.title else part.title
            return _changed(part, source=source, title=title, context=change(part.context) if part.context else None)
        case Audio():
            return _changed(part, transcript=change(part.transcript)) if part.transcript else part
        case Opaque():
            return part if raw else _changed(part, data=_in_value(part.data, change))
        case _:
            return part


def unsaid(citation: Citation, change: Change) -> bool:
    """Nothing in it would be changed."""
    same = [change(text) == text for text in (citation.text, citation.title) if text]
    return all(same)


def in_json(document: str, change: Change) -> str:
    """Strings and numbers of a JSON document, which stays one; what is no JSON is a text."""
    if not document.strip():
        return document
    try:
        value = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError):
        return change(document)
    new = _in_value(value, change)
    return document if new == value else msgspec.json.encode(new).decode()


def _in_value(value: Any, change: Change) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_in_value(item, change) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        items: Any = value.items()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        return {change(name): _in_value(item, change) for name, item in items}
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = str(value)
        new = change(text)
        return value if new == text else new
    return value


def _in_message(message: Message, change: Change, raw: bool) -> Message:
    content = tuple([part if type(part) is Thinking else in_part(part, change, raw) for part in message.content])
    return message if all(map(_same, content, message.content)) else msgspec.structs.replace(message, content=content)


def _in_choice(choice: Choice, change: Change, raw: bool) -> Choice:
    content = tuple([in_part(part, change, raw) for part in choice.content])
    if all(map(_same, content, choice.content)):
        return choice
    return msgspec.structs.replace(choice, content=content, logprobs=None, refusal_logprobs=None)


def _changed(value: _T, **fields: Any) -> _T:
    if all(getattr(value, name) == new for name, new in fields.items()):
        return value
    return msgspec.structs.replace(value, **fields)


def _same(one: object, other: object) -> bool:
    return one is other
