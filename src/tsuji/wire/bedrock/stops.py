"""Why an answer ended (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)."""

from typing import Any, Final

from tsuji.core.response import StopReason

_IN: Final[dict[str, StopReason]] = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "malformed_tool_use": "malformed_tool_call",
    "malformed_model_output": "error",
    "model_context_window_exceeded": "context_window",
}
_OUT: Final[dict[StopReason, str]] = {
    **{stop: raw for raw, stop in reversed(_IN.items())},
    "refusal": "content_filtered",
    "pause": "end_turn",
    "other": "end_turn",
}


def parse_stop(raw: Any) -> StopReason | None:
    return None if raw is None else _IN.get(raw, "other") if type(raw) is str else "other"


def render_stop(stop: StopReason | None, raw: str | None, calls: bool) -> str:
    """raw: the provider's word, given back where it is one of this dialect's. calls: whether the answer calls tools,
    which some providers end with a plain stop.
    """
    if raw is not None and _IN.get(raw) == stop:
        return raw
    return "tool_use" if calls and stop == "stop" else _OUT[stop or "other"]
