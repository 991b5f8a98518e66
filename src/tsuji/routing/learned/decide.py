"""Decisions of a policy, in plain Python."""

from collections.abc import Collection, Sequence
from math import exp
from operator import mul
from typing import NamedTuple

from .features import features
from .policy import FARTHEST, Group, Policy

_FAR = 4.0
"""Standard deviations beyond which a feature counts as this far."""
_MOST = 3.0
"""Of a cost's logarithm: no prompt is taken to cost more than e^3 times the mean, or less than that part of it."""


class Predicted(NamedTuple):
    """Of each model: quality, and cost in dollars. strange: the prompt is out of the policy's depth."""

    quality: list[float]
    cost: list[float]
    strange: bool


class Decision(NamedTuple):
    model: str
    reason: str


def group_for(policy: Policy, models: Collection[str], dataset: str = "") -> Group:
    """That knows most of `models`; of those that know as many, that of the data set, else the largest."""
    known = set(models)
    return max(
        policy.groups,
        key=lambda group: (len(known & set(group.models)), dataset in group.datasets, group.prompts),
    )


def predict(group: Group, prompt: str, task: str = "") -> Predicted:
    seen = [(x - m) / s for x, m, s in zip(features(prompt), group.center, group.scale, strict=True)]
    strange = sum([min(x * x, FARTHEST * FARTHEST) for x in seen]) > group.depth * len(seen)
    quality, logs = list(group.quality), [0.0] * len(group.models)
    weights, cost_weights = group.unnamed, group.cost_unnamed
    if task in group.tasks:
        weights, cost_weights = group.weights, group.cost_weights
        at = group.tasks.index(task)
        quality = [a + b for a, b in zip(quality, group.by_task[at], strict=True)]
        logs = list(group.cost_by_task[at])
    seen = [min(max(x, -_FAR), _FAR) for x in seen]
    quality = [of + sum(map(mul, seen, column)) for of, column in zip(quality, zip(*weights, strict=True), strict=True)]
    logs = [of + sum(map(mul, seen, column)) for of, column in zip(logs, zip(*cost_weights, strict=True), strict=True)]
    cost = [
        mean * level * exp(min(max(log, -_MOST), _MOST))
        for mean, level, log in zip(group.cost, group.level, logs, strict=True)
    ]
    return Predicted(quality, cost, strange)


def decide(group: Group, predicted: Predicted, tradeoff: float, models: Collection[str] = ()) -> Decision:
    """tradeoff: from 0, the cheapest, to 1, the best. models: that may be taken; empty: all that the group knows.

    Of models that it does not know, the first is taken where it knows none.
    """
    allowed = [at for at, name in enumerate(group.models) if not models or name in models]
    if not allowed:
        return Decision(next(iter(models)), "the policy knows none of these models")
    stop = group.stops[round(min(max(tradeoff, 0.0), 1.0) * (len(group.stops) - 1))]
    if stop.model is not None and stop.model in allowed:
        return Decision(group.models[stop.model], "the best single model at this trade-off")
    quality = group.quality if not group.learned or predicted.strange else predicted.quality
    best = _best(allowed, quality, predicted.cost if group.learned else group.cost, stop.price)
    why = "out of the policy's depth: by the models' means" if predicted.strange else "predicted"
    return Decision(group.models[best], f"{why}: quality {quality[best]:.3f} for ${predicted.cost[best]:.6f}")


def _best(allowed: Sequence[int], quality: Sequence[float], cost: Sequence[float], price: float) -> int:
    return max(allowed, key=lambda at: (quality[at] - price * cost[at], -cost[at]))
