"""Which arm a unit is in: the same in every process, without a table.

Weighted rendezvous hashing: each arm draws an exponential variate from the hash of experiment, salt, unit and its own
name, divided by its share; the smallest wins (Thaler, Ravishankar, IEEE/ACM ToN 1998; the weights: Resch, SDC 2015).
When shares change, only as many units move as must.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import log
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tsuji.core.parts import Noun

from .design import Experiment, State

if TYPE_CHECKING:
    from tsuji.routing.route import Route

_SCALE = 2.0**-64


class Assignment(Noun, frozen=True):
    """arm: its index. target: its place in the route's targets. share: the probability with which it fell to this arm,
    which the statistics weigh it by. unit: a hash, 16 hexadecimal digits. shadows: indexes of arms it is mirrored to.
    counted: it is part of the experiment; not so once that is over.
    """

    arm: int
    target: int
    share: float
    unit: str
    reason: str
    shadows: tuple[int, ...] = ()
    counted: bool = True


def assign(
    experiment: Experiment, unit: str, now: float, chance: Callable[[], float], posterior: State | None = None
) -> Assignment:
    """unit: the user's or session's name, of any form; "" where each request is its own unit, or nobody is known: then
    it gets the control, and does not count.

    now: seconds since 1970; a bandit's shares that are older than they may be do not count. chance: from [0, 1).
    """
    arms = experiment.arms
    if posterior is not None and posterior.winner is not None:
        arm = posterior.winner
        reason = f"experiment {experiment.name!r} is over: {arms[arm].name!r} it is"
        return Assignment(arm, arms[arm].target, 1.0, "", reason, counted=False)
    shares = shares_now(experiment, posterior, now)
    if not unit and experiment.unit != "request":
        reason = f"the control of experiment {experiment.name!r}: no {experiment.unit} is known"
        return Assignment(0, arms[0].target, 1.0, "", reason, counted=False)
    if unit and experiment.unit != "request":
        arm = _by_hash(experiment, unit, shares)
        hashed, how = unit_hash(experiment, unit), f"by hash of the {experiment.unit}"
    else:
        arm, hashed, how = _by_draw(shares, chance()), "", "by a draw"
    mirrored = tuple([at for at, one in enumerate(arms) if one.shadow and _mirrors(one.share, chance)])
    reason = f"arm {arms[arm].name!r} of experiment {experiment.name!r}, {how} at a share of {shares[arm]:.0%}"
    return Assignment(arm, arms[arm].target, shares[arm], hashed, reason, mirrored)


def enrolled(route: "Route", assignment: Assignment) -> "Route":
    """The route with the arm's target first. The others are fallbacks, in their order: an answer from one of them
    counts as a failure of the arm.
    """
    targets, at = route.targets, assignment.target
    return replace(route, strategy="priority", targets=(targets[at], *targets[:at], *targets[at + 1 :]))


def shares_now(experiment: Experiment, state: State | None, now: float) -> list[float]:
    """Of each arm, 0 for shadows and those that were stopped; they add up to 1. The control is never stopped."""
    learnt = state.shares if state is not None and now < state.until else None
    stopped = state.stopped if state is not None else ()
    shares = [
        0.0 if arm.shadow or (at in stopped and at > 0) else arm.share if learnt is None else learnt[at]
        for at, arm in enumerate(experiment.arms)
    ]
    total = sum(shares)
    if total <= 0:
        return [1.0 if at == 0 else 0.0 for at in range(len(shares))]
    return [share / total for share in shares]


def unit_hash(experiment: Experiment, unit: str) -> str:
    """What is kept of a unit's name."""
    return blake2b(f"{experiment.name}\n{experiment.salt}\n{unit}".encode(), digest_size=8).hexdigest()


def _by_hash(experiment: Experiment, unit: str, shares: Sequence[float]) -> int:
    best, least = 0, float("inf")
    for at, share in enumerate(shares):
        if share <= 0:
            continue
        text = f"{experiment.name}\n{experiment.salt}\n{unit}\n{experiment.arms[at].name}"
        number = int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
        score = -log((number + 0.5) * _SCALE) / share
        if score < least:
            best, least = at, score
    return best


def _by_draw(shares: Sequence[float], draw: float) -> int:
    last = 0
    for at, share in enumerate(shares):
        if share > 0:
            last = at
            if draw < share:
                return at
            draw -= share
    return last


def _mirrors(share: float, chance: Callable[[], float]) -> bool:
    return share >= 1 or chance() < share
