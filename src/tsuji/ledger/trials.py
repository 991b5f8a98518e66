"""Experiments as a gateway's ledger process follows them: what was stopped, guardrails, and the shares of bandits."""

import logging
import threading
from collections.abc import Sequence
from time import perf_counter

import msgspec
from sqlalchemy import Engine

from tsuji.routing.experiment import Experiment, State
from tsuji.routing.experiment.analysis import Tally, breaches, tally
from tsuji.routing.experiment.bandit import shares
from tsuji.routing.experiment.units import gather

from . import outcomes
from .keys import MICRO

log = logging.getLogger("tsuji.ledger")

SECONDS = 5.0
"""Between two analyses of an experiment, at least."""
_PATIENCE = 20
"""Times what an analysis takes: it has a twentieth of a core at most."""
_GOOD_FOR = 600.0
"""Seconds for which a bandit's shares hold. Without others, requests then go by the configuration's."""
GUARDRAIL = "guardrail"
"""Who stops an arm, for the audit."""


class Trials:
    """`know` from any thread, `turn` from one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._experiments: dict[str, Experiment] = {}
        self._due: dict[str, float] = {}
        self._shares: dict[str, tuple[tuple[float, ...], float]] = {}
        self._told: dict[str, State] = {}

    def know(self, experiments: Sequence[Experiment]) -> None:
        with self._lock:
            self._experiments = {one.name: one for one in experiments}
            self._due.clear()
            self._shares.clear()
            self._told.clear()

    def turn(self, engine: Engine, now: int) -> dict[str, State] | None:
        """The states that have changed. now: microseconds since 1970. Raises SQLAlchemyError."""
        with self._lock:
            known = dict(self._experiments)
        if not known:
            return None
        for experiment in known.values():
            if perf_counter() >= self._due.get(experiment.name, 0.0) and (experiment.guardrails or experiment.bandit):
                self._analyse(engine, experiment, now)
        stopped = outcomes.stops(engine, known)
        states = {name: self._state(one, stopped.get(name, ())) for name, one in known.items()}
        with self._lock:
            if known != self._experiments:
                return None  # others were told of meanwhile
            changed = {name: state for name, state in states.items() if self._told.get(name) != state}
            self._told = states
        return changed or None

    def _analyse(self, engine: Engine, experiment: Experiment, now: int) -> None:
        began = perf_counter()
        gathered = gather(experiment, outcomes.rows(engine, experiment), now)
        found = tally(experiment, gathered.units)
        for breach in breaches(found):
            arm = experiment.arms[breach.arm].name
            if outcomes.stop(engine, experiment.name, arm, None, now, GUARDRAIL, breach.reason):
                log.warning("experiment %r: arm %r is stopped: %s", experiment.name, arm, breach.reason)
        if experiment.bandit is not None:
            self._shares[experiment.name] = (_shares(experiment, found), now / MICRO + _GOOD_FOR)
        took = perf_counter() - began
        self._due[experiment.name] = perf_counter() + max(SECONDS, _PATIENCE * took)

    def _state(self, experiment: Experiment, stopped: Sequence[outcomes.Stop]) -> State:
        state = outcomes.state_of(experiment, stopped)
        learnt = self._shares.get(experiment.name)
        return msgspec.structs.replace(state, shares=learnt[0], until=learnt[1]) if learnt is not None else state


def _shares(experiment: Experiment, found: Tally) -> tuple[float, ...]:
    """Of all arms; shadows have none."""
    metric = experiment.metrics[0]
    live, floor = experiment.live, experiment.bandit.floor if experiment.bandit is not None else 0.0
    learnt = shares([found.sums[metric][at] for at in live], floor, experiment.sign(metric))
    by_arm = dict(zip(live, learnt, strict=True))
    return tuple([by_arm.get(at, 0.0) for at in range(len(experiment.arms))])
