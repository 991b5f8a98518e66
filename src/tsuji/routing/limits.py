"""How long an answer may keep us waiting while another target could give it.

A route's timeouts hold always. The limits here are narrower, and hold only while a rescue is possible: they are learned
from the target, and where it is not known yet they are a guess that leaves a slow target its time. With one target
left there are none of them.
"""

from math import inf

import msgspec

from tsuji.core.errors import TimeoutKind, UpstreamTimeoutError
from tsuji.core.timeouts import Timeouts

from .health import TargetHealth

FIRST = 10.0
"""Seconds to the first token, of a target that is not known. Row 7 of the fault table wants less than 15."""
_FIRST_THINKING = 60.0
_LEAST_FIRST = 3.0
_WHOLE = 60.0
"""Seconds to the head of a whole answer, whose length is not known."""
_WHOLE_THINKING = 180.0
_LEAST_WHOLE = 10.0
_SLOW = 20.0
"""Tokens a second that a slow model writes."""
_PREFILL = 2000.0
"""Tokens a second that a slow hosted model reads."""
IDLE = 10.0
_LEAST_IDLE = 5.0
_USUAL_GAPS = 6.0
_OWN_GAPS = 20.0
_LEARNED = 20
"""Requests after which a target is known."""
_PIECES = 10
"""Pieces of a stream after which its own gaps say how it writes."""
RATE = 0.2
"""Pieces a second: models that write as slowly as this are ill."""
WINDOW = 15.0
"""Seconds over which the rate is measured."""
ENDING = 1.0
"""Seconds that a stream whose choices have all finished may take to say so and to report its usage."""


class Asked(msgspec.Struct, frozen=True):
    """What of a request says how long its answer may take. prompt, answer: tokens, as far as known; answer: at most.

    thinking: whether the model is to think first; None leaves it to the model.
    """

    stream: bool = True
    thinking: bool | None = None
    prompt: int = 0
    answer: int | None = None


class Limits(msgspec.Struct, frozen=True):
    """Seconds, None for none. first: from the request sent to the first token, or to the head of a whole answer.
    idle: between two pieces. rate: pieces a second.
    """

    first: float | None = None
    idle: float | None = None
    rate: float | None = None


NO_LIMITS = Limits()


def limits(health: TargetHealth, asked: Asked, timeouts: Timeouts, *, local: bool) -> Limits:
    """Of a try while another target is left. timeouts: the route's word on it, which goes before a guess.

    local: on this machine, where loading and a long prompt take minutes.
    """
    if asked.thinking is None and health.target.thinks:
        asked = msgspec.structs.replace(asked, thinking=True)
    gaps = health.gaps
    idle = IDLE if gaps.count < _LEARNED else max(_USUAL_GAPS * gaps.quantile(0.95), _LEAST_IDLE)
    rate = None if local else RATE
    given = timeouts.first_byte
    if asked.stream:
        first = _first(health, asked, local)
        if timeouts.first_token is not None:
            first = None
        elif first is not None and given is not None:
            first = max(first, given)
        return Limits(first, idle, rate)
    return Limits(_whole(health, asked, local) if given is None else None, IDLE, rate)


def _first(health: TargetHealth, asked: Asked, local: bool) -> float | None:
    known = health.first
    read = asked.prompt / _PREFILL
    if known.count < _LEARNED:
        if local:
            return None
        first = _FIRST_THINKING if asked.thinking else FIRST
        # What was cut off at a limit counts as a time that was reached: a slow target is given more with every try.
        return max(first, 2.0 * known.quantile(0.95)) + read
    usual = max(3.0 * known.quantile(0.95), _LEAST_FIRST)
    return max(usual, _FIRST_THINKING if asked.thinking else 0.0) + read


def _whole(health: TargetHealth, asked: Asked, local: bool) -> float | None:
    known = health.whole
    if known.count < _LEARNED:
        if local:
            return None
        guess = _WHOLE_THINKING if asked.thinking else _WHOLE
        if asked.answer is not None and not asked.thinking:
            guess = min(max(asked.answer / _SLOW, _LEAST_WHOLE), guess)
        return max(guess, 2.0 * known.quantile(0.95)) + asked.prompt / _PREFILL
    usual = max(3.0 * known.quantile(0.95), _WHOLE_THINKING if asked.thinking else _LEAST_WHOLE)
    return usual + asked.prompt / _PREFILL


class Watch:
    """The limits on one answer that depend on what its bytes say.

    The driver calls `head`, `heard`, `finished`, `fixed` as things happen, and `overdue` when `due` has come (or at any
    time). due: a time by the driver's clock, which changes with each of those calls; inf where there is no limit.
    first_token: when the first content came. longest: the longest silence since. ending: all choices have finished, and
    at `due` the answer counts as whole, whatever is still missing.
    """

    __slots__ = (
        "_first",
        "_idle",
        "_limits",
        "_mark",
        "_marked",
        "_pieces",
        "_rate",
        "_stream",
        "_timeouts",
        "began",
        "due",
        "ending",
        "first_token",
        "last",
        "longest",
        "peer",
    )

    def __init__(self, timeouts: Timeouts, limits: Limits, now: float, peer: str, *, stream: bool) -> None:
        """now: when the request is sent. peer: the target's name, for errors. stream: the answer comes as one."""
        self.peer = peer
        self.began = self.last = now
        self.first_token: float | None = None
        self.longest = 0.0
        self.ending = False
        self._timeouts = timeouts
        self._limits = limits
        self._stream = stream
        self._pieces = 0
        self._mark = now
        self._marked = 0
        explicit = timeouts.first_token if stream else None
        self._first = limits.first if explicit is None else explicit
        self._idle: float | None = limits.idle
        self._rate = timeouts.rate if timeouts.rate is not None else limits.rate
        self.due = inf if self._first is None else now + self._first

    def head(self, now: float) -> None:
        """The response head is there. A whole answer's body follows at once, or with signs of life before it."""
        if not self._stream:
            self.last = now
            self._first = FIRST if self._limits.first is not None else None
            self.began = now
            self.due = inf if self._first is None else now + self._first

    def heard(self, now: float, content: int = 1) -> None:
        """A piece came, with so many events (of a whole answer: pieces of its body) that have content.

        Signs of life without any, such as comments, extend no limit but the transport's.
        """
        if not content or self.ending:
            return
        if self.first_token is None:
            self.first_token = self._mark = now
        else:
            gap = now - self.last
            if gap > self.longest:
                self.longest = gap
        self._pieces += content
        self.last = now
        rate = self._rate
        due = inf
        if self._idle is not None:
            due = now + self._silence(self._idle)
        if rate is not None:
            due = min(due, self._floor(now, rate))
        self.due = due

    def alive(self, now: float) -> None:
        """Something without content came for a whole answer that has not begun: it is being made."""
        if self.first_token is None and not self._stream:
            self._first = None
            self.due = inf

    def rest(self, seconds: float) -> None:
        """So much time was not the provider's to use: the reader of its answer was busy."""
        self.began += seconds
        self.last += seconds
        self._mark += seconds
        self.due += seconds

    def fixed(self) -> None:
        """What has been delivered can no longer be continued: only the route's own limits hold from now on."""
        self._idle = None
        self._rate = self._timeouts.rate
        if not self.ending:
            self.due = inf if self._rate is None else self._floor(self.last, self._rate)

    def finished(self, now: float, *, usage: bool) -> None:
        """All choices have finished. usage: it has been reported, too."""
        self.ending = True
        self.due = now + (ENDING / 4 if usage else ENDING)

    def overdue(self, now: float) -> UpstreamTimeoutError | None:
        """The error of the limit that has passed; None if none has, and if `ending`."""
        if now < self.due or self.ending:
            return None
        if self.first_token is None:
            return self._error("first_token", f"had not begun its answer after {now - self.began:.1f} s")
        silent = now - self.last
        if self._idle is not None and silent >= self._silence(self._idle):
            return self._error("idle", f"went silent for {silent:.1f} s in the middle of its answer")
        return self._error("rate", f"sends fewer than {self._rate or 0:g} pieces of its answer a second")

    def _silence(self, usual: float) -> float:
        """The target's usual silence; a stream that has shown how it writes has its own."""
        if self._pieces < _PIECES:
            return usual
        return max(_LEAST_IDLE, min(_OWN_GAPS * self.longest, 4 * usual))

    def _floor(self, now: float, rate: float) -> float:
        """When the rate will have been too low for a whole window, if nothing more comes.

        A mark is the time of every `step`-th piece; between two of them there may be WINDOW seconds, or what one piece
        may take.
        """
        step = max(int(rate * WINDOW), 1)
        passed = self._pieces // step
        if passed > self._marked:
            self._marked = passed
            self._mark = now
        return self._mark + step / rate

    def _error(self, kind: TimeoutKind, what: str) -> UpstreamTimeoutError:
        return UpstreamTimeoutError(f"{self.peer} {what}; set timeouts or retry.limits if that is usual", timeout=kind)
