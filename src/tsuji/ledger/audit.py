"""What was changed, when and by whom. Its line is written in the transaction of the change: both are there or none."""

from time import time
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, insert, select

from . import tables
from .database import explained
from .keys import MICRO

CLI = "cli"
"""Who changes by a command: whoever may open the database."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """id: rises. time: microseconds since 1970. who: CLI, or an admin token's id. action: "key.create" and the like.

    object: the id of what was changed. details: what it was changed to, where the action does not say it all.
    """

    id: int
    time: int
    who: str
    action: str
    object: str
    details: dict[str, Any]


def note(connection: Connection, who: str, action: str, object: str, **details: Any) -> None:
    """In the transaction of `connection`. details: of JSON, without any secret."""
    row = {"time": int(time() * MICRO), "who": who, "action": action, "object": object, "details": details}
    connection.execute(insert(tables.audit), row)


def changes(
    engine: Engine, *, before: int | None = None, object: str | None = None, limit: int
) -> tuple[list[Change], int | None]:
    """The newest first, and the next page's `before`; None: there is no more. Raises LedgerError."""
    audit = tables.audit.c
    query = select(tables.audit).order_by(audit.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(audit.id < before)
    if object is not None:
        query = query.where(audit.object == object)
    with explained(), engine.connect() as connection:
        found = [Change(**row) for row in connection.execute(query).mappings()]
    return found[:limit], found[limit - 1].id if len(found) > limit else None
