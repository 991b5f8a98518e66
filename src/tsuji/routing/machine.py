"""The state machine of one request.

Laws:
1. At most `retry.tries` tries, and no more than `retry.burst` of them in 3 s. What was said to one of several keys is
   no try: the next key is used at once, and the one that was refused rests, so there are no more of these than keys.
2. A target that was silent, is not there, cannot be asked this, or answered what is no answer, is not tried again.
3. A target whose failure may be an accident (a 500, a connection lost) is tried once more, after a short wait; then the
   others come. One that is overloaded or rate-limited comes after the others, and not before it said so.
4. An error that is the caller's own ends the request, unless another target might take what this one cannot: a
   parameter its dialect lacks, a model it does not have, a window too small for the prompt.
5. Once part of an answer has reached the caller, another target is tried only if it can go on from there; what it says
   against being asked to is never the request's error.
6. Resting targets and open circuits are passed over while another target is left.
7. When nothing is left, or time is up, the error of the last target is the request's error; in an answer that had
   begun, the error that broke it off.
"""

from math import inf
from typing import Literal

import msgspec

from tsuji.core.errors import ContextLengthExceededError, InternalError, TsujiError, UpstreamProtocolError
from tsuji.core.timeouts import Timeouts
from tsuji.core.usage import Usage

from .choice import Candidate, Chance, Choice, in_order
from .health import Health, TargetHealth
from .limits import NO_LIMITS, Asked, Limits, limits
from .retry import BURST_SECONDS
from .route import Route, Target
from .verdict import Verdict, verdict

Mode = Literal["fresh", "prefill", "prompt"]
"""What to send: the request; what goes on from the delivered text, as the beginning of the assistant's message; or the
same by asking for it in words.
"""
Delivered = Literal["nothing", "thoughts", "text", "fixed"]
"""What of the answer has reached the caller: nothing; thoughts, which a whole answer may follow; text, which can be
continued; or something that cannot.
"""
_LOCAL = "local"


class Try(msgspec.Struct, frozen=True):
    """Send the request to `target`. number: counts from 1. timeouts: of the route. limits: narrower ones, for a Watch.

    hedge_at: when to call `hedge` if nothing of the answer has come by then; None for never. hedge: this is one.
    """

    target: Target
    timeouts: Timeouts
    number: int
    reason: str
    limits: Limits = NO_LIMITS
    mode: Mode = "fresh"
    hedge_at: float | None = None
    hedge: bool = False


class Wait(msgspec.Struct, frozen=True):
    """Call `next` again at `until`, by the driver's clock."""

    until: float
    reason: str


class Fail(msgspec.Struct, frozen=True):
    """Give up with `error`."""

    error: TsujiError
    reason: str


class Attempt(msgspec.Struct):
    """What became of one try. started, first_token, ended: seconds on the driver's clock, None where it did not come to
    that. at: which candidate of the choice. dropped: we gave it up, because another was faster or the caller left.
    usage: as the provider reported it, for the driver to set; of the try that answered it is what is billed.
    """

    target: Target
    number: int
    reason: str
    started: float
    at: int = 0
    ended: float | None = None
    error: TsujiError | None = None
    first_token: float | None = None
    mode: Mode = "fresh"
    hedge: bool = False
    dropped: bool = False
    usage: Usage | None = None


class _Tried:
    """What a request remembers of a candidate that has failed it. banned: not to be tried again. ready: not before."""

    __slots__ = ("banned", "failures", "ready")

    def __init__(self) -> None:
        self.failures = 0
        self.banned = False
        self.ready = 0.0


class Routing:
    """`next` says what to do; `failed` or `succeeded` says what came of it. now: seconds, on the clock of all calls.

    deadline: when the request's time is up; a driver may bring it forward. delivered: what the last `failed` said.
    waited: seconds spent in waits.
    """

    # Defaults are the class's: an attribute that stays as it is costs nothing per request.
    running = 0
    delivered: Delivered = "nothing"
    waited = 0.0
    _tried: dict[int, _Tried] | None = None
    _again: int | None = None
    """The candidate that is to be tried once more before others."""
    _prompt: int | None = None
    """The candidate that refused a prefill, and is to be asked in words."""
    _over = ""
    _over_size: int | None = None
    """The largest window that was too small."""
    _error: TsujiError | None = None
    _by_key = 0
    """Tries that failed by their key alone."""
    _wait_until = 0.0

    def __init__(
        self,
        route: Route,
        now: float,
        health: Health | None = None,
        choice: Choice | None = None,
        chance: Chance | None = None,
        asked: Asked | None = None,
    ) -> None:
        """choice: None for the targets in the route's order. chance: None for the middle of every draw."""
        self.route = route
        self.health = health if health is not None else Health()
        self.choice = choice if choice is not None else in_order(route)
        self.chance = chance
        self.asked = asked if asked is not None else _STREAM
        self.attempts: list[Attempt] = []
        total = route.retry.total
        if total is None:
            total = route.timeouts.total
            for candidate in self.choice.candidates:
                own = candidate.target.timeouts
                if own is not None and own.total > total:
                    total = own.total
        self.deadline = now + total
        if route.hedge is not None:
            self.health.requested(route.name, route.hedge.share)

    # What to do.

    def next(self, now: float) -> Try | Wait | Fail:
        """The next action. Call it at the start, after a Wait, and after a `failed` that leaves no try running."""
        if self._over:
            return self._fail(self._over)
        return self._begin(now) if not self.attempts else self._go_on(now)

    def _begin(self, now: float) -> Try | Wait | Fail:
        candidates = self.choice.candidates
        if not candidates:
            return self._fail("no target is left")
        first = self.health.of(candidates[0].target)
        if first.available(now):
            return self._try(0, now, "first choice")
        for at in range(1, len(candidates)):
            if self.health.of(candidates[at].target).available(now):
                return self._try(at, now, f"{candidates[0].target.name}: {first.why_not(now)}")
        return self._least_bad(now)

    def _least_bad(self, now: float) -> Try | Wait | Fail:
        """None is available: one with an open circuit is asked all the same, one that rests when it has rested."""
        best, ready = 0, inf
        for at, candidate in enumerate(self.choice.candidates):
            rests = max(self.health.of(candidate.target).rest_until, now)
            if rests < ready:
                best, ready = at, rests
        if ready > now:
            wait = self._wait(ready, now, "all targets are rate-limited")
            if wait is not None:
                return wait
        return self._try(best, now, "no target is well; this one may be first")

    def _go_on(self, now: float) -> Try | Wait | Fail:
        """After a failure."""
        retry, attempts = self.route.retry, self.attempts
        if len(attempts) - self._by_key >= retry.tries:
            return self._fail("all tries are used up" if retry.tries > 1 else "it is tried once")
        at, ready, reason = self._pick(now)
        if at < 0:
            return self._fail("no target is left")
        if len(attempts) - self._by_key >= retry.burst:
            ready = max(ready, attempts[-retry.burst].started + BURST_SECONDS)
        if ready > now:
            wait = self._wait(ready, now, f"before {self.choice.candidates[at].target.name} is tried: {reason}")
            return wait if wait is not None else self._fail("there is no time to wait for a target")
        if now >= self.deadline:
            return self._fail("the request's time is up")
        return self._try(at, now, reason)

    def _pick(self, now: float) -> tuple[int, float, str]:
        """(the candidate to try, not before when, why); -1 for none."""
        error = self.attempts[-1].error
        after = f"after {error.kind}" if error is not None else "after another"
        if self._prompt is not None:
            return self._prompt, now, "asked in words, after it refused a prefill"
        if self._again is not None:
            return self._again, self._ready(self._again), f"once more, {after}"
        best, soonest, why = -1, inf, after
        for at, candidate in enumerate(self.choice.candidates):
            tried = self._tried_of(at)
            if (tried is not None and tried.banned) or self._too_small(candidate):
                continue
            health = self.health.of(candidate.target)
            if tried is None:
                if health.available(now):
                    return at, now, after
                ready = max(health.rest_until, now)
                reason = f"{after}; {health.why_not(now)}"
            else:
                ready, reason = self._ready(at), f"again, {after}"
            if ready < soonest:
                best, soonest, why = at, ready, reason
        return best, soonest, why

    def _ready(self, at: int) -> float:
        tried = self._tried_of(at)
        return max(tried.ready if tried is not None else 0.0, self._health(at).rest_until)

    def _too_small(self, candidate: Candidate) -> bool:
        size, own = self._over_size, candidate.target.context
        return size is not None and own is not None and own <= size

    def _try(self, at: int, now: float, reason: str, *, hedge: bool = False) -> Try:
        target = self.choice.candidates[at].target
        number = len(self.attempts) + 1
        mode: Mode = "fresh"
        if number > 1:
            if self.delivered == "text":
                mode = "prefill" if target.prefill and at != self._prompt else "prompt"
            self._again = self._prompt = None
        health = self.health.of(target)
        health.started(now, self.asked.prompt + (self.asked.answer or 0))
        self.running += 1
        self.attempts.append(Attempt(target, number, reason, now, at, None, None, None, mode, hedge))
        route = self.route
        timeouts = target.timeouts or route.timeouts
        if (number > 1 or route.retry.total is not None) and now + timeouts.total > self.deadline:
            timeouts = msgspec.structs.replace(timeouts, total=max(self.deadline - now, 0.001))
        if len(self.choice.candidates) == 1:
            return Try(target, timeouts, number, reason, NO_LIMITS, mode)
        narrow, hedge_at = NO_LIMITS, None
        if route.retry.limits and self._another(at, now):
            narrow = limits(health, self.asked, timeouts, local=target.provider == _LOCAL)
            if number == 1:
                hedge_at = self._hedge_at(health, now)
        return Try(target, timeouts, number, reason, narrow, mode, hedge_at, hedge)

    def _another(self, at: int, now: float) -> bool:
        """Whether another target would be asked, if this one does not answer."""
        if len(self.attempts) >= self.route.retry.tries:
            return False
        for other, candidate in enumerate(self.choice.candidates):
            if other == at or self._too_small(candidate):
                continue
            tried = self._tried_of(other)
            if tried is None:
                if self.health.of(candidate.target).available(now):
                    return True
            elif not tried.banned:
                return True
        return False

    def _wait(self, until: float, now: float, reason: str) -> Wait | None:
        """None where the request has no time for it."""
        if until >= self.deadline:
            return None
        if until != self._wait_until:
            if self.waited + (until - now) > self.route.retry.patience:
                return None
            self.waited += until - now
            self._wait_until = until
        return Wait(until, reason)

    def _fail(self, reason: str) -> Fail:
        if self._error is None:
            removed = "; ".join([f"{r.target.name}: {r.reason}" for r in self.choice.removed])
            self._error = InternalError(
                f"route {self.route.name!r} has no targets" + (f" ({removed})" if removed else "")
            )
        self._over = reason
        return Fail(self._error, reason)

    # A hedge.

    def _hedge_at(self, health: TargetHealth, now: float) -> float | None:
        hedge = self.route.hedge
        if hedge is None:
            return None
        known = health.first if self.asked.stream else health.whole
        return now + known.quantile(hedge.quantile) if known.count >= hedge.samples else None

    def hedge(self, now: float) -> Try | None:
        """The second try beside the one that runs, whose answer has not begun; None where there is none to make.

        The first of the two that has something of an answer goes on, the driver tells `dropped` of the other. Where one
        fails, the other is the request's; `next` is for when both have.
        """
        if self._over or self.running != 1 or len(self.attempts) >= self.route.retry.tries:
            return None
        tried = [attempt.at for attempt in self.attempts]
        for at, candidate in enumerate(self.choice.candidates):
            if at in tried or self._too_small(candidate) or not self.health.of(candidate.target).available(now):
                continue
            if self.health.hedges(self.route.name):
                return self._try(at, now, "a hedge: the first is slower than usual", hedge=True)
        return None

    # What came of it. number: of the try; 0 is the last one.

    def first_token(self, now: float, number: int = 0) -> None:
        """The first content of a stream came."""
        attempt = self.attempts[number - 1]
        attempt.first_token = now
        if len(self.choice.candidates) > 1:
            self._health(attempt.at).heard(now - attempt.started, now)

    def succeeded(
        self, now: float, number: int = 0, *, longest: float | None = None, tokens: int | None = None
    ) -> None:
        """The answer is whole. longest: the longest silence of its stream (`Watch.longest`). tokens: of the answer.

        This and `failed` do nothing where the try had been dropped.
        """
        attempt = self.attempts[number - 1]
        if attempt.ended is not None:
            return
        attempt.ended = now
        health = self._health(attempt.at)
        self.running -= 1
        health.succeeded(now)
        if longest is not None:
            health.gaps.add(longest)
        began = attempt.first_token
        if len(self.choice.candidates) == 1:  # nothing to learn for
            return
        if began is None:
            health.whole.add(now - attempt.started)
        elif tokens and now > began:
            health.rate.add(tokens / (now - began), now)

    def dropped(self, now: float, number: int = 0) -> None:
        """The try was given up because another was faster."""
        attempt = self.attempts[number - 1]
        if attempt.ended is None:
            attempt.ended, attempt.dropped = now, True
            self.running -= 1
            self._health(attempt.at).left()

    def left(self, now: float) -> None:
        """The caller has left: nothing more is to be done, and no target is to blame."""
        for attempt in self.attempts:
            self.dropped(now, attempt.number)
        self._over = "the caller has left"
        if self._error is None:
            self._error = InternalError("the caller has left")

    def failed(self, error: TsujiError, now: float, delivered: Delivered = "nothing", number: int = 0) -> None:
        """The try failed. delivered: what of the whole answer, from all tries, has reached the caller."""
        attempt = self.attempts[number - 1]
        if attempt.ended is not None:
            return
        attempt.ended, attempt.error = now, error
        self.running -= 1
        at = attempt.at
        draw = self._draw()
        self._health(at).failed(error, now, self.route.circuit, draw)
        self._learn_limit(attempt, error, now)
        if self.delivered == "nothing" or self._error is None:
            self._error = error
        self.delivered = delivered
        if delivered == "fixed":
            self._over = "part of the answer had been delivered, and cannot be continued"
            return
        meant = verdict(error)
        if meant == "end" and attempt.mode != "fresh":
            meant = "elsewhere"  # it is our own words that it refused
            if attempt.mode == "prefill":
                self._prompt = at
                return
        if meant == "end":
            self._over = "the request itself is at fault"
            return
        if delivered in ("text", "thoughts") and isinstance(error, UpstreamProtocolError):
            meant = "later"  # it does speak its protocol; this once it went wrong
        if isinstance(error, ContextLengthExceededError) and attempt.target.context is not None:
            self._over_size = max(self._over_size or 0, attempt.target.context)
        self._note(at, meant, error, now, draw)

    def _note(self, at: int, meant: Verdict, error: TsujiError, now: float, draw: float) -> None:
        if self._tried is None:
            self._tried = {}
        tried = self._tried.get(at)
        if tried is None:
            tried = self._tried[at] = _Tried()
        retry = self.route.retry
        seconds = min(retry.backoff * 2.0**tried.failures, retry.max_backoff)
        if error.other_key:
            self._by_key += 1
            tried.ready, self._again = now, at
            return
        tried.ready = now + seconds * (0.5 + draw / 2)
        tried.failures += 1
        if meant == "elsewhere":
            tried.banned = True
        elif (
            meant == "again" and tried.failures == 1 and self.delivered == "nothing" and not self._health(at).open_until
        ):
            self._again = at

    def _learn_limit(self, attempt: Attempt, error: TsujiError, now: float) -> None:
        """What was cut off before its answer began took this long, at least."""
        if getattr(error, "timeout", None) in ("first_token", "first_byte") and attempt.first_token is None:
            health = self._health(attempt.at)
            (health.first if self.asked.stream else health.whole).add(now - attempt.started)

    def _draw(self) -> float:
        return self.chance() if self.chance is not None else 0.5

    def _health(self, at: int) -> TargetHealth:
        return self.health.of(self.choice.candidates[at].target)

    def _tried_of(self, at: int) -> _Tried | None:
        return self._tried.get(at) if self._tried is not None else None


_STREAM = Asked()
