"""Thompson sampling with known probabilities.

An arm gets the probability with which it is the best one, given the data (Thompson, Biometrika 1933), by integration
instead of a draw from each arm: what is drawn with is then known, and can be divided by.
"""

from collections.abc import Sequence
from math import erf, exp, isnan, pi, sqrt

from .sums import Sums

MIN_UNITS = 30
"""Of each arm, before which shares are equal."""
_POINTS = 96
_REACH = 6.0


def shares(sums: Sequence[Sums], floor: float, sign: int) -> tuple[float, ...]:
    """Of each arm. sign: +1 where more is better. floor: the least, at most 1 / arms."""
    count = len(sums)
    if any(one.n < MIN_UNITS or isnan(one.variance) for one in sums):
        return (1.0 / count,) * count
    # The variance of a weighted mean; a little of it is left where all values were alike.
    normals = [(sign * one.mean, sqrt(one.variance) or 1e-9) for one in sums]
    best = [_is_best(at, normals) for at in range(count)]
    total, floor = sum(best), min(floor, 1.0 / count)
    return tuple([floor + (1 - count * floor) * (one / total) for one in best])


def _is_best(at: int, normals: Sequence[tuple[float, float]]) -> float:
    """The midpoint rule: of a smooth function that ends at nothing, as good as any."""
    mean, deviation = normals[at]
    step, found = 2 * _REACH / _POINTS, 0.0
    for point in range(_POINTS):
        z = -_REACH + (point + 0.5) * step
        here, chance = mean + z * deviation, exp(-z * z / 2)
        for other, (its_mean, its_deviation) in enumerate(normals):
            if other != at:
                chance *= (1 + erf((here - its_mean) / its_deviation / sqrt(2))) / 2
        found += chance
    return found * step / sqrt(2 * pi)
