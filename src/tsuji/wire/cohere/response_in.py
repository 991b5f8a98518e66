"""A whole answer, to core (https://docs.cohere.com/reference/chat).

It does not say its model: "". Strict that it is an answer at all, lenient about what may be missing in it.
"""

from typing import Any

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.parts import Part, Text
from tsuji.core.provider import Quirks
from tsuji.core.response import ChatResponse, Choice
from tsuji.wire.openai.fields import is_object, rest
from tsuji.wire.openai.guard import guarded_response

from .citations import attach
from .errors import decode_answer
from .fields import Fields, ext, objects_in, text_of
from .logprobs import read_logprobs
from .messages_in import read_block, read_call, thought
from .stops import read_stop
from .usage import read_usage

_ANSWER = frozenset(("id", "finish_reason", "message", "usage", "logprobs"))
_MESSAGE = frozenset(("role", "content", "tool_plan", "tool_calls", "citations"))


@guarded_response
def parse_response(body: bytes, quirks: Quirks) -> ChatResponse:
    """Raises UpstreamProtocolError if the body is no answer of this dialect, and the error that it holds if it does."""
    answer = decode_answer(body)
    message: Any = answer.get("message")
    if not is_object(message):
        raise UpstreamProtocolError("the provider's answer has no message", body=answer)
    stop, raw = read_stop(answer.get("finish_reason"))
    usage: Any = answer.get("usage")
    kept = rest(message, _MESSAGE)
    choice = Choice(
        content=tuple(_content(message, kept)),
        stop=stop if raw else None,
        stop_raw=raw,
        logprobs=read_logprobs(answer.get("logprobs")) or None,
        ext=ext(kept),
    )
    return ChatResponse(
        id=text_of(answer.get("id")),
        model="",
        choices=(choice,),
        usage=read_usage(usage) if is_object(usage) and usage else None,
        ext=ext(rest(answer, _ANSWER)),
    )


def _content(message: Fields, kept: Fields) -> list[Part]:
    content: Any = message.get("content")
    parts: list[Part]
    if type(content) is str:
        parts = [Text(content)]
    else:
        parts = [read_block(block, f"message.content[{i}]") for i, block in enumerate(objects_in(content))]
    left = attach(message.get("citations"), parts, list(range(len(parts))))
    if left:
        kept["citations"] = left
    plan = text_of(message.get("tool_plan"))
    if plan:
        parts.append(thought(plan, plan=True))
    calls = objects_in(message.get("tool_calls"))
    parts += [read_call(call, f"message.tool_calls[{i}]") for i, call in enumerate(calls)]
    return parts
