"""Shares by weight: drawn for each request, or fixed for each user, session or conversation."""

from ..choice import Candidate
from ..hashing import hashed, ranked
from ..route import Target
from .scene import Order, Scene


def weighted(scene: Scene) -> Order:
    """Who comes next, if the first fails, is drawn by weight among the others, so that their shares grow alike. A
    weight of 0 is for when all others have failed.
    """
    if scene.unit:
        found = ranked(hashed(scene.unit.encode()), scene.targets)
        candidates = [Candidate(target, score, "by hash") for score, target in found]
        return Order(candidates, None, f"sticky by {scene.unit.partition(':')[0]}")
    left, total = list(scene.targets), sum([target.weight for target in scene.targets])
    candidates: list[Candidate] = []
    first: float | None = None
    while left:
        if total <= 0 or len(left) == 1:
            candidates += [Candidate(target, None, "by weight") for target in left]
            break
        draw = scene.chance()
        first = draw if first is None else first
        at = _drawn(left, draw * total)
        target = left.pop(at)
        total = sum([one.weight for one in left])
        candidates.append(Candidate(target, None, "by weight"))
    return Order(candidates, first)


def _drawn(left: list[Target], point: float) -> int:
    """point: from 0 up to the sum of the weights."""
    last = 0
    for at, target in enumerate(left):
        if target.weight > 0:
            last = at
            if point < target.weight:
                return at
            point -= target.weight
    return last
