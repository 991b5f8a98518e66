"""Whole answers, to the wire: the first choice, as items (output.py) and a status."""

from typing import Any

from tsuji.core.response import ChatResponse, Choice, StopReason
from tsuji.core.usage import Usage
from tsuji.wire.openai.response_out import write_tier
from tsuji.wire.passthrough import encode

from .fields import TIERS, Fields
from .fields import own as own_fields
from .output import write_output
from .usage import write_usage


def render_response(response: ChatResponse) -> bytes:
    choice = response.choices[0] if response.choices else Choice()
    out = envelope(response.id, response.model, response.created, response.service_tier)
    out.update({k: v for k, v in own_fields(response.ext).items() if not k.startswith("~")})
    logprobs = choice.logprobs or ()
    finish(out, choice.stop, choice.stop_raw, response.usage)
    out["output"] = write_output(choice.content, response.id, logprobs)
    return encode(out)


def envelope(response_id: str, model: str, created: int | None, tier: str | None) -> Fields:
    """An answer that has only begun, with every field that the official client's type requires."""
    out: Fields = {
        "id": response_id or "resp_0",
        "object": "response",
        "created_at": created or 0,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }
    word = write_tier(tier, TIERS)
    if word is not None:
        out["service_tier"] = word
    return out


_INCOMPLETE: dict[StopReason, str | None] = {
    "length": "max_output_tokens",
    "context_window": "max_output_tokens",
    "content_filter": "content_filter",
    "pause": None,
    "error": None,
    "malformed_tool_call": None,
}
"""Reasons to stop with which an answer is not whole -> the client's word for it, where it has one."""
_WAITING = ("queued", "in_progress", "cancelled")


def finish(out: Fields, stop: StopReason | None, raw: str | None, usage: Usage | None) -> None:
    """Sets what an answer says at its end."""
    if raw in _WAITING:
        out["status"] = raw
    elif stop in _INCOMPLETE or raw == "incomplete":
        reason: Any = _INCOMPLETE.get(stop or "other")
        out["status"] = "incomplete"
        out["incomplete_details"] = {"reason": reason} if reason else None
    else:
        out["status"] = "completed"
    if usage is not None:
        out["usage"] = write_usage(usage)
