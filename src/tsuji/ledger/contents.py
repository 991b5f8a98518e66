"""What a route has stored of its requests: prompts and answers, until their time is over.

They take the records' way, through the spool, in frames of their own kind.
"""

from typing import Any

import msgspec
from sqlalchemy import Engine, delete, select

from . import tables

MARK = b"\xc1"
"""The one byte that MessagePack never uses: what begins with it is no Record."""
_BATCH = 500


class Contents(msgspec.Struct, array_like=True):
    """It is written as an array: fields may only be added, at the end, with a default.

    expires: microseconds since 1970. request, response: text; None where it is not stored. request_bytes,
    response_bytes: how long the whole was; the text may be its beginning only.
    """

    request_id: str
    time: int
    expires: int
    request: str | None = None
    response: str | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None


def encode(contents: Contents) -> bytes:
    return MARK + msgspec.msgpack.encode(contents)


def decode(frame: bytes) -> Contents:
    """Raises msgspec.MsgspecError."""
    return msgspec.msgpack.decode(frame[len(MARK) :], type=Contents)


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
