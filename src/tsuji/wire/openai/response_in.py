"""Whole answers, from the wire.

Lenient about what providers get wrong (no id, no usage, null lists, empty objects in place of nothing, content as a
list of parts), strict that it is an answer of this dialect at all. An error object inside an HTTP 200 is raised as the
error that it is. Fields that core has no noun for stay in ext: those of the choice's message as "message.NAME" in the
ext of the choice.
"""

from typing import Any

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.parts import Image, Part, Refusal, Text, ToolCall
from tsuji.core.provider import Quirks
from tsuji.core.response import ChatResponse, Choice
from tsuji.wire.dialect import NO_QUIRKS
from tsuji.wire.passthrough import encode

from .errors import body_error, decode_answer
from .fields import NAME, ext, is_list, is_object, names, rest
from .guard import guarded_response
from .logprobs import read_logprobs
from .messages_in import read_audio, read_citation, thought_signature
from .parts_in import read_part
from .reasoning import read_thinking
from .stops import read_stop
from .usage import read_usage

_ANSWER = names("id object created model choices usage service_tier")


@guarded_response
def parse_response(body: bytes, quirks: Quirks = NO_QUIRKS) -> ChatResponse:
    """Raises UpstreamProtocolError if the body is no answer of this dialect; the provider's error if it is that."""
    return read_response(decode_answer(body), quirks)


def read_response(answer: dict[str, Any], quirks: Quirks = NO_QUIRKS) -> ChatResponse:
    """As parse_response, of a body that is decoded already."""
    choices: Any = answer.get("choices")
    if not is_list(choices):
        raise body_error(answer) or UpstreamProtocolError("the provider's answer has no choices", body=answer)
    usage: Any = answer.get("usage")
    tier: Any = answer.get("service_tier")
    created: Any = answer.get("created")
    return ChatResponse(
        text_or(answer.get("id"), ""),
        text_or(answer.get("model"), ""),
        tuple([_choice(c, i, quirks) for i, c in enumerate(choices) if is_object(c)]),
        int(created) if type(created) is int or type(created) is float else None,
        read_usage(usage) if is_object(usage) else None,
        tier if type(tier) is str and tier else None,
        ext(rest(answer, _ANSWER)),
    )


def text_or(value: Any, default: str) -> str:
    return value if type(value) is str else default


_CHOICE = frozenset(("index", "message", "finish_reason", "logprobs"))


def _choice(choice: dict[str, Any], position: int, quirks: Quirks) -> Choice:
    kept = rest(choice, _CHOICE)
    message: Any = choice.get("message")
    content = read_answer(message, quirks, kept) if is_object(message) else ()
    index, word = choice.get("index"), choice.get("finish_reason")
    raw = word if type(word) is str else None
    logprobs: Any = choice.get("logprobs")
    tokens = refusal = None
    if is_object(logprobs):
        tokens = read_logprobs(logprobs.get("content")) or None
        refusal = read_logprobs(logprobs.get("refusal")) or None
        if left := rest(logprobs, ("content", "refusal")):
            kept["logprobs"] = left
    called = any(type(p) is ToolCall for p in content)
    return Choice(
        index if type(index) is int else position,
        content,
        read_stop(raw or "", called),
        raw,
        None,
        tokens,
        refusal,
        ext(kept),
    )


MESSAGE = names(
    "role content refusal audio tool_calls function_call reasoning reasoning_content reasoning_details annotations "
    "images"
)


def read_answer(message: dict[str, Any], quirks: Quirks, kept: dict[str, Any]) -> tuple[Part, ...]:
    """The parts of an answer's message; what core has no noun for goes to `kept`."""
    for name, value in message.items():
        if name not in MESSAGE and value is not None and name != quirks.reasoning_field:
            kept["message." + name] = value
    parts: list[Part] = [*read_thinking(message, quirks.reasoning_field, kept)]
    content: Any = message.get("content")
    if type(content) is str:
        if content or not message.get("tool_calls"):
            parts.append(Text(content))
    elif is_list(content):
        parts += [read_part(part, f"content[{i}]") for i, part in enumerate(content)]
    _add_annotations(message.get("annotations"), parts, kept)
    refusal: Any = message.get("refusal")
    if refusal and type(refusal) is str:
        parts.append(Refusal(refusal))
    audio: Any = message.get("audio")
    if is_object(audio) and any(audio.values()):
        parts.append(read_audio(audio))
    parts += read_images(message.get("images"))
    _add_calls(message, parts)
    return tuple(parts)


def read_images(images: Any) -> list[Image]:
    """OpenRouter's image output."""
    if not is_list(images):
        return []
    return [p for i, image in enumerate(images) if type(p := read_part(image, f"images[{i}]")) is Image]


def _add_annotations(annotations: Any, parts: list[Part], kept: dict[str, Any]) -> None:
    if not is_list(annotations) or not annotations:
        return
    for at, part in enumerate(parts):
        if type(part) is Text:
            cited = tuple([read_citation(a) for a in annotations if is_object(a)])
            parts[at] = Text(part.text, citations=cited, ext=part.ext)
            return
    kept["message.annotations"] = annotations


def _add_calls(message: dict[str, Any], parts: list[Part]) -> None:
    calls: Any = message.get("tool_calls")
    if is_list(calls):
        parts += [read_call(call) for call in calls if is_object(call)]
    legacy: Any = message.get("function_call")
    if is_object(legacy) and legacy.get("name"):
        name, arguments = text_or(legacy["name"], ""), arguments_text(legacy.get("arguments"))
        parts.append(ToolCall("", name, arguments, ext={NAME: {"~function_call": True}}))


_CALL = ("id", "type", "function", "index", "custom", "extra_content")


def read_call(call: dict[str, Any]) -> ToolCall:
    """Snowflake sends an empty `custom` beside a function call."""
    function: Any = call.get("function")
    custom: Any = call.get("custom")
    kept = rest(call, _CALL)
    if call.get("type") == "custom" and is_object(custom):
        kept["~type"] = "custom"
        name, arguments = custom.get("name"), text_or(custom.get("input"), "")
    else:
        function = function if is_object(function) else {}
        name, arguments = function.get("name"), arguments_text(function.get("arguments"))
    signature = thought_signature(call)
    if call.get("extra_content") is not None:
        kept["~extra_content"] = call["extra_content"]
    return ToolCall(text_or(call.get("id"), ""), text_or(name, ""), arguments, signature, ext=ext(kept))


def arguments_text(arguments: Any) -> str:
    """JSON text; some providers send the object itself."""
    if type(arguments) is str:
        return arguments or "{}"
    return "{}" if arguments is None else encode(arguments).decode()
