"""Estimates of a machine that has measured something are shifted by how far its own runs were from theirs."""

import math
from collections.abc import Sequence

import msgspec

from .speed import WITHIN, Estimate

RUN_SD = 0.1
"""Standard deviation of log(measured / estimated) from run to run on one machine: models, types and lengths differ."""


class Pair(msgspec.Struct, frozen=True):
    """A measured rate, and what had been estimated for it."""

    measured: float
    estimate: Estimate


def calibrated(estimate: Estimate, pairs: Sequence[Pair]) -> Estimate:
    """The estimate, shifted by the runs of the same phase on the same machine.

    Of n runs with a mean m of log(measured / estimated), the shift is m x s2 / (s2 + RUN_SD^2 / n), s being how far
    devices lie from their estimates (the interval's own width): the posterior mean of a normal prior. What is left
    unknown, the posterior and one run's scatter, is the new width; it is never wider than it was.
    """
    if not pairs:
        return estimate
    before = max(0.01, math.log(estimate.high / estimate.low) / (2 * WITHIN))
    n = len(pairs)
    mean = sum(math.log(pair.measured / pair.estimate.median) for pair in pairs) / n
    shift = mean * before**2 / (before**2 + RUN_SD**2 / n)
    left = 1 / (1 / before**2 + n / RUN_SD**2)
    narrower = min(1.0, math.sqrt(left + RUN_SD**2) / before)
    median = estimate.median * math.exp(shift)
    inputs = estimate.inputs | {"measured_runs": n, "calibration_factor": round(math.exp(shift), 4)}
    return msgspec.structs.replace(
        estimate,
        median=median,
        low=median * (estimate.low / estimate.median) ** narrower,
        high=median * (estimate.high / estimate.median) ** narrower,
        inputs=inputs,
    )
