"""Moves records from the spool into SQL: each once, however often it is read."""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from . import contents, contentstore, feedback, opinions, tables
from .database import reason, refuses
from .leases import book
from .record import Assigned, Attempt, Record, decode
from .spool import claim, frame, frames, segments

log = logging.getLogger("tsuji.ledger")

BATCH = 250
"""Records in one transaction. SQLite has one writer at a time, and leases wait for this one."""
REJECTED = ".rejected"
_ATTEMPT = Attempt.__struct_fields__


def drain(engine: Engine, folder: Path, moved: Callable[[], object] = lambda: None) -> int:
    """Moves every segment on that nobody writes to; how many records there were. moved: called after each batch.

    A segment is deleted after its last record is committed. Raises SQLAlchemyError while the database is down: what was
    not committed stays. A record that the database refuses, or that cannot be read, is kept beside the segment.
    """
    count = 0
    for segment in segments(folder):
        with claim(segment) as data:
            if data is None:
                continue
            records, end, torn = frames(data)
            refused: list[tuple[bytes, str]] = []
            for at in range(0, len(records), BATCH):
                refused += _store(engine, records[at : at + BATCH])
                moved()
            if refused:
                _keep(segment, refused)
            if end < len(data):
                _unreadable(segment, data[end:], torn)
            with suppress(FileNotFoundError):
                segment.unlink()
            count += len(records)
    return count


def _store(engine: Engine, encoded: list[bytes]) -> list[tuple[bytes, str]]:
    """All at once; where the database refuses that, one by one. Which it refuses, and why."""
    records: list[Record] = []
    stored: list[contents.Contents] = []
    said: list[feedback.Feedback] = []
    try:
        for frame in encoded:
            if frame.startswith(feedback.MARK):
                said.append(feedback.decode(frame))
            elif frame.startswith(contents.MARK):
                stored.append(contents.decode(frame))
            else:
                records.append(decode(frame))
        _insert(engine, records, stored, said)
    except (SQLAlchemyError, msgspec.MsgspecError, OverflowError) as error:
        if isinstance(error, SQLAlchemyError) and not refuses(error):
            raise
        if len(encoded) > 1:
            return [refused for record in encoded for refused in _store(engine, [record])]
        return [(encoded[0], reason(error) if isinstance(error, SQLAlchemyError) else str(error))]
    return []


def _keep(segment: Path, refused: list[tuple[bytes, str]]) -> None:
    kept = segment.with_suffix(REJECTED)
    kept.write_bytes(b"".join([frame(record) for record, _ in refused]))
    log.error("%d usage records cannot be stored, and are kept in %s: %s", len(refused), kept, refused[0][1])


def _insert(
    engine: Engine, records: list[Record], stored: list[contents.Contents], said: Sequence[feedback.Feedback] = ()
) -> None:
    """What a record takes of limits is booked where the record is new, and with it or not at all."""
    with engine.begin() as connection:
        add = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        if records:
            usage = add(tables.usage).on_conflict_do_nothing().returning(tables.usage.c.id)
            new = set(connection.execute(usage, [_row(record) for record in records]).scalars())
            first = {record.id: record for record in reversed(records)}
            book(connection, [charge for record in first.values() if record.id in new for charge in record.charges])
        attempts = [row for record in records for row in _attempts(record)]
        for table, rows in ((tables.attempts, attempts), (tables.contents, [contentstore.row(one) for one in stored])):
            if rows:
                connection.execute(add(table).on_conflict_do_nothing(), rows)
        if said:
            opinions.keep(connection, add(tables.feedback), said)


def _row(record: Record) -> dict[str, Any]:
    row = msgspec.structs.asdict(record)
    del row["attempts"], row["charges"], row["assigned"]
    part = record.assigned
    for name in Assigned.__struct_fields__:
        row[name] = getattr(part, name) if part is not None else None
    row["tags"] = list(record.tags) or None
    row["guarded"] = list(record.guarded) or None
    return row


def _attempts(record: Record) -> Iterable[dict[str, Any]]:
    for number, attempt in enumerate(record.attempts, 1):
        yield {"request_id": record.id, "number": number} | {name: getattr(attempt, name) for name in _ATTEMPT}


def _unreadable(segment: Path, rest: bytes, torn: bool) -> None:
    if torn:
        log.warning("%s ends in %d bytes of a record that was never completed", segment.name, len(rest))
        return
    kept = segment.with_suffix(".damaged")
    log.error("%s is damaged: %d bytes of it cannot be read, and are kept in %s", segment.name, len(rest), kept)
    kept.write_bytes(rest)
