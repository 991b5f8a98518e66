"""The cheapest for this request, by its price and the tokens that are expected."""

from math import inf

from ..choice import Candidate
from .latency import USUAL_ANSWER
from .scene import Order, Scene


def cost(scene: Scene) -> Order:
    """A target whose price is not known comes after those whose price is. Equal ones stand in the route's order."""
    needs = scene.needs
    tokens, output = needs.tokens or 0, min(needs.output or USUAL_ANSWER, USUAL_ANSWER)
    found: list[tuple[float, int, Candidate]] = []
    for at, target in enumerate(scene.targets):
        nano = scene.known.cost(target, tokens, output)
        if nano is None:
            found.append((inf, at, Candidate(target, None, "its price is not known")))
        else:
            found.append((nano, at, Candidate(target, nano / 1e9, "dollars expected")))
    found.sort(key=lambda row: row[:2])
    return Order([row[2] for row in found], None, f"for {tokens} tokens and {output} of the answer")
