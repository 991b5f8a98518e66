"""Whole answers, from the wire.

Lenient about what providers get wrong (no usage, null lists), strict that it is an answer of this dialect at all. An
answer that failed is raised as the error that it tells. What the answer repeats of the request (tools, temperature ...)
stays in ext. One that runs in the background and is not ready has no parts, and "queued" or "in_progress" for its
reason to stop.
"""

from typing import Any

from tsuji.core.errors import UpstreamError, UpstreamProtocolError
from tsuji.core.parts import Part, Refusal, Text, ToolCall
from tsuji.core.provider import Quirks
from tsuji.core.response import ChatResponse, Choice, StopReason, TokenLogprob
from tsuji.wire.dialect import NO_QUIRKS
from tsuji.wire.openai.errors import body_error, decode_answer
from tsuji.wire.openai.fields import is_list, is_object, names, rest
from tsuji.wire.openai.guard import guarded_response
from tsuji.wire.openai.logprobs import read_logprobs
from tsuji.wire.openai.response_in import text_or

from .fields import Fields, ext, own
from .items_in import add_item
from .usage import read_usage

_ANSWER = names("id object created_at model output usage service_tier status incomplete_details error")


@guarded_response
def parse_response(body: bytes, quirks: Quirks = NO_QUIRKS) -> ChatResponse:
    """Raises UpstreamProtocolError if the body is no answer of this dialect; the provider's error if it is that."""
    return read_response(decode_answer(body))


def read_response(answer: Fields) -> ChatResponse:
    """As parse_response, of a body that is decoded already."""
    output: Any = answer.get("output")
    failure = body_error(answer)
    if failure is not None:
        raise failure
    if answer.get("status") == "failed":
        raise UpstreamError("the provider's answer failed; it does not say why", body=answer)
    if not is_list(output):
        raise UpstreamProtocolError("the provider's answer has no output", body=answer)
    content: list[Part] = []
    for index, item in enumerate(output):
        if is_object(item):
            add_item(item, content, f"output[{index}]")
    usage: Any = answer.get("usage")
    tier: Any = answer.get("service_tier")
    stop, raw = read_stop(answer, content)
    return ChatResponse(
        text_or(answer.get("id"), ""),
        text_or(answer.get("model"), ""),
        (Choice(0, tuple(content), stop, raw, logprobs=_logprobs(content)),),
        created_of(answer),
        read_usage(usage) if is_object(usage) else None,
        tier if type(tier) is str and tier else None,
        ext(extras(answer)),
    )


def created_of(answer: Fields) -> int | None:
    created: Any = answer.get("created_at")
    return int(created) if type(created) is int or type(created) is float else None


def extras(answer: Fields) -> Fields:
    """What core has no noun for."""
    return rest(answer, _ANSWER)


_REASONS: dict[str, StopReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_STATUSES: dict[str, StopReason] = {"incomplete": "other", "cancelled": "error", "queued": "other"}


def read_stop(answer: Fields, content: list[Part]) -> tuple[StopReason, str | None]:
    """Why it ended, and the provider's own word: its status, or the reason it is incomplete."""
    status: Any = answer.get("status")
    details: Any = answer.get("incomplete_details")
    reason = text_or(details.get("reason"), "") if is_object(details) else ""
    if reason:
        return _REASONS.get(reason, "other"), reason
    raw = status if type(status) is str else None
    if raw in ("incomplete", "cancelled", "queued", "in_progress"):
        return _STATUSES.get(raw, "other"), raw
    kinds = {type(p) for p in content}
    if ToolCall in kinds:
        return "tool_calls", raw
    return "refusal" if Refusal in kinds and Text not in kinds else "stop", raw


def _logprobs(content: list[Part]) -> tuple[TokenLogprob, ...] | None:
    found: list[TokenLogprob] = []
    for part in content:
        if type(part) is Text:
            found += read_logprobs(own(part.ext).get("~part", {}).get("logprobs"))
    return tuple(found) or None
