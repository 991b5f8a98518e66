"""Why an answer ended, both ways (https://ai.google.dev/api/generate-content#FinishReason)."""

from typing import Final

from tsuji.core.response import StopReason

_STOPS: Final[dict[str, StopReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "MODEL_ARMOR",
            "ESCALATION",
            "PUP_LIMITED_DISABLED",
            "JAILBREAK",
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"),
        "malformed_tool_call",
    ),
    "MISSING_THOUGHT_SIGNATURE": "error",
    "CONTINUATION": "pause",
    "FINISH_REASON_UNSPECIFIED": "other",
    "LANGUAGE": "other",
    "OTHER": "other",
    "NO_IMAGE": "other",
    "IMAGE_OTHER": "other",
}
_REASONS: Final[dict[StopReason, str]] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "malformed_tool_call": "MALFORMED_FUNCTION_CALL",
    "pause": "OTHER",
    "error": "OTHER",
    "other": "OTHER",
}


def stop_of(reason: str, calls: bool) -> StopReason:
    """An answer that calls tools ends with STOP like any other."""
    stop = _STOPS.get(reason, "other")
    return "tool_calls" if calls and stop == "stop" else stop


def reason_of(stop: StopReason, raw: str | None) -> str:
    """This dialect's own word comes back as it was."""
    return raw if raw in _STOPS else _REASONS[stop]
