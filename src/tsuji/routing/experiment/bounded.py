"""Intervals for means of values between 0 and 1 that are exact at any number of them, from the first.

Betting against each possible mean p with a mixture of Bernoulli likelihood ratios: for values in [0, 1] with mean p,
product (q/p)^x ((1-q)/(1-p))^(1-x) is a supermartingale for every q, since it is convex in x; so is its average over q
~ Beta(1/2, 1/2), and by Ville's inequality it passes 1/alpha with probability alpha at most, ever (Robbins, Ann. Math.
Stat. 1970; Howard, Ramdas, McAuliffe, Sekhon, https://arxiv.org/abs/1810.08240, sub-Bernoulli; Waudby-Smith, Ramdas,
https://arxiv.org/abs/2010.09686). Of two arms, the product of both; a difference is left out if the product passes
1/alpha at the pair of means that suits it best (Wasserman, Ramdas, Balakrishnan, https://arxiv.org/abs/1912.11436).

It holds for whichever values came to an arm, so under bandits too, as long as the means stay the same meanwhile.
"""

from collections.abc import Callable
from math import exp, inf, lgamma, log

_EDGE = 1e-12
_STEPS = 32


def log_wealth(total: float, n: int, p: float) -> float:
    """The logarithm of what has been won by betting against the mean p. total: sum of the n values."""
    return _mixture(total, n) - _likelihood(total, n, p)


def interval(total: float, n: int, alpha: float) -> tuple[float, float]:
    """Of the mean."""
    if n == 0:
        return 0.0, 1.0
    least = _mixture(total, n) - log(1 / alpha)

    def kept(p: float) -> bool:
        return _likelihood(total, n, p) >= least

    mean = total / n
    return _edge(mean, 0.0, kept), _edge(mean, 1.0, kept)


def difference(total: float, n: int, control_total: float, control_n: int, alpha: float) -> tuple[float, float]:
    """Of the means, arm minus control."""
    if n == 0 or control_n == 0:
        return -1.0, 1.0
    least = _mixture(total, n) + _mixture(control_total, control_n) - log(1 / alpha)

    def kept(by: float) -> bool:
        return _best(total, n, control_total, control_n, by) >= least

    middle = total / n - control_total / control_n
    return _edge(middle, -1.0, kept), _edge(middle, 1.0, kept)


def p_value(total: float, n: int, control_total: float, control_n: int, by: float = 0.0) -> float:
    """Always valid, for a difference of `by`."""
    won = _mixture(total, n) + _mixture(control_total, control_n) - _best(total, n, control_total, control_n, by)
    return min(1.0, exp(-won))


def _mixture(total: float, n: int) -> float:
    """log of B(s + 1/2, n - s + 1/2) / B(1/2, 1/2)."""
    return lgamma(total + 0.5) + lgamma(n - total + 0.5) - lgamma(n + 1.0) - 2 * lgamma(0.5)


def _likelihood(total: float, n: int, p: float) -> float:
    rest = n - total
    if (total > 0 and p <= 0) or (rest > 0 and p >= 1):
        return -inf
    return (total * log(p) if total > 0 else 0.0) + (rest * log(1 - p) if rest > 0 else 0.0)


def _best(total: float, n: int, control_total: float, control_n: int, by: float) -> float:
    """The largest log likelihood of both where their means differ by `by`: concave in the control's mean."""

    def both(p: float) -> float:
        return _likelihood(control_total, control_n, p) + _likelihood(total, n, p + by)

    if by == 0.0:
        return both((total + control_total) / (n + control_n))
    low, high = max(0.0, -by) + _EDGE, min(1.0, 1 - by) - _EDGE
    if low >= high:
        return -inf
    rest, control_rest = n - total, control_n - control_total
    for _ in range(_STEPS):  # for the zero of the derivative, which falls
        p = (low + high) / 2
        if control_total / p - control_rest / (1 - p) + total / (p + by) - rest / (1 - p - by) > 0:
            low = p
        else:
            high = p
    return both((low + high) / 2)


def _edge(inside: float, outside: float, kept: Callable[[float], bool]) -> float:
    """Where, on the way from `inside`, which is kept, to `outside`, values are kept no more; never too near."""
    if kept(outside):
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if kept(middle):
            inside = middle
        else:
            outside = middle
    return outside
