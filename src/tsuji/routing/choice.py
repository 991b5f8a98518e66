"""What a strategy chose for one request: candidates in the order in which they are to be tried."""

from collections.abc import Callable

from tsuji.core.parts import Noun

from .needs import Needs
from .route import Route, Target

Chance = Callable[[], float]
"""A number drawn from [0, 1)."""


class Candidate(Noun, frozen=True):
    """score: by the strategy, lower is better; None where it has none. reason: why it stands where it stands.
    predicted: its quality for this prompt by a learned policy, without what feedback has taught since.
    """

    target: Target
    score: float | None = None
    reason: str = ""
    predicted: float | None = None


class Removed(Noun, frozen=True):
    target: Target
    filter: str
    reason: str


class Choice(Noun, frozen=True):
    """strategy: that made it. draw: the number that was drawn, where one was. note: what else is to be explained.
    needs: of the request; None where nothing of them mattered.
    """

    strategy: str
    candidates: tuple[Candidate, ...]
    removed: tuple[Removed, ...] = ()
    draw: float | None = None
    note: str = ""
    needs: Needs | None = None


def in_order(route: Route) -> Choice:
    """The choice of the strategy "priority" where nothing is removed: the targets as the route has them."""
    return Choice("priority", tuple([Candidate(target, None, "in the route's order") for target in route.targets]))
