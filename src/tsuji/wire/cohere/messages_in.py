"""Messages, from the wire. Also what messages of requests and of answers share: content blocks and tool calls.

A `tool_plan` is thinking: the API calls it a chain-of-thought style reflection.
"""

from collections.abc import Callable
from typing import Any

from tsuji.core.parts import Image, Message, Opaque, Part, Text, Thinking, ToolCall, ToolResult
from tsuji.wire.openai.fields import as_list, as_object, as_text, rest, wrong
from tsuji.wire.openai.parts_in import media

from .citations import attach
from .documents import read_document
from .fields import NAME, Fields, ext

_PLAIN = frozenset(("role", "content"))
_ASSISTANT = frozenset(("role", "content", "tool_plan", "tool_calls", "citations"))
_TOOL = frozenset(("role", "content", "tool_call_id"))


def read_messages(value: Any) -> tuple[Message, ...]:
    """Raises InvalidRequestError."""
    messages = as_list(value, "messages")
    if not messages:
        raise wrong("messages", "a list with at least one message")
    return tuple([_message(as_object(m, f"messages[{i}]"), f"messages[{i}]") for i, m in enumerate(messages)])


def _message(message: Fields, where: str) -> Message:
    role: Any = as_text(message.get("role"), where + ".role")
    if role == "system" or role == "user":
        kept = rest(message, _PLAIN)
        return Message(role, tuple(_content(message, where, kept)), ext=ext(kept))
    if role == "assistant":
        return _assistant(message, where)
    if role == "tool":
        kept = rest(message, _TOOL)
        call_id = as_text(message.get("tool_call_id"), where + ".tool_call_id")
        return Message("tool", (ToolResult(call_id, tuple(_content(message, where, kept))),), ext=ext(kept))
    raise wrong(where + ".role", "system, user, assistant or tool")


def _content(message: Fields, where: str, kept: Fields) -> list[Part]:
    content: Any = message.get("content")
    if type(content) is str:
        return [Text(content)]
    if content is None:
        kept["~content"] = False
        return []
    kept["~list"] = True
    where += ".content"
    return [read_block(as_object(b, f"{where}[{i}]"), f"{where}[{i}]") for i, b in enumerate(as_list(content, where))]


def _assistant(message: Fields, where: str) -> Message:
    kept = rest(message, _ASSISTANT)
    parts = _content(message, where, kept)
    left = attach(message.get("citations"), parts, list(range(len(parts))))
    if left or message.get("citations") == []:
        kept["~citations"] = left
    plan: Any = message.get("tool_plan")
    if plan is not None:
        parts.append(thought(as_text(plan, where + ".tool_plan"), plan=True))
    calls: Any = message.get("tool_calls")
    if calls is not None:
        at = where + ".tool_calls"
        parts += [read_call(as_object(c, f"{at}[{i}]"), f"{at}[{i}]") for i, c in enumerate(as_list(calls, at))]
        if not calls:
            kept["~tool_calls"] = calls
    return Message("assistant", tuple(parts), ext=ext(kept))


def thought(text: str, plan: bool = False) -> Thinking:
    """plan: it is a `tool_plan`, not a block of the content."""
    return Thinking(text, origin=NAME, ext={NAME: {"~plan" if plan else "~block": True}})


def read_block(block: Fields, where: str) -> Part:
    """A block of content. Raises InvalidRequestError where one of a known type is not what it should be."""
    kind = as_text(block.get("type"), where + ".type")
    read = _BLOCKS.get(kind)
    return Opaque(NAME, kind, block) if read is None else read(block, where)


def _text(block: Fields, where: str) -> Part:
    return Text(as_text(block.get("text"), where + ".text"), ext=ext(rest(block, ("type", "text"))))


def _thinking(block: Fields, where: str) -> Part:
    text = as_text(block.get("thinking"), where + ".thinking")
    return Thinking(text, origin=NAME, ext={NAME: {"~block": True, **rest(block, ("type", "thinking"))}})


def _image(block: Fields, where: str) -> Part:
    where += ".image_url"
    image = as_object(block.get("image_url"), where)
    detail: Any = image.get("detail")
    left = rest(block, ("type", "image_url"))
    left |= {"image_url." + name: value for name, value in rest(image, ("url", "detail")).items()}
    source = media(as_text(image.get("url"), where + ".url"))
    return Image(source, None if detail is None else as_text(detail, where + ".detail"), ext=ext(left))


def _document(block: Fields, where: str) -> Part:
    return read_document(block.get("document"), where + ".document", part=True)


_BLOCKS: dict[str, Callable[[Fields, str], Part]] = {
    "text": _text,
    "thinking": _thinking,
    "image_url": _image,
    "document": _document,
}
_CALL = ("id", "type", "function")
_FUNCTION = ("name", "arguments")


def read_call(call: Fields, where: str) -> ToolCall:
    """Raises InvalidRequestError. Arguments that were left out are none."""
    function = as_object(call.get("function"), where + ".function")
    arguments: Any = function.get("arguments")
    left = rest(call, _CALL)
    left |= {"function." + name: value for name, value in rest(function, _FUNCTION).items()}
    if call.get("type") is None:
        left["~type"] = False
    if arguments is None:
        left["~arguments"] = False
    return ToolCall(
        as_text(call.get("id"), where + ".id"),
        as_text(function.get("name"), where + ".function.name"),
        "{}" if arguments is None else as_text(arguments, where + ".function.arguments"),
        ext=ext(left),
    )
