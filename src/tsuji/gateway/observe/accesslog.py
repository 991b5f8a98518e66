"""The access log: a line of JSON for each request that has ended.

A line is made at once, because what it is made of is at hand, and written later with others, in a thread, because a
disk may be slow. Several workers append to one file: a write is whole lines. A file that was renamed or deleted, as
logrotate does, is let go of, and made anew under its name, at the next write.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tsuji.gateway.recording import redact
from tsuji.ledger.keys import MICRO

if TYPE_CHECKING:
    from tsuji.gateway.request import Answering, Request
    from tsuji.ledger.record import Record

log = logging.getLogger("tsuji.gateway")

_MAX_HELD = 16 * 1024 * 1024
"""Bytes of lines that wait for a slow disk; what comes beyond them is dropped, and counted."""
_NANO = 1_000_000_000


class Line(msgspec.Struct):
    """time: ISO 8601, UTC, of the request. path: without its query. Latencies are seconds, from a complete request.

    cost: US dollars. Absent facts are null, so that every line has every name.
    """

    time: str
    request_id: str
    client: str
    method: str
    path: str
    status: int | None
    outcome: str
    operation: str
    dialect: str
    route: str
    target: str | None
    attempts: int
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    latency: float
    first_token: float | None
    overhead: float
    key_id: str | None
    user: str | None
    team: str | None
    error: str | None
    cache: str | None
    guarded: tuple[str, ...]
    trace: str | None


class AccessLog:
    """`add`, and `flush` now and then. dropped: told how many lines there was no room for."""

    def __init__(self, where: Path | str, dropped: Callable[[int], None]) -> None:
        self._path = None if where == "stderr" else Path(where)
        self._dropped = dropped
        self._file = -1
        self._lines: list[bytes] = []
        self._size = 0
        self._encode = msgspec.json.Encoder().encode
        self._writing: asyncio.Future[None] | None = None
        self._failed = False
        self._second = 0
        self._stamped = ""
        self._lost = 0  # in the thread, since the last flush

    def add(self, record: "Record", request: "Request", connection: "Answering", overhead: float) -> None:
        """overhead: seconds."""
        if self._size > _MAX_HELD:
            self._dropped(1)
            return
        first = record.first_token
        line = self._encode(
            Line(
                self._stamp(record.time),
                record.id,
                connection.address,
                request.method.decode("latin-1"),
                redact(request.path.decode("latin-1")),
                record.http_status,
                record.status,
                record.operation,
                record.dialect,
                redact(record.route),
                record.target,
                len(record.attempts),
                record.input_tokens,
                record.output_tokens,
                record.cost / _NANO if record.cost is not None else None,
                record.latency / MICRO,
                first / MICRO if first is not None else None,
                round(overhead, 6),
                record.key_id,
                record.user_id,
                record.team_id,
                record.error,
                record.cache,
                record.guarded,
                record.trace,
            )
        )
        self._lines.append(line + b"\n")
        self._size += len(line)

    def _stamp(self, time: int) -> str:
        """Of the same second there are many."""
        second, micro = divmod(time, MICRO)
        if second != self._second:
            self._second = second
            self._stamped = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamped}.{micro:06d}Z"

    def flush(self) -> None:
        """Hands the lines to a thread, if the one before is done."""
        if self._writing is not None and not self._writing.done():
            return
        self._tell()
        if self._lines:
            self._writing = asyncio.get_running_loop().run_in_executor(None, self._write, self._take())

    async def stop(self) -> None:
        if self._writing is not None:
            await self._writing
        self._write(self._take())
        self._tell()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _tell(self) -> None:
        if self._lost:
            self._dropped(self._lost)
            self._lost = 0

    def _take(self) -> bytes:
        taken = b"".join(self._lines)
        self._lines, self._size = [], 0
        return taken

    def _write(self, lines: bytes) -> None:
        try:
            file = self._open() if self._path is not None else sys.stderr.fileno()
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(file, rest) :]
        except (OSError, ValueError) as error:
            if not self._failed:
                log.error("the access log %s cannot be written: %s", self._path or "stderr", error)
            self._failed = True
            self._lost += lines.count(b"\n")
            return
        self._failed = False

    def _open(self) -> int:
        """The file that has the name now."""
        path = self._path or Path()
        try:
            there = path.stat().st_ino
        except FileNotFoundError:
            there = None
        if self._file >= 0 and os.fstat(self._file).st_ino != there:
            os.close(self._file)
            self._file = -1
        if self._file < 0:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        return self._file
