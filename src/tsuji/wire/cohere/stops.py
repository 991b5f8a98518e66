"""Why an answer ended, both ways (https://docs.cohere.com/reference/chat#response.body.finish_reason).

The ERROR_ words and USER_CANCEL are those of the API's first version, which the official client still knows.
"""

from typing import Any

from tsuji.core.response import StopReason

_READ: dict[str, StopReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "context_window",
}
_WORDS: dict[StopReason, str] = {
    "stop": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR_TOXIC",
    "refusal": "ERROR_TOXIC",
    "error": "ERROR",
}


def is_failure(word: Any) -> bool:
    """A stream that ends so is cut."""
    return word == "ERROR" or word == "TIMEOUT"


def read_stop(word: Any) -> tuple[StopReason, str | None]:
    if type(word) is not str or not word:
        return "stop", None
    return _READ.get(word, "other"), word


def write_stop(stop: StopReason | None, raw: str | None) -> str:
    """The word that came, where it is this dialect's. For an end that has none, core's own in capitals: no client
    should take a paused answer for a complete one.
    """
    if raw in _READ:
        return raw
    known = stop or "stop"
    return _WORDS.get(known) or known.upper()
