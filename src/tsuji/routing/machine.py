"""The state machine of one request.

Laws:
1. A target is tried at most once by the "priority" strategy.
2. An error that is the caller's own ends the request, unless another target might take what this one cannot: a
   parameter its dialect lacks, a model it does not have, a window too small for the prompt.
3. Once part of an answer has reached the caller, no other target is tried: a second answer cannot be spliced on.
4. When nothing is left, the error of the last target is the request's error.
"""

import msgspec

from tsuji.core.errors import (
    ContextLengthExceededError,
    InternalError,
    ModelNotFoundError,
    TsujiError,
    UnsupportedParameterError,
)
from tsuji.core.timeouts import Timeouts

from .route import Route, Target

_ANOTHER_MAY = (UnsupportedParameterError, ModelNotFoundError, ContextLengthExceededError)


class Try(msgspec.Struct, frozen=True):
    """Send the request to `target`. number: counts from 1."""

    target: Target
    timeouts: Timeouts
    number: int
    reason: str


class Fail(msgspec.Struct, frozen=True):
    """Give up with `error`."""

    error: TsujiError
    reason: str


class Attempt(msgspec.Struct):
    """What became of one try. started, ended: seconds on the driver's clock; ended is None while it runs."""

    target: Target
    number: int
    reason: str
    started: float
    ended: float | None = None
    error: TsujiError | None = None


class Routing:
    """`next` says what to do; `failed` or `succeeded` says what came of it. now: seconds, monotonic."""

    __slots__ = ("_error", "_next", "_over", "attempts", "route")

    def __init__(self, route: Route, now: float) -> None:
        self.route = route
        self.attempts: list[Attempt] = []
        self._next = 0
        self._over = ""
        self._error: TsujiError | None = None

    def next(self, now: float) -> Try | Fail:
        """The next action. Call it at the start, and after each `failed`."""
        if self._over and self._error is not None:
            return Fail(self._error, self._over)
        route, at = self.route, self._next
        if at >= len(route.targets):
            if self._error is None:
                self._error = InternalError(f"route {route.name!r} has no targets")
            return Fail(self._error, "no target is left")
        target = route.targets[at]
        self._next = at + 1
        number = len(self.attempts) + 1
        reason = f"first of route {route.name!r}" if self._error is None else f"after {self._error.kind}"
        self.attempts.append(Attempt(target, number, reason, now))
        return Try(target, target.timeouts or route.timeouts, number, reason)

    def failed(self, error: TsujiError, now: float, *, sent: bool = False) -> None:
        """The running try failed. sent: part of its answer has reached the caller."""
        attempt = self.attempts[-1]
        attempt.ended, attempt.error = now, error
        self._error = error
        if sent:
            self._over = "part of the answer had been delivered"
        elif error.fault == "caller" and not isinstance(error, _ANOTHER_MAY):
            self._over = "the request itself is at fault"

    def succeeded(self, now: float) -> None:
        self.attempts[-1].ended = now
