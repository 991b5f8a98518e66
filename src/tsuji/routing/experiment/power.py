"""How many units an experiment needs, looked at all the time."""

from collections.abc import Callable
from math import ceil, erf, log, sqrt

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Noun

from .sequences import MIN_UNITS, p_value, tuning

_MOST = 10**10


class Plan(Noun, frozen=True):
    """units: of each arm, in the order given. total: of all. once: in all, for a test that is looked at once. variance:
    of one unit's part in the estimate. alpha: of one comparison.
    """

    units: tuple[int, ...]
    total: int
    once: int
    variance: float
    effect: float
    alpha: float
    power: float


def plan(
    effect: float, deviations: tuple[float, float], shares: tuple[float, ...], alpha: float = 0.05, power: float = 0.8
) -> Plan:
    """For a difference of `effect` between the control, the first share, and the arm with the smallest other.

    deviations: standard deviations of a unit's value in the control and in an arm. alpha: shared among all arms but the
    control. The units are those after which a look finds the effect with that power; looks before only add to it.
    Raises InvalidRequestError.
    """
    if effect == 0 or len(shares) < 2 or min(shares) <= 0 or min(deviations) < 0 or max(deviations) <= 0:
        raise InvalidRequestError(
            "a plan needs an effect other than 0, a deviation above 0, and two or more arms with shares above 0"
        )
    if not 0 < alpha < 1 or not 0.01 <= power < 1:
        raise InvalidRequestError("alpha and power are probabilities, and power at least 0.01")
    sum_of = sum(shares)
    control, arm = shares[0] / sum_of, min(shares[1:]) / sum_of
    alpha /= len(shares) - 1
    variance = deviations[0] ** 2 / control + deviations[1] ** 2 / arm
    low, high = 1, 2
    while _reached(high, effect, variance, alpha) < power:
        low, high = high, high * 2
        if high > _MOST:
            raise InvalidRequestError(f"more than {_MOST:,} units would be needed; look for a larger effect")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _reached(middle, effect, variance, alpha) >= power else (middle, high)
    total = max(high, ceil(MIN_UNITS / min(control, arm)))
    once = ceil(variance * (_quantile(1 - alpha / 2) + _quantile(power)) ** 2 / effect**2)
    return Plan(tuple([ceil(total * s / sum_of) for s in shares]), total, once, variance, effect, alpha, power)


def simulate(found: Plan, normal: Callable[[], float], runs: int, looks: int = 100) -> tuple[float, float, int]:
    """(how often the effect is found by the planned end, how often one is found where there is none, the middle of the
    units after which it is found). normal: draws from the standard normal distribution.
    """
    rho, step = tuning(found.total, found.alpha), found.total / looks
    stops: list[int] = []
    false = 0
    for _ in range(runs):
        walk, seen, wrong = 0.0, 0, False
        for look in range(1, looks + 1):
            walk += normal() * sqrt(step * found.variance)
            n = max(1, round(look * step))
            if not seen and p_value(walk / n + found.effect, found.variance, n, rho) <= found.alpha:
                seen = n
            wrong = wrong or p_value(walk / n, found.variance, n, rho) <= found.alpha
        stops += [seen] if seen else []
        false += wrong
    stops.sort()
    return len(stops) / runs, false / runs, stops[len(stops) // 2] if stops else 0


def _reached(n: int, effect: float, variance: float, alpha: float) -> float:
    """The probability that a look after n units finds the effect, if intervals are narrowest there."""
    v = n * tuning(n, alpha) ** 2
    bound = sqrt(2 * (v + 1) / v * log(sqrt(v + 1) / alpha))
    drift = abs(effect) * sqrt(n / variance)
    return _normal(drift - bound) + _normal(-drift - bound)


def _normal(z: float) -> float:
    return (1 + erf(z / sqrt(2))) / 2


def _quantile(p: float) -> float:
    low, high = -40.0, 40.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _normal(middle) < p else (low, middle)
    return (low + high) / 2
