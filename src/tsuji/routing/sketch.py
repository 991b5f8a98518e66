"""What a target is like, remembered in a few numbers: quantiles, and averages that lean to the bad side."""

from math import exp, log2

_PER_OCTAVE = 4
_SMALLEST = 0.001
_OCTAVES = 20
_FULL = 512.0
_FRESH = 16
"""Values that may be added before a quantile is worked out again, once there are this many."""


class Sketch:
    """Quantiles of durations between 1 ms and 1,000 s, each with a relative error of at most 9 %.

    Counts in buckets whose bounds grow by a constant factor (Masson, Rim, Lee: DDSketch, VLDB 2019). When FULL values
    are in it all counts are halved, so the last thousand or so decide.
    """

    __slots__ = ("_asked", "_counts", "_known", "_stale", "count", "weight")

    def __init__(self) -> None:
        self._counts = [0.0] * (_PER_OCTAVE * _OCTAVES)
        self.count = 0
        self.weight = 0.0
        self._known = 0.0
        self._asked = -1.0
        self._stale = 0

    def add(self, seconds: float) -> None:
        at = int(log2(seconds / _SMALLEST) * _PER_OCTAVE) if seconds > _SMALLEST else 0
        counts = self._counts
        counts[min(at, len(counts) - 1)] += 1.0
        self.count += 1
        self.weight += 1.0
        self._stale += 1
        if self.weight >= _FULL:
            self._counts = [count / 2 for count in counts]
            self.weight /= 2

    def quantile(self, q: float) -> float:
        """In seconds; 0.0 where there is none. A value that was asked for before may be some values old."""
        if q == self._asked and (not self._stale or (self._stale < _FRESH and self.count > 4 * _FRESH)):
            return self._known
        self._asked = q
        self._stale = 0
        left = q * self.weight
        found = 0.0
        for at, count in enumerate(self._counts):
            left -= count
            if count and left <= 0:
                found = _SMALLEST * 2 ** ((at + 0.5) / _PER_OCTAVE)
                break
        self._known = found
        return found


class PeakEwma:
    """An average that takes a rise at once and forgets it with the time constant `tau`, in seconds.

    As Finagle's (https://linkerd.io/2016/03/16/beyond-round-robin-load-balancing-for-latency/): what has become slow is
    left before its average would show it. value: None before the first one; at: when the last one came.
    """

    __slots__ = ("_tau", "at", "value")

    def __init__(self, tau: float) -> None:
        self.value: float | None = None
        self._tau = tau
        self.at = 0.0

    def add(self, value: float, now: float) -> None:
        before = self.value
        if before is None or value > before:
            self.value = value
        else:
            kept = exp(-max(now - self.at, 0.0) / self._tau)
            self.value = before * kept + value * (1.0 - kept)
        self.at = now


class Ewma:
    """The same without the peaks."""

    __slots__ = ("_tau", "at", "value")

    def __init__(self, tau: float) -> None:
        self.value: float | None = None
        self._tau = tau
        self.at = 0.0

    def add(self, value: float, now: float) -> None:
        before = self.value
        if before is None:
            self.value = value
        else:
            # Values that come close together count for a tenth each, at least: else a burst would count as one.
            kept = min(exp(-max(now - self.at, 0.0) / self._tau), 0.9)
            self.value = before * kept + value * (1.0 - kept)
        self.at = now
