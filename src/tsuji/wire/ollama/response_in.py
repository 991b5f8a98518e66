"""A whole answer of /api/chat or /api/generate, to core: https://docs.ollama.com/api/chat,
https://docs.ollama.com/api/generate.

The two differ in where the text stands: `message.content` or `response`. Durations and whatever else core has no noun
for stay in `ext`. Lenient about what may be missing, strict that it is such an answer at all.
"""

from typing import Any, Final, NamedTuple

import msgspec

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.parts import Image, Part, Text, Thinking, ToolCall
from tsuji.core.provider import Quirks
from tsuji.core.response import ChatResponse, Choice, StopReason, TokenLogprob
from tsuji.core.usage import Usage

from .errors import error_in
from .fields import NAME, UNEXPECTED, Object, count_of, dicts_in, json_text, rest, text_of, to_ext
from .messages_in import image
from .times import seconds_of

_KNOWN: Final = frozenset(
    [
        "model",
        "created_at",
        "message",
        "response",
        "thinking",
        "tool_calls",
        "images",
        "done",
        "done_reason",
        "prompt_eval_count",
        "eval_count",
        "logprobs",
    ]
)
_MESSAGE: Final = frozenset(["role", "content", "thinking", "tool_calls", "images"])
_STOPS: Final[dict[str, StopReason]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "error": "error",
}
_decode = msgspec.json.Decoder().decode


class Said(NamedTuple):
    """What an answer, or a line of one, says. extra: fields of its message that core has no noun for."""

    thinking: str
    text: str
    images: list[Image]
    calls: list[ToolCall]
    extra: Object


def decode_answer(body: bytes) -> Object:
    """A JSON object. Raises UpstreamProtocolError, or the error that the object is."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamProtocolError(f"the provider's answer is not JSON: {error}") from None
    if found.__class__ is not dict:
        raise UpstreamProtocolError("the provider's answer is no JSON object", body=found)
    failed = error_in(found)
    if failed is not None:
        raise failed
    return found


def parse_response(body: bytes, quirks: Quirks) -> ChatResponse:
    """Raises UpstreamProtocolError if the body is no answer of this dialect, and the error that it holds if it does."""
    answer = decode_answer(body)
    try:
        return _response(answer)
    except UNEXPECTED as error:
        raise UpstreamProtocolError(f"the provider's answer is malformed: {error}", body=answer) from None


def _response(answer: Object) -> ChatResponse:
    said = said_in(answer)
    parts: list[Part] = [Thinking(said.thinking, origin=NAME)] if said.thinking else []
    if said.text or not said.calls:
        parts.append(Text(said.text))
    parts += said.images
    parts += said.calls
    stop, raw = stop_of(answer.get("done_reason"), bool(said.calls))
    ended = answer.get("done") is not False
    choice = Choice(
        content=tuple(parts),
        stop=stop if ended else None,
        stop_raw=raw if ended else None,
        logprobs=parse_logprobs(answer.get("logprobs")) or None,
        ext=to_ext(said.extra),
    )
    return ChatResponse(
        id="",
        model=text_of(answer.get("model")),
        choices=(choice,),
        created=seconds_of(answer.get("created_at")),
        usage=parse_usage(answer),
        ext=answer_ext(answer),
    )


def answer_ext(answer: Object) -> dict[str, Object] | None:
    """Of the whole answer: durations, and when it was made as the provider wrote it."""
    extra = rest(answer, _KNOWN)
    if text_of(answer.get("created_at")):
        extra["~created_at"] = answer["created_at"]
    return to_ext(extra)


def said_in(answer: Object) -> Said:
    """Raises UpstreamProtocolError for what is no answer."""
    message: Any = answer.get("message")
    if message.__class__ is dict:
        text, extra = message.get("content"), rest(message, _MESSAGE)
    elif "response" in answer:
        message, text, extra = answer, answer["response"], {}
    else:
        raise UpstreamProtocolError("the provider's answer is no message of Ollama's API", body=answer)
    images: Any = message.get("images")
    return Said(
        text_of(message.get("thinking")),
        text_of(text),
        [image(data) for data in images if data.__class__ is str] if images.__class__ is list else [],
        [_call(call) for call in dicts_in(message.get("tool_calls"))],
        extra,
    )


def _call(call: Object) -> ToolCall:
    function: Any = call.get("function")
    if function.__class__ is not dict or not text_of(function.get("name")):
        raise UpstreamProtocolError("a tool call of the provider's has no name", body=call)
    arguments: Any = function.get("arguments")
    if arguments.__class__ is not str:
        arguments = "{}" if arguments is None else json_text(arguments)
    index = function.get("index")
    ext = {NAME: {"~index": index}} if index.__class__ is int else None
    return ToolCall(text_of(call.get("id")), function["name"], arguments or "{}", ext=ext)


def stop_of(raw: Any, calls: bool) -> tuple[StopReason, str | None]:
    """Why the answer ended, and the provider's word for it. Older servers give none.

    An answer that calls tools ends with "stop" like any other; that word is not kept, for it is one of other dialects
    too, and there it means that no tool is called.
    """
    if raw.__class__ is not str or not raw:
        return ("tool_calls" if calls else "stop"), None
    stop = _STOPS.get(raw, "other")
    return ("tool_calls", None) if calls and stop == "stop" else (stop, raw)


def parse_usage(answer: Object) -> Usage | None:
    """The prompt's count is missing where all of it was cached."""
    entered, output = count_of(answer.get("prompt_eval_count")), count_of(answer.get("eval_count"))
    return None if entered is None and output is None else Usage(entered, output)


def parse_logprobs(value: Any) -> tuple[TokenLogprob, ...]:
    return tuple([_logprob(item) for item in dicts_in(value)])


def _logprob(item: Object) -> TokenLogprob:
    logprob: Any = item.get("logprob")
    data: Any = item.get("bytes")
    return TokenLogprob(
        text_of(item.get("token")),
        float(logprob) if logprob.__class__ is float or logprob.__class__ is int else 0.0,
        tuple([b for b in data if b.__class__ is int]) if data.__class__ is list else None,
        parse_logprobs(item.get("top_logprobs")),
    )


class _Counts(msgspec.Struct):
    prompt_eval_count: int | None = None
    eval_count: int | None = None


_counts = msgspec.json.Decoder(_Counts)


def read_usage(body: bytes) -> Usage | None:
    """The usage in a whole answer, nothing else of it decoded; None if there is none."""
    try:
        found = _counts.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if found.prompt_eval_count is None and found.eval_count is None:
        return None
    return Usage(found.prompt_eval_count, found.eval_count)
