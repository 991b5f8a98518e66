"""How good decisions are: mean quality over mean cost, and the area under the curve of all trade-offs.

AIQ, the average improvement in quality, is the area under the non-decreasing hull of the points over cost, divided by
the range of cost: from the cheapest single model to the single model of the best quality (Hu et al., RouterBench,
arXiv:2403.12031).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

Point = tuple[float, float]
"""(mean cost in dollars, mean quality)."""


class Range(NamedTuple):
    """Costs that the area is taken over, and the quality of the best single model, whose cost `high` is."""

    low: float
    high: float
    best: float


def range_of(singles: Sequence[Point]) -> Range:
    """singles: of each single model."""
    best = max(singles, key=lambda point: (point[1], -point[0]))
    return Range(min([cost for cost, _ in singles]), best[0], best[1])


def hull(points: Iterable[Point]) -> list[Point]:
    """The upper hull, as far as it rises: what mixing neighbours reaches."""
    out: list[Point] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if out and quality <= out[-1][1]:
            continue
        while len(out) >= 2 and _above(out[-2], out[-1], (cost, quality)):
            out.pop()
        out.append((cost, quality))
    return out


def _above(first: Point, middle: Point, last: Point) -> bool:
    """The middle one is not above the line between the others."""
    return (middle[1] - first[1]) * (last[0] - first[0]) <= (last[1] - first[1]) * (middle[0] - first[0])


def at(line: Sequence[Point], cost: float) -> float:
    """The quality of a hull there; before its beginning and beyond its end, that of the nearest point."""
    place = bisect_right([point[0] for point in line], cost)
    if place == 0:
        return line[0][1]
    if place == len(line):
        return line[-1][1]
    (x0, y0), (x1, y1) = line[place - 1], line[place]
    return y0 + (y1 - y0) * (cost - x0) / (x1 - x0)


def aiq(points: Iterable[Point], over: Range) -> float:
    line = hull(points)
    if over.high <= over.low:
        return at(line, over.high)
    costs = sorted({over.low, over.high, *[cost for cost, _ in line if over.low < cost < over.high]})
    area = sum([(b - a) * (at(line, a) + at(line, b)) / 2 for a, b in pairwise(costs)])
    return area / (over.high - over.low)


def cost_at(points: Iterable[Point], over: Range, share: float) -> float | None:
    """The cost at which `share` of the best single model's quality is reached, in % of its cost; None: never."""
    line, wanted = hull(points), share * over.best
    if line[-1][1] < wanted or over.high <= 0:
        return None
    before = line[0]
    for point in line:
        if point[1] >= wanted:
            if point is before:
                return 100 * point[0] / over.high
            part = (wanted - before[1]) / (point[1] - before[1])
            return 100 * (before[0] + part * (point[0] - before[0])) / over.high
        before = point
    return None
