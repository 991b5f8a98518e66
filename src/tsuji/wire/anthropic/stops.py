"""Why an answer ended (https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons)."""

from typing import Any

from tsuji.core.response import StopReason

_IN: dict[str, StopReason] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}

_OUT: dict[StopReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "pause": "pause_turn",
    "refusal": "refusal",
    "content_filter": "refusal",
    "context_window": "model_context_window_exceeded",
    # A client must not take a cut answer for a whole one: of the words it knows, this one says "cut".
    "error": "max_tokens",
    "malformed_tool_call": "end_turn",
    "other": "end_turn",
}


def parse_stop(raw: Any) -> StopReason | None:
    return None if raw is None else _IN.get(raw, "other") if type(raw) is str else "other"


def render_stop(stop: StopReason | None, raw: str | None, calls: bool) -> str | None:
    """raw: the provider's word, given back where it is one of this dialect's. calls: whether the answer calls tools,
    which some providers end with a plain stop.
    """
    if stop is None:
        return None
    if raw is not None and _IN.get(raw) == stop:
        return raw
    return "tool_use" if calls and stop == "stop" else _OUT[stop]
