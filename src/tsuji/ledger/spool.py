"""The spool: records on their way into SQL, in append-only files of which each has one writer.

A segment is a row of frames, and a frame is 4 bytes of length, 4 bytes of CRC-32 (both little-endian) and the record.
A writer holds its segment's lock (flock) for as long as it may append. The system lets go of it when the process ends,
however it ends; so a segment whose lock can be had is complete, and whoever has the lock may move its records on and
delete it. A segment gets its name once it is locked: under its name it is never seen empty and unlocked.

What is written survives the process's death at any moment: the system has it. It does not survive the machine's, for
some seconds; nothing is flushed to the disk here.
"""

import fcntl
import logging
import os
import secrets
from binascii import crc32
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct
from time import time

log = logging.getLogger("tsuji.ledger")

SUFFIX = ".spool"
MAX_SEGMENT = 16 * 1024 * 1024
MAX_HELD = 64 * 1024 * 1024
"""Bytes of records that wait in memory while the disk takes none."""
_HEAD = Struct("<II")
_MAX_RECORD = 16 * 1024 * 1024
_UNNAMED_SECONDS = 60.0


def frame(record: bytes) -> bytes:
    return _HEAD.pack(len(record), crc32(record)) + record


class Spool:
    """The segments that this process writes. Used from the event loop's thread.

    soon: calls a function in this turn of the loop or the next. failure: why the disk takes nothing now; "" where it
    does. What it did not take is held, and goes first once it does.
    """

    def __init__(self, folder: Path, soon: Callable[[Callable[[], None]], object]) -> None:
        self._folder = folder
        self._soon = soon
        self._file = -1
        self._size = 0
        self._frames: list[bytes] = []
        self._waiting: list[Callable[[], None]] = []
        self._held: list[bytes] = []
        self._held_size = 0
        self.failure = ""

    def add(self, record: bytes, then: Callable[[], None]) -> None:
        """Records it, then calls `then`. All that is added in one turn of the loop is one write."""
        self._frames.append(frame(record))
        self._waiting.append(then)
        if len(self._waiting) == 1:
            self._soon(self.flush)

    def write(self, record: bytes) -> None:
        """Records it at once."""
        self._record(frame(record))

    def flush(self) -> None:
        frames, waiting = self._frames, self._waiting
        if not frames:
            return
        self._frames, self._waiting = [], []
        self._record(frames[0] if len(frames) == 1 else b"".join(frames))
        for then in waiting:
            try:
                then()
            except Exception as error:  # one answer that cannot be sent is not to keep back the others
                log.error("unexpected error while sending an answer", exc_info=error)

    def rotate(self) -> None:
        """Lets go of the segment, so that its records can be moved on; the next record begins another."""
        self.retry()
        if self._size:
            self._let_go()

    def retry(self) -> None:
        """What was held is tried again."""
        if not self._held:
            return
        held, self._held, self._held_size = self._held, [], 0
        if self._append(b"".join(held)):
            log.warning("usage is written to %s again", self._folder)
            self.failure = ""

    def close(self) -> None:
        self.flush()
        self.retry()
        self._let_go()

    @property
    def held(self) -> int:
        """Bytes of records that are in memory only."""
        return self._held_size

    @property
    def full(self) -> bool:
        """No more can be held: what is done now would not be recorded."""
        return self._held_size > MAX_HELD

    def _record(self, data: bytes) -> None:
        if self.failure:
            self._hold(data)
        else:
            self._append(data)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)

    def _append(self, data: bytes) -> bool:
        """Whether it is written; else it is held."""
        try:
            if self._file < 0 or self._size > MAX_SEGMENT:
                self._begin()
            self._write(data)
        except OSError as error:
            if not self.failure:
                log.error("usage cannot be written to %s: %s; it is held in memory", self._folder, error.strerror)
            self.failure = error.strerror or "the spool cannot be written"
            self._hold(data)
            return False
        return True

    def _write(self, data: bytes) -> None:
        """All of it or, as far as a reader can see, nothing."""
        try:
            written = os.write(self._file, data)
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            try:
                os.ftruncate(self._file, self._size)
            except OSError:
                self._let_go()  # a reader stops at the half of a frame, and knows a record that it sees twice
            raise
        self._size += len(data)

    def _begin(self) -> None:
        self._let_go()
        name = f"{int(time() * 1000):013d}-{os.getpid()}-{secrets.token_hex(4)}"
        unnamed = self._folder / f".{name}"
        self._file = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        unnamed.rename(self._folder / (name + SUFFIX))
        self._size = 0

    def _let_go(self) -> None:
        if self._file >= 0:
            file, self._file, self._size = self._file, -1, 0
            os.close(file)


# Reading.


def segments(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("*" + SUFFIX))


@contextmanager
def claim(segment: Path) -> Generator[bytes | None]:
    """What is in a segment that nobody writes to or reads; None for any other. Its lock is held meanwhile."""
    try:
        file = os.open(segment, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        with open(file, "rb", closefd=False) as content:
            yield content.read()
    finally:
        os.close(file)


def frames(data: bytes) -> tuple[list[bytes], int, bool]:
    """The records, at which byte they end, and whether what follows is only torn: a frame that was never completed."""
    found: list[bytes] = []
    at = 0
    while at + _HEAD.size <= len(data):
        length, check = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        record = data[start : start + length]
        if not 0 < length <= _MAX_RECORD or (len(record) == length and crc32(record) != check):
            return found, at, False
        if len(record) < length:
            break
        found.append(record)
        at = start + length
    return found, at, True


def sweep_unnamed(folder: Path) -> None:
    """Deletes what a process left that died between making a segment and naming it: nothing is in there."""
    for unnamed in folder.glob(".*-*-*"):
        with suppress(FileNotFoundError):
            if unnamed.stat().st_mtime < time() - _UNNAMED_SECONDS:
                unnamed.unlink()
