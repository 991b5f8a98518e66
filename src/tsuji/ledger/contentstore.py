"""Prompts and answers in SQL."""

from typing import Any

import msgspec
from sqlalchemy import Engine, delete, select

from . import tables
from .contents import Contents

_BATCH = 500


def row(contents: Contents) -> dict[str, Any]:
    return msgspec.structs.asdict(contents)


def find(engine: Engine, request_id: str) -> Contents | None:
    table = tables.contents
    with engine.connect() as connection:
        found = connection.execute(select(table).where(table.c.request_id == request_id)).mappings().one_or_none()
    return Contents(**found) if found is not None else None


def forget(engine: Engine, now: int) -> int:
    """Deletes what has had its time; how many there were. now: microseconds. Other writers come in between."""
    table, forgotten = tables.contents, 0
    over = select(table.c.request_id).where(table.c.expires <= now).limit(_BATCH)
    while True:
        with engine.begin() as connection:
            gone = connection.execute(delete(table).where(table.c.request_id.in_(over))).rowcount
        forgotten += gone
        if gone < _BATCH:
            return forgotten
