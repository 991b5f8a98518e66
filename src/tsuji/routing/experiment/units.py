"""Requests made into units: what is independent of each other is the user or the session, not each of its requests.

A unit counts once, with the mean of what its requests did in its first `window` seconds, as soon as those are over. So
the values that the statistics see are independent, each final, and come in the order in which units began: just what
they are made for. Requests counted one by one would make intervals far too narrow, as a unit's requests are alike.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from .design import Experiment

MICRO = 1_000_000


class Row(NamedTuple):
    """A request. time: microseconds since 1970. arm: its index. values: of the metrics, None: not known."""

    unit: str
    time: int
    arm: int
    share: float
    values: tuple[float | None, ...]


class Whole(NamedTuple):
    """A unit whose window is over."""

    time: int
    arm: int
    share: float
    values: tuple[float | None, ...]


class Gathered(msgspec.Struct):
    """units: in the order in which they began. requests: by arm. moved: requests that came to another arm than their
    unit's first one, which do not count. late: those after their unit's window. open: units whose window is not over.
    """

    units: list[Whole]
    requests: list[int]
    moved: int = 0
    late: int = 0
    open: int = 0


class _Open:
    __slots__ = ("arm", "counts", "share", "sums", "time")

    def __init__(self, row: Row) -> None:
        self.time, self.arm, self.share = row.time, row.arm, row.share
        self.sums = [0.0] * len(row.values)
        self.counts = [0] * len(row.values)

    def add(self, values: Sequence[float | None]) -> None:
        for at, value in enumerate(values):
            if value is not None:
                self.sums[at] += value
                self.counts[at] += 1

    def whole(self) -> Whole:
        means = [s / n if n else None for s, n in zip(self.sums, self.counts, strict=True)]
        return Whole(self.time, self.arm, self.share, tuple(means))


def gather(experiment: Experiment, rows: Iterable[Row], now: int) -> Gathered:
    """rows: in the order of their times. now: microseconds since 1970."""
    found = Gathered([], [0] * len(experiment.arms))
    window, open_units = experiment.window * MICRO, dict[tuple[str, int], _Open]()
    for at, row in enumerate(rows):
        found.requests[row.arm] += 1
        shadow = row.arm if experiment.arms[row.arm].shadow else -1
        key = (row.unit, shadow) if row.unit else (str(at), -2)
        unit = open_units.get(key)
        if unit is None:
            unit = open_units[key] = _Open(row)
        if unit.arm != row.arm:
            found.moved += 1
        elif row.unit and row.time >= unit.time + window:
            found.late += 1
        else:
            unit.add(row.values)
    for (_, kind), unit in open_units.items():
        if kind == -2 or unit.time + window <= now:
            found.units.append(unit.whole())
        else:
            found.open += 1
    return found
