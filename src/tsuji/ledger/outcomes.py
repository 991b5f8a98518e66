"""What an experiment's requests came to, in SQL, and which of its arms were stopped.

All raise SQLAlchemyError where the database cannot be used.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine, and_, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tsuji.core.usage import NANO
from tsuji.routing.experiment import Experiment, State
from tsuji.routing.experiment.design import COST, ERROR, FEEDBACK, FIRST_TOKEN, JUDGE, LATENCY
from tsuji.routing.experiment.units import Row

from . import audit, feedback, tables
from .keys import MICRO

_BATCH = 5000
_ALL = ""
"""Stands for an experiment as a whole among its arms."""


class Stop(NamedTuple):
    """arm: "" for the whole experiment, whose requests all go to `winner`. time: microseconds since 1970."""

    experiment: str
    arm: str
    winner: str | None
    time: int
    who: str
    reason: str


class Summary(NamedTuple):
    """first, last: when, in microseconds since 1970. cost: nano-dollars, of shadows too."""

    experiment: str
    arm: str
    requests: int
    shadows: int
    first: int
    last: int
    cost: int


def rows(engine: Engine, experiment: Experiment) -> Iterator[Row]:
    """Every request of it, in the order of their times. Feedback counts where its key is the request's."""
    usage, said, tried = tables.usage.c, tables.feedback.alias(), tables.attempts
    judged = tables.feedback.alias()
    indexes = {arm.name: at for at, arm in enumerate(experiment.arms)}
    query = (
        select(
            usage.arm,
            usage.unit,
            usage.share,
            usage.time,
            usage.status,
            usage.latency,
            usage.first_token,
            usage.cost,
            usage.target,
            tried.c.target,
            said.c.value,
            said.c.choice,
            judged.c.value,
        )
        .select_from(
            tables.usage.outerjoin(tried, and_(tried.c.request_id == usage.id, tried.c.number == 1))
            .outerjoin(
                said,
                and_(
                    said.c.request_id == usage.id,
                    said.c.source == feedback.CLIENT,
                    said.c.key_id == func.coalesce(usage.key_id, ""),
                ),
            )
            .outerjoin(judged, and_(judged.c.request_id == usage.id, judged.c.source == feedback.JUDGE))
        )
        .where(usage.experiment == experiment.name, usage.arm.in_(list(indexes)))
        .order_by(usage.time, usage.id)
    )
    with engine.connect() as connection:
        for row in connection.execution_options(yield_per=_BATCH).execute(query):
            values = _values(experiment, tuple(row))
            yield Row(row[1] or "", row[3], indexes[row[0]], row[2], tuple([values[m] for m in experiment.metrics]))


def _values(experiment: Experiment, row: Sequence[Any]) -> dict[str, float | None]:
    """An arm has failed where another target had to answer, too. Times are those of answers."""
    _, _, _, _, status, latency, first_token, cost, target, first, value, choice, judged = row
    done = status == "done"
    scale = experiment.feedback
    if choice is not None:
        value = scale.values.get(choice)
    return {
        COST: cost / NANO if cost is not None else None,
        LATENCY: latency / MICRO if done else None,
        FIRST_TOKEN: first_token / MICRO if done and first_token is not None else None,
        ERROR: None if status == "cancelled" else float(not done or (first is not None and first != target)),
        FEEDBACK: value,
        JUDGE: judged,
    }


def summaries(engine: Engine) -> list[Summary]:
    """Of all experiments there have been."""
    usage = tables.usage.c
    query = (
        select(
            usage.experiment,
            usage.arm,
            func.count(),
            func.count(usage.shadow_of),
            func.min(usage.time),
            func.max(usage.time),
            func.coalesce(func.sum(usage.cost), 0),
        )
        .where(usage.experiment.is_not(None))
        .group_by(usage.experiment, usage.arm)
        .order_by(usage.experiment, usage.arm)
    )
    with engine.connect() as connection:
        return [Summary(name, arm, *[int(n) for n in rest]) for name, arm, *rest in connection.execute(query)]


def stops(engine: Engine, names: Collection[str]) -> dict[str, list[Stop]]:
    table = tables.experiment_stops
    found: dict[str, list[Stop]] = {}
    with engine.connect() as connection:
        for row in connection.execute(select(table).where(table.c.experiment.in_(list(names)))):
            stop = Stop(*row)
            found.setdefault(stop.experiment, []).append(stop)
    return found


def state_of(experiment: Experiment, stopped: Sequence[Stop]) -> State:
    """Arms that the experiment no longer has are left out."""
    indexes = {arm.name: at for at, arm in enumerate(experiment.arms)}
    over = next((one for one in stopped if one.arm == _ALL), None)
    winner = indexes.get(over.winner or "", 0) if over is not None else None
    return State(tuple(sorted([indexes[one.arm] for one in stopped if one.arm in indexes])), winner)


def stop(engine: Engine, experiment: str, arm: str, winner: str | None, now: int, who: str, reason: str) -> bool:
    """Whether it was not stopped before. arm: "" for the whole experiment."""
    row = Stop(experiment, arm, winner, now, who, reason)._asdict()
    with engine.begin() as connection:
        add = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        table = tables.experiment_stops
        made = connection.execute(add(table).on_conflict_do_nothing().returning(table.c.arm), row).first() is not None
        if made:
            audit.note(connection, who, "experiment.stop", experiment, arm=arm, winner=winner, reason=reason)
    return made


def resume(engine: Engine, experiment: str, arm: str, who: str) -> bool:
    """Whether it had been stopped."""
    table = tables.experiment_stops
    with engine.begin() as connection:
        gone = delete(table).where(table.c.experiment == experiment, table.c.arm == arm)
        made = connection.execute(gone).rowcount > 0
        if made:
            audit.note(connection, who, "experiment.resume", experiment, arm=arm)
    return made
