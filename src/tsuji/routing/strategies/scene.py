"""What a strategy sees, and what it answers."""

from collections.abc import Sequence
from typing import NamedTuple

from ..choice import Candidate, Chance
from ..health import Health
from ..known import Known
from ..needs import Needs
from ..route import Route, Target


class Scene(NamedTuple):
    """targets: those left, all of them well or none of them, in the route's order. unit: whose request it is, where
    the route is sticky; "" where it is not, or that is not known. now: seconds, by the clock of `health`.
    """

    route: Route
    targets: Sequence[Target]
    needs: Needs
    known: Known
    health: Health
    now: float
    chance: Chance
    unit: str


class Order(NamedTuple):
    """draw: the number that decided who is first, where one did."""

    candidates: list[Candidate]
    draw: float | None = None
    note: str = ""
