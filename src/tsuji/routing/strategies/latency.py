"""Who will have answered first, by what targets have shown of late.

A target's score is the seconds that its answer is expected to take, times the requests that it would then have under
way: the time to its first token, an average that takes a rise at once (peak-EWMA), and the tokens of the answer at the
rate at which it writes. It fades while nobody asks it, so that who was slow once is asked again. Of two drawn at random
the lower score is first (power of two choices: Mitzenmacher, IEEE TPDS 2001), so that not all run to the one that was
fastest a moment ago. As Finagle does it
(https://linkerd.io/2016/03/16/beyond-round-robin-load-balancing-for-latency/).
"""

from math import exp
from operator import attrgetter

from ..choice import Candidate
from ..health import TargetHealth
from .scene import Order, Scene

USUAL_ANSWER = 256
"""Tokens, where the request does not say less."""
_FADING = 30.0
"""Time constant, in seconds."""
_SCORE = attrgetter("score")


def latency(scene: Scene) -> Order:
    output, now, of = min(scene.needs.output or USUAL_ANSWER, USUAL_ANSWER), scene.now, scene.health.of
    found: list[Candidate] = []
    for target in scene.targets:
        health = of(target)
        expected, busy = _expected(health, output, now), health.in_flight
        if expected is None:
            # Nobody knows it: the first request finds out, others need not wait for that one.
            found.append(Candidate(target, float(busy and 1e6 + busy), "not measured yet"))
        else:
            found.append(Candidate(target, expected * (busy + 1), "seconds expected, times requests under way"))
    count = len(found)
    if count < 2:
        return Order(found)
    draw = scene.chance()
    point = int(draw * count * (count - 1))
    one, other = divmod(point, count - 1)
    other += other >= one
    first = one if _SCORE(found[one]) <= _SCORE(found[other]) else other
    best = found.pop(first)
    found.sort(key=_SCORE)
    found.insert(0, best)
    return Order(found, draw, "the better of two that were drawn" if count > 2 else "")


def _expected(health: TargetHealth, output: int, now: float) -> float | None:
    first, rate = health.ttft, health.rate
    if first.value is not None:
        whole = first.value + (output / rate.value if rate.value else 0.0)
    elif health.whole.count:
        whole = health.whole.quantile(0.5)
    else:
        return None
    return whole * exp(-max(now - max(first.at, health.asked), 0.0) / _FADING)
