"""The records of requests as they are asked for: which, a page of them, one whole."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Engine, RowMapping, func, select, tuple_

from tsuji.core.errors import NotFoundError

from . import tables
from .database import explained
from .record import Assigned, Attempt, Record

_STORED = [name for name in Record.__struct_fields__ if name in tables.usage.c]
_EQUAL = ("key_id", "user_id", "team_id", "route", "target", "status")
_ASSIGNED = [name for name in Assigned.__struct_fields__ if name not in _STORED]
_LISTED = [*[name for name in _STORED if name != "explain"], *_ASSIGNED]
"""Of one among many."""
_LISTS = [name for name in ("tags", "guarded") if name in _STORED]


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """What a record must be; None: anything. since, until: microseconds since 1970, the second one not included."""

    since: int | None = None
    until: int | None = None
    key_id: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    route: str | None = None
    target: str | None = None
    status: str | None = None
    tag: str | None = None

    def conditions(self, engine: Engine) -> list[ColumnElement[bool]]:
        usage = tables.usage.c
        found = [usage[name] == value for name in _EQUAL if (value := getattr(self, name)) is not None]
        if self.since is not None:
            found.append(usage.time >= self.since)
        if self.until is not None:
            found.append(usage.time < self.until)
        if self.tag is not None:
            each = func.json_array_elements_text if engine.dialect.name == "postgresql" else func.json_each
            tags = each(usage.tags).table_valued("value")
            found.append(select(1).where(tags.c.value == self.tag).exists())
        return found


def page(
    engine: Engine, which: Which, *, before: tuple[int, str] | None = None, limit: int
) -> tuple[list[Record], tuple[int, str] | None]:
    """The newest first, without `attempts` and `explain`, and the next page's `before`; None: there is no more.

    Raises LedgerError.
    """
    usage = tables.usage.c
    query = select(*[usage[name] for name in _LISTED]).where(*which.conditions(engine))
    if before is not None:
        query = query.where(tuple_(usage.time, usage.id) < before)
    with explained(), engine.connect() as connection:
        rows = connection.execute(query.order_by(usage.time.desc(), usage.id.desc()).limit(limit + 1)).mappings()
        found = [_record(row, []) for row in rows]
    return found[:limit], (found[limit - 1].time, found[limit - 1].id) if len(found) > limit else None


def get(engine: Engine, id: str) -> Record:
    """With its attempts, in order. Raises NotFoundError or LedgerError."""
    usage, attempts = tables.usage, tables.attempts
    with explained(), engine.connect() as connection:
        row = connection.execute(select(usage).where(usage.c.id == id)).mappings().first()
        if row is None:
            raise NotFoundError(
                f"no record has the id {id!r}; it is what x-tsuji-request-id said, and is there within a second"
            )
        tried = select(attempts).where(attempts.c.request_id == id).order_by(attempts.c.number)
        names = Attempt.__struct_fields__
        found = [Attempt(**{name: one[name] for name in names}) for one in connection.execute(tried).mappings()]
        return _record(row, found)


def _record(row: RowMapping, attempts: list[Attempt]) -> Record:
    values: dict[str, Any] = {name: row[name] for name in _STORED if name in row}
    values |= {name: tuple(values[name] or ()) for name in _LISTS}
    part = {name: row[name] for name in Assigned.__struct_fields__}
    return Record(**values, attempts=attempts, assigned=Assigned(**part) if part["experiment"] is not None else None)
