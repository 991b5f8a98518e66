"""The cheapest whose predicted quality is within the route's tolerance of the best, by a learned policy."""

from typing import NamedTuple

from ..choice import Candidate
from ..learned.drift import lane
from ..learned.rule import Rule
from ..route import Target
from .priority import priority
from .scene import Order, Scene


class _Option(NamedTuple):
    """quality: with what feedback has taught since. base: without. cost: dollars."""

    target: Target
    quality: float
    base: float
    cost: float


def learned(scene: Scene) -> Order:
    """Out of its depth (a prompt unlike those of the training, or targets of which it knows none) the route's own order
    holds, and the note says so. Targets that the policy does not know come last.
    """
    rule = scene.route.learned
    if rule is None or not any(target.name in rule.models for target in scene.targets):
        return priority(scene)._replace(note="out of the policy's depth: it knows none of these targets")
    from ..learned.decide import predict  # its patterns are compiled for who needs them

    needs, group = scene.needs, rule.group
    predicted = predict(group, needs.prompt, needs.task)
    if not needs.prompt or predicted.strange:
        why = "the prompt is unlike those of its training" if needs.prompt else "there is no text to go by"
        return priority(scene)._replace(note=f"out of the policy's depth: {why}")
    quality, cost = group.quality, group.cost
    if group.learned:
        pairs = zip(group.quality, predicted.quality, strict=True)
        quality = [min(max(mean + group.stretch * (one - mean), 0.0), 1.0) for mean, one in pairs]
        cost = predicted.cost
    options: list[_Option] = []
    for target in scene.targets:
        at = rule.models.get(target.name)
        if at is not None:
            offset = scene.known.drift.offset(lane(scene.route), target.name)
            options.append(_Option(target, quality[at] + offset, quality[at], cost[at]))
    order, draw, note = _ordered(options, rule, scene)
    unknown = [target for target in scene.targets if target.name not in rule.models]
    order += [Candidate(target, None, "the policy does not know it") for target in unknown]
    if not group.learned:
        note = f"by the models' means, for the policy is not certain to know better; {note}"
    return Order(order, draw, note)


def _ordered(options: list[_Option], rule: Rule, scene: Scene) -> tuple[list[Candidate], float | None, str]:
    """Those within the tolerance by cost, the others by quality, those too dear last; (candidates, draw, note)."""
    most = rule.max_cost
    able = [one for one in options if most is None or one.cost <= most]
    note = "" if able else f"none is expected to cost ${most:g} or less; the cheapest comes first"
    able = able or [min(options, key=lambda one: one.cost)]
    best = max([one.quality for one in able])
    near = sorted([one for one in able if one.quality >= best - rule.tolerance], key=lambda one: one.cost)
    draw = None
    if len(near) > 1 and rule.explore > 0:
        draw = scene.chance()
        if draw < rule.explore:
            near.insert(0, near.pop(1 + int(draw / rule.explore * (len(near) - 1))))
            note = "explores within the tolerance"
    note = note or f"the cheapest within {rule.tolerance:g} of the best, {best:.3f}"
    rest = sorted([one for one in options if one not in near], key=lambda one: (one not in able, -one.quality))
    found = [_candidate(one, f"within {rule.tolerance:g} of the best") for one in near]
    for one in rest:
        dear = most is not None and one.cost > most
        found.append(_candidate(one, f"above ${most:g}" if dear else "too far below the best"))
    return found, draw, note


def _candidate(one: _Option, why: str) -> Candidate:
    reason = f"dollars expected; quality {one.quality:.3f} predicted, {why}"
    return Candidate(one.target, one.cost, reason, one.base)
