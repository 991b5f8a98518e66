"""Whether units fell to the arms as the shares say: if not, something loses units of one arm, and no mean can be
believed. May be looked at any time.

A Dirichlet mixture of multinomial likelihood ratios (Lindon, Malek: Anytime-valid inference for multinomial count data,
https://arxiv.org/abs/2011.03567).
"""

from collections.abc import Sequence
from math import exp, lgamma, log

CONCENTRATION = 100.0
"""Of the mixture around the shares, as in the paper's examples: it is looked for deviations of some per cent."""


def mismatch(counts: Sequence[int], shares: Sequence[float], concentration: float = CONCENTRATION) -> float:
    """An always-valid p-value. shares: of each arm, above 0; they add up to 1."""
    total = sum(counts)
    won = lgamma(concentration) - lgamma(concentration + total)
    for count, share in zip(counts, shares, strict=True):
        prior = concentration * share
        won += lgamma(prior + count) - lgamma(prior) - count * log(share)
    return min(1.0, exp(min(-won, 0.0)))
