"""Usage, added up."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine, String, case, cast, func, literal, select

from . import tables
from .database import explained
from .keys import MICRO
from .requests import Which

_DAY = 86_400 * MICRO
NONE = "-"
"""Stands for requests without a key, user, team or target."""


class Sum(NamedTuple):
    """name: of the key, user and so on; of a key its id and name; of a day its date, UTC.

    failed: requests that did not end well. refused: for which no target was tried; they are none of the failed.
    cost: nano-dollars, of those whose cost is known; unpriced: how many of the others there are, without those that
    failed and counts of tokens.
    """

    name: str
    requests: int
    failed: int
    refused: int
    input_tokens: int
    output_tokens: int
    cost: int
    unpriced: int


def add_up(engine: Engine, by: str, which: Which) -> list[Sum]:
    """by: "key", "user", "team", "route", "target" or "day". The dearest first; days in order.

    Raises LedgerError.
    """
    usage, keys = tables.usage.c, tables.keys
    named = {"key": usage.key_id, "user": usage.user_id, "team": usage.team_id, "day": usage.time // _DAY}
    column: Any = named[by] if by in named else usage[by]
    label: Any = func.max(keys.c.name) if by == "key" else cast(literal(None), String)
    well, refused = usage.status.in_(("done", "refused")), usage.status == "refused"
    unpriced = usage.cost.is_(None) & (usage.status != "failed") & (usage.operation != "count_tokens")
    query = (
        select(
            column,
            label,
            func.count(),
            func.sum(case((well, 0), else_=1)),
            func.sum(case((refused, 1), else_=0)),
            func.coalesce(func.sum(usage.input_tokens), 0),
            func.coalesce(func.sum(usage.output_tokens), 0),
            func.coalesce(func.sum(usage.cost), 0),
            func.sum(case((unpriced, 1), else_=0)),
        )
        .where(*which.conditions(engine))
        .group_by(column)
    )
    if by == "key":
        query = query.select_from(tables.usage.outerjoin(keys, keys.c.id == usage.key_id))
    with explained(), engine.connect() as connection:
        rows = [
            Sum(_name(by, name, known), *[int(count) for count in counts])
            for name, known, *counts in connection.execute(query)
        ]
    return sorted(rows, key=lambda row: (0, 0, row.name) if by == "day" else (-row.cost, -row.requests, row.name))


def _name(by: str, name: Any, known: str | None) -> str:
    if by == "day":
        return datetime.fromtimestamp(int(name) * _DAY / MICRO, UTC).strftime("%Y-%m-%d")
    if name is None:
        return NONE
    return f"{name} {known}" if known else str(name)
