"""What an error means: for the request that met it, and for the health of the target that it came from."""

from typing import Literal

from tsuji.core.errors import (
    ContextLengthExceededError,
    GuardrailError,
    ModelNotFoundError,
    RateLimitError,
    StreamInterruptedError,
    TsujiError,
    UnsupportedParameterError,
    UpstreamConnectionError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)

Verdict = Literal["again", "later", "elsewhere", "end"]
"""again: the same target, once, then others. later: others first, the same one when it has had time. elsewhere: others
only. end: no target would do better.
"""
Harm = Literal["", "rest", "fault", "down"]
"""To a target's health: none; it wants to be left alone for a while; it failed; it is not there at all."""

_ANOTHER_MAY = (UnsupportedParameterError, ModelNotFoundError, ContextLengthExceededError)


def verdict(error: TsujiError) -> Verdict:
    if error.other_key:
        return "again"
    if isinstance(error, UpstreamConnectionError):
        return "again" if error.reached else "elsewhere"
    if isinstance(error, UpstreamTimeoutError | UpstreamProtocolError):
        return "later" if error.body is not None else "elsewhere"  # silent, or no such API, if it did not say so itself
    if isinstance(error, RateLimitError | UpstreamUnavailableError | StreamInterruptedError):
        return "later"
    if isinstance(error, GuardrailError) or (error.fault == "caller" and not isinstance(error, _ANOTHER_MAY)):
        return "end"
    return "again" if error.fault == "upstream" and error.retryable else "elsewhere"


def harm(error: TsujiError) -> Harm:
    if error.other_key:
        return ""
    if isinstance(error, UpstreamConnectionError):
        return "fault" if error.reached else "down"
    if isinstance(error, UpstreamTimeoutError) and error.timeout == "connect":
        return "down"
    if isinstance(error, RateLimitError):
        return "rest"
    return "fault" if error.fault == "upstream" else ""
