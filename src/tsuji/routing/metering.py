"""How much targets have been asked for in the last minute, against what they may be."""

from .health import TargetHealth
from .rules import Allowance

WINDOW = 60.0
_PARTS = 12
_REMEMBERED = 4096


class _Meter:
    """requests, tokens: what the counters of the target's health were at the beginning of each of the last PARTS + 1
    parts of a minute, the oldest first. part: the number of the last one. seen: the counters at the last look.
    """

    __slots__ = ("health", "part", "requests", "seen", "tokens")

    def __init__(self, health: TargetHealth, part: int) -> None:
        self.health = health
        self.part = part
        self.seen = health.requests, health.tokens
        self.requests = [health.requests] * (_PARTS + 1)
        self.tokens = [health.tokens] * (_PARTS + 1)

    def look(self, part: int) -> None:
        """What came since the last look counts to the part that it is now: for longer than it must, never shorter."""
        new = min(part - self.part, _PARTS + 1)
        if new > 0:
            self.part = part
            self.requests = self.requests[new:] + [self.seen[0]] * new
            self.tokens = self.tokens[new:] + [self.seen[1]] * new
        self.seen = self.health.requests, self.health.tokens


class Meters:
    """Of one process. share: of every allowance that is its own: 1 / the number of processes.

    What was asked for counts for a minute to a minute and a twelfth, so that no minute ever sees more than the
    allowance. Nobody reports to it: it looks at the counters of the targets' health, whoever raised them.
    """

    __slots__ = ("_by_name", "_share")

    def __init__(self, share: float = 1.0) -> None:
        self._by_name: dict[str, _Meter] = {}
        self._share = share

    def full(self, name: str, health: TargetHealth, allowance: Allowance, tokens: int, now: float) -> tuple[str, float]:
        """(why `name` has no room for a request of so many tokens, seconds after which it may); ("", 0.0): it has.

        A request that alone is more than the allowance goes through where nothing else has been asked for.
        """
        most = self._part_of(allowance.concurrent)
        if most is not None and health.in_flight >= most:
            return f"has {health.in_flight} requests under way, of {most}", 1.0
        if allowance.rpm is None and allowance.tpm is None:
            return "", 0.0
        meter = self._read(name, health, now)
        most = self._part_of(allowance.rpm)
        used = health.requests - meter.requests[0]
        if most is not None and used + 1 > most:
            return f"has had {used} requests in this minute, of {most}", self._wait(
                meter.requests, health.requests, most - 1, now
            )
        most = self._part_of(allowance.tpm)
        used = health.tokens - meter.tokens[0]
        if most is not None and used and used + tokens > most:
            wait = self._wait(meter.tokens, health.tokens, max(most - tokens, 0), now)
            return f"has had {used} tokens in this minute, of {most}; this takes about {tokens}", wait
        return "", 0.0

    def _part_of(self, amount: int | None) -> int | None:
        """At least one: a process that may never ask would be none."""
        return None if amount is None else max(int(amount * self._share), 1)

    def _read(self, name: str, health: TargetHealth, now: float) -> _Meter:
        part = int(now * _PARTS / WINDOW)
        meter = self._by_name.get(name)
        if meter is None or meter.health is not health:
            if len(self._by_name) >= _REMEMBERED:
                self._by_name.clear()
            meter = self._by_name[name] = _Meter(health, part)
        meter.look(part)
        return meter

    @staticmethod
    def _wait(marks: list[int], count: int, most: int, now: float) -> float:
        """Seconds until no more than `most` of it is in the window."""
        into = now % (WINDOW / _PARTS)
        for at, mark in enumerate(marks):
            if count - mark <= most:
                return at * WINDOW / _PARTS - into
        return len(marks) * WINDOW / _PARTS - into
