"""Feedback in SQL."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

from . import tables
from .feedback import Feedback

_BATCH = 500
_NAMES = ("time", "value", "choice", "comment")


def keep(connection: Connection, insert: PostgresInsert | SqliteInsert, said: Sequence[Feedback]) -> None:
    """The last by its time counts, in whichever order they come, and however often."""
    last: dict[tuple[str, str, str], Feedback] = {}
    for one in sorted(said, key=lambda one: one.time):
        last[one.request_id, one.source, one.key_id] = one
    table = tables.feedback
    later = insert.on_conflict_do_update(
        index_elements=[table.c.request_id, table.c.source, table.c.key_id],
        set_={name: insert.excluded[name] for name in _NAMES},
        where=insert.excluded.time >= table.c.time,
    )
    connection.execute(later, [msgspec.structs.asdict(one) for one in last.values()])


def forget(engine: Engine, before: int) -> int:
    """Deletes what is older than `before`, microseconds, and on no request that there is; how much that was."""
    table, usage, forgotten = tables.feedback, tables.usage, 0
    stray = (
        select(table.c.request_id, table.c.source, table.c.key_id)
        .where(table.c.time < before, ~select(1).where(usage.c.id == table.c.request_id).exists())
        .limit(_BATCH)
    )
    with engine.begin() as connection:
        for id, source, key_id in connection.execute(stray).all():
            c = table.c
            connection.execute(delete(table).where(c.request_id == id, c.source == source, c.key_id == key_id))
            forgotten += 1
    return forgotten
