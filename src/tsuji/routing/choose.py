"""Which targets a request goes to, in which order, and why: filters first, then the route's strategy."""

from .choice import Candidate, Chance, Choice
from .filters import filtered, last_resort, refusal
from .hashing import bounded, ranked
from .health import Health
from .known import Known
from .needs import Needs
from .route import Route, Target
from .rules import Sticky
from .strategies import STRATEGIES, Scene

FORGETS = ("weighted", "experiment")
"""Strategies that know whose a request is without having seen them before."""

SPREAD = ("weighted", "latency", "least_busy")
"""Strategies for which one target is as good as another, so that a prefix may have the say."""


def choose(route: Route, needs: Needs, known: Known, health: Health, now: float, chance: Chance) -> Choice:
    """The candidates of a request, never none. chance: draws from [0, 1).

    Targets that rest or whose circuit is open stand last: whether they are tried after all is for later. Raises
    TsujiError where no target may serve the request; which one says what to do.
    """
    left, removed, wait = filtered(route, needs, known, health, now)
    note = ""
    if not left:
        left, note = last_resort(removed, known)
        if not left:
            raise refusal(route, needs, removed, wait)
        removed = [one for one in removed if one.target not in left]
    well: list[Target] = []
    ill: list[Target] = []
    of = health.of
    for target in left:
        if of(target).available(now):
            well.append(target)
        else:
            ill.append(target)
    if not well:
        well, ill = ill, well
    unit = unit_of(route, needs)
    order = STRATEGIES[route.strategy](Scene(route, well, needs, known, health, now, chance, unit))
    candidates = order.candidates
    note = f"{note}; {order.note}" if note and order.note else note or order.note
    if route.affinity is not None and needs.prefix and len(candidates) > 1 and route.strategy in SPREAD:
        note = _near(candidates, needs.prefix, route.affinity.load, health, note)
    elif unit and route.sticky is not None and route.strategy not in FORGETS:
        note = _as_before(candidates, f"{route.name}\n{unit}", route.sticky, known, now, note)
    for target in ill:
        candidates.append(Candidate(target, None, health.of(target).why_not(now)))
    return Choice(route.strategy, tuple(candidates), tuple(removed), order.draw, note, needs)


def unit_of(route: Route, needs: Needs) -> str:
    """Whose a request is, where the route is sticky: "user:ann"; "" where it is not or where nobody has said."""
    sticky = route.sticky
    if sticky is None:
        return ""
    value: str = getattr(needs, sticky.by)
    return f"{sticky.by}:{value}" if value else ""


def _near(candidates: list[Candidate], prefix: int, load: float, health: Health, note: str) -> str:
    """Puts first whose cache has the beginning of the prompt, unless it has too much to do. The note."""
    order = [target for _, target in ranked(prefix, [one.target for one in candidates])]
    in_flight = [health.of(target).in_flight for target in order]
    at = bounded(order, in_flight, load)
    _put_first(candidates, order[at], "has its prefix" if at == 0 else "has its prefix when others have their load")
    said = f"prefix {prefix:016x}" + (f", {at} at their load" if at else "")
    return f"{note}; {said}" if note else said


def _as_before(candidates: list[Candidate], unit: str, sticky: Sticky, known: Known, now: float, note: str) -> str:
    """Puts first who had the unit's last request, if that one is among those that are well. The note."""
    last = known.memory.last(unit, now)
    said = ""
    if last is not None and last != candidates[0].target.name:
        found = next((one.target for one in candidates if one.target.name == last), None)
        if found is not None:
            _put_first(candidates, found, f"had this {sticky.by}'s last request")
            said = f"stays, by {sticky.by}"
    known.memory.note(unit, candidates[0].target.name, now + sticky.ttl)
    return "; ".join([part for part in (note, said) if part])


def _put_first(candidates: list[Candidate], target: Target, reason: str) -> None:
    at = next(at for at, one in enumerate(candidates) if one.target is target)
    one = candidates.pop(at)
    why = f"{reason}; {one.reason}" if one.reason else reason
    candidates.insert(0, Candidate(target, one.score, why, one.predicted))
