"""How targets have been of late: whether to ask them, and what to expect.

One `Health` per process. A target's circuit opens at once when nothing is there (no address, no connection, no valid
certificate), and after a few failures otherwise; while it is open, other targets are asked. Then one request at a time
is the probe, whose answer closes the circuit. A target that is rate-limited rests until it may be asked again.
Nothing here refuses a request: what is open or resting is passed over while another target is left.

now: seconds on any one clock, the same for all calls.
"""

from math import exp
from typing import Any, Literal

from tsuji.core.errors import TsujiError

from .retry import Circuit
from .route import Target
from .sketch import Ewma, PeakEwma, Sketch
from .verdict import Harm, harm

State = Literal["closed", "open", "half_open"]
_MEMORY = 30.0
"""Time constant of the counts that open a circuit, in seconds."""
_TAU = 10.0
_PROBE = 60.0
"""Seconds after which a probe that nobody has ended no longer keeps others away."""
_REST = 1.0
_LONGEST_REST = 30.0
_REMEMBERED = 4096
"""Targets; names may come from clients."""


class TargetHealth:
    """in_flight: tries that have begun and not ended. requests, failures: tries ever; tokens: asked for, ever; asked:
    when it was tried last.
    open_until: 0.0 while the circuit is closed; the end of the time in which it is open, after which it is half open.
    rest_until: rate-limited till then. ttft: seconds to the first token; rate: tokens a second after it. first, whole:
    times to the first token and to the end of a whole answer; gaps: the longest silence within each stream.
    """

    __slots__ = (
        "_at",
        "_bad",
        "_good",
        "_opened",
        "_probe_until",
        "_rests",
        "asked",
        "failures",
        "first",
        "gaps",
        "in_flight",
        "open_until",
        "rate",
        "requests",
        "rest_until",
        "target",
        "tokens",
        "ttft",
        "whole",
    )

    def __init__(self, target: Target) -> None:
        self.target = target
        self.in_flight = 0
        self.requests = 0
        self.failures = 0
        self.tokens = 0
        self.asked = 0.0
        self.open_until = 0.0
        self.rest_until = 0.0
        self.ttft = PeakEwma(_TAU)
        self.rate = Ewma(_TAU)
        self.first = Sketch()
        self.whole = Sketch()
        self.gaps = Sketch()
        self._bad = self._good = self._at = 0.0
        self._opened = 0
        self._rests = 0
        self._probe_until = 0.0

    def state(self, now: float) -> State:
        if not self.open_until:
            return "closed"
        return "open" if now < self.open_until else "half_open"

    def available(self, now: float) -> bool:
        """Whether it is to be asked like any other: not resting, and its circuit is closed or waits for a probe."""
        if now < self.rest_until:
            return False
        return not self.open_until or (now >= self.open_until and now >= self._probe_until)

    def why_not(self, now: float) -> str:
        """For people, of a target that is not available."""
        if now < self.rest_until:
            return f"rate-limited for {self.rest_until - now:.1f} s more"
        if now < self.open_until:
            return f"its circuit is open for {self.open_until - now:.1f} s more"
        return "its circuit is being probed"

    @property
    def error_rate(self) -> float:
        """Of the last half minute or so; 0.0 where there was nothing."""
        return self._bad / (self._bad + self._good) if self._bad else 0.0

    def started(self, now: float, tokens: int = 0) -> None:
        """tokens: that are asked for, those of the prompt and of the longest answer."""
        self.in_flight += 1
        self.requests += 1
        self.tokens += tokens
        self.asked = now
        if self.open_until and now >= self.open_until:
            self._probe_until = now + _PROBE

    def succeeded(self, now: float) -> None:
        self.in_flight -= 1
        self._decay(now)
        self._good += 1.0
        if self.open_until or self._rests:
            self._recovered()

    def failed(self, error: TsujiError, now: float, circuit: Circuit, draw: float) -> None:
        """draw: from [0, 1); of several workers' probes not all come at once."""
        self.in_flight -= 1
        self.failures += 1
        meant: Harm = harm(error)
        if not meant:
            if error.body is not None:  # it answered
                self._recovered()
            self._probe_until = 0.0
            return
        if meant == "rest":
            self.rest(now, error.retry_after, draw)
            self._probe_until = 0.0
            return
        self._decay(now)
        self._bad += 1.0
        if error.retry_after is not None:
            self.rest(now, error.retry_after, draw)
        if now < self.open_until:  # it began before the circuit opened, and says nothing new
            return
        if self.open_until or meant == "down" or (self._bad >= circuit.failures - 0.5 and self._bad >= self._good):
            self._open(now, circuit, draw)

    def left(self) -> None:
        """A try was given up by us: the client left, or another target was faster."""
        self.in_flight -= 1
        self._probe_until = 0.0

    def rest(self, now: float, seconds: float | None, draw: float) -> None:
        """It asks for a rest of so many seconds, or for one."""
        if seconds is None:
            seconds = min(_REST * 2.0**self._rests, _LONGEST_REST) * (0.5 + draw / 2)
        self._rests = min(self._rests + 1, 10)
        self.rest_until = max(self.rest_until, now + seconds)

    def heard(self, seconds: float, now: float) -> None:
        """The first token of a stream came, `seconds` after the try began."""
        self.ttft.add(seconds, now)
        self.first.add(seconds)

    def _open(self, now: float, circuit: Circuit, draw: float) -> None:
        seconds = min(circuit.open * 2.0**self._opened, circuit.max_open)
        self._opened = min(self._opened + 1, 10)
        self.open_until = now + seconds * (0.75 + draw / 4)
        self._probe_until = 0.0

    def _recovered(self) -> None:
        self.open_until = self._probe_until = 0.0
        self._opened = self._rests = 0
        self._bad = 0.0

    def _decay(self, now: float) -> None:
        if now - self._at < 1.0:  # as good as no time at all
            return
        kept = exp(-max(now - self._at, 0.0) / _MEMORY)
        self._bad *= kept
        self._good *= kept
        self._at = now

    def facts(self, now: float) -> dict[str, Any]:
        """JSON values, with times as seconds from now, for people and for other workers."""
        return {
            "state": self.state(now),
            "opens_for": max(self.open_until - now, 0.0) if self.open_until else 0.0,
            "rests_for": max(self.rest_until - now, 0.0),
            "in_flight": self.in_flight,
            "requests": self.requests,
            "failures": self.failures,
            "error_rate": self.error_rate,
            "ttft": self.ttft.value,
            "rate": self.rate.value,
        }

    def learn(self, facts: dict[str, Any], now: float) -> None:
        """What another worker found out: a circuit that it opened or closed, a rest that it was told to take."""
        self.rest_until = max(self.rest_until, now + float(facts["rests_for"]))
        if facts["state"] == "open" and now + float(facts["opens_for"]) > self.open_until:
            self.open_until = now + float(facts["opens_for"])
            self._opened = max(self._opened, 1)
        elif facts.get("recovered"):
            self._recovered()
        for name, mine in (("ttft", self.ttft), ("rate", self.rate)):
            value = facts[name]
            if value is not None and mine.value is None:
                mine.add(float(value), now)


class Health:
    """The health of all targets of a process. `of` makes what it does not know."""

    __slots__ = ("_by_id", "_by_name", "_heard", "_hedging", "_told")

    def __init__(self) -> None:
        # By the target's id, which is cheaper than its name.
        self._by_id: dict[int, tuple[Target, TargetHealth]] = {}
        self._by_name: dict[str, TargetHealth] = {}
        self._hedging: dict[str, float] = {}
        # Of each target, what others know: until when its circuit is open, and until when it rests.
        self._told: dict[str, tuple[float, float]] = {}
        # What others said, and when, of targets that nobody has asked for here yet.
        self._heard: dict[str, tuple[dict[str, Any], float]] = {}

    def of(self, target: Target) -> TargetHealth:
        found = self._by_id.get(id(target))
        return found[1] if found is not None and found[0] is target else self._named(target)

    def _named(self, target: Target) -> TargetHealth:
        name = target.name
        if len(self._by_name) >= _REMEMBERED or len(self._by_id) >= _REMEMBERED:
            self._by_name.clear()
            self._by_id.clear()
            self._told.clear()
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = TargetHealth(target)
            heard = self._heard.pop(name, None)
            if heard is not None:
                found.learn(*heard)
                self._told[name] = found.open_until, found.rest_until
        self._by_id[id(target)] = target, found
        return found

    def requested(self, route: str, share: float) -> None:
        """A request that may be hedged: `share` of one hedge more may be made on the route."""
        self._hedging[route] = min(self._hedging.get(route, 0.0) + share, 5.0)

    def hedges(self, route: str) -> bool:
        """Whether one more hedge may be made on the route; it counts as made."""
        left = self._hedging.get(route, 0.0)
        if left < 1.0 - 1e-9:
            return False
        self._hedging[route] = left - 1.0
        return True

    def facts(self, now: float) -> dict[str, dict[str, Any]]:
        """By target name; see TargetHealth.facts."""
        return {name: health.facts(now) for name, health in self._by_name.items()}

    def news(self, now: float) -> dict[str, dict[str, Any]]:
        """The same of targets whose circuit has opened or closed, or which were told to rest, since this was last
        asked, and not by `learn`. recovered: it answers again.
        """
        out: dict[str, dict[str, Any]] = {}
        for name, health in self._by_name.items():
            opened, rests = self._told.get(name, _WELL)
            if health.open_until != opened or health.rest_until > max(rests, now):
                recovered = bool(opened) and not health.open_until
                out[name] = {**health.facts(now), "recovered": recovered}
                self._told[name] = health.open_until, health.rest_until
        return out

    def expect(self, name: str, first: float, rate: float, now: float) -> None:
        """What a target that nobody has asked yet may be expected to do: seconds to its first token, tokens a second.

        It counts as one measurement, and fades as such.
        """
        if name not in self._by_name and len(self._heard) < _REMEMBERED:
            facts = {"state": "closed", "opens_for": 0.0, "rests_for": 0.0, "ttft": first, "rate": rate}
            self._heard.setdefault(name, (facts, now))

    def learn(self, facts: dict[str, dict[str, Any]], now: float) -> None:
        """Takes over what another worker's `facts` or `news` say, of targets not asked for here yet when they are."""
        for name, told in facts.items():
            mine = self._by_name.get(name)
            if mine is not None:
                mine.learn(told, now)
                self._told[name] = mine.open_until, mine.rest_until
            elif len(self._heard) < _REMEMBERED:
                self._heard[name] = told, now


_WELL = (0.0, 0.0)
