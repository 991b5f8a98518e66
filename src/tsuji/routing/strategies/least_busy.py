"""The fewest requests under way, for its weight."""

from math import inf

from ..choice import Candidate
from .scene import Order, Scene


def least_busy(scene: Scene) -> Order:
    """Of those that are equally busy one is drawn: else the first of the route would get all of a quiet hour's."""
    draw, count, of = scene.chance(), len(scene.targets), scene.health.of
    turn = int(draw * count)
    found: list[tuple[float, int, Candidate]] = []
    for at, target in enumerate(scene.targets):
        busy = of(target).in_flight
        score = (busy + 1) / target.weight if target.weight > 0 else inf
        found.append((score, (at - turn) % count, Candidate(target, float(busy), "requests under way")))
    found.sort(key=lambda row: row[:2])
    return Order([row[2] for row in found], draw)
