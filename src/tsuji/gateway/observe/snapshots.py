"""Snapshots of all workers' counters, in a folder that they share.

A worker's snapshot is a file that it replaces whole, by a rename, and whose lock (flock) it holds for as long as it
lives, however it ends. So a snapshot whose lock can be had is a dead worker's, and is added to what all dead ones have
counted. Whoever is asked for the sums writes its own snapshot first: what it has told once, the next one to be asked
finds, so no counter ever falls.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from time import time

import msgspec

from .series import Sums, Total, total

SUFFIX = ".metrics"
_UNNAMED_SECONDS = 60.0
_DEAD = "dead"
"""Of all dead workers together."""
_VERSION = 1
"""Rises when the shape of Sums changes: what another version has written is not read."""


class Gauges(msgspec.Struct, array_like=True):
    """Of one worker, now. ledger_up: None where there is no ledger."""

    connections: int = 0
    streams: int = 0
    spool_held: int = 0
    ledger_up: bool | None = None


class Snapshot(msgspec.Struct, array_like=True):
    version: int
    gauges: Gauges
    sums: Sums


class _Dead(msgspec.Struct, array_like=True):
    """included: names of snapshots that are in `sums`, but may not have been deleted yet."""

    version: int
    included: list[str]
    sums: Sums


class Everyone(msgspec.Struct):
    """sums: of all workers there have been. gauges: of those that live."""

    sums: Sums
    gauges: list[Gauges]


_encoder = msgspec.msgpack.Encoder()


def encode(gauges: Gauges, sums: Sums) -> bytes:
    return _encoder.encode(Snapshot(_VERSION, gauges, sums))


def alone(snapshot: bytes) -> "Everyone":
    """As if there were no other worker."""
    own = msgspec.msgpack.decode(snapshot, type=Snapshot)
    return Everyone(own.sums, [own.gauges])


class Snapshots:
    """The folder, as one worker has it. Its methods may wait for the disk, and may be called in any thread.

    Raises OSError.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = name + SUFFIX
        self._file = -1
        self._written = -1
        self._writing = Lock()

    def put(self, number: int, snapshot: bytes) -> None:
        """Replaces this worker's snapshot, unless one with a higher number has been there."""
        with self._writing:
            if number <= self._written:
                return
            file = self._replace(self._name, snapshot)
            self._let_go()
            self._file = file
            self._written = number

    def everyone(self) -> Everyone:
        with self._locked(fcntl.LOCK_SH):
            dead = self._dead()
            found = [self._read(path.name) for path in self._others(dead.included, own=True)]
        live = [snapshot for snapshot in found if snapshot is not None]
        return Everyone(total([dead.sums, *[s.sums for s in live]]), [s.gauges for s in live])

    def fold(self) -> None:
        """Adds what dead workers have counted to what others before them had, once."""
        with suppress(BlockingIOError), self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            dead = self._dead()
            names = [path.name for path in self._others(dead.included) if _is_dead(path)]
            left = [name for name in dead.included if (self._folder / name).exists()]
            if names:
                found = Total()
                found.add(dead.sums)
                for name in names:
                    snapshot = self._read(name)
                    if snapshot is not None:
                        found.add(snapshot.sums)
                os.close(self._replace(_DEAD, _encoder.encode(_Dead(_VERSION, [*left, *names], found.sums()))))
            for name in (*left, *names):
                (self._folder / name).unlink(missing_ok=True)
            for unnamed in self._folder.glob("*.new"):  # of who died between making it and naming it
                with suppress(FileNotFoundError):
                    if unnamed.stat().st_mtime < time() - _UNNAMED_SECONDS:
                        unnamed.unlink()

    def close(self) -> None:
        """The worker ends: another will add its snapshot to the dead ones'."""
        with self._writing:
            self._let_go()

    def _let_go(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def _others(self, included: list[str], *, own: bool = False) -> list[Path]:
        found = self._folder.glob("*" + SUFFIX)
        return [path for path in found if path.name not in included and (own or path.name != self._name)]

    def _read(self, name: str) -> Snapshot | None:
        try:
            snapshot = msgspec.msgpack.decode((self._folder / name).read_bytes(), type=Snapshot)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        return snapshot if snapshot.version == _VERSION else None

    def _dead(self) -> _Dead:
        try:
            dead = msgspec.msgpack.decode((self._folder / _DEAD).read_bytes(), type=_Dead)
        except (FileNotFoundError, msgspec.MsgspecError):
            return _Dead(_VERSION, [], Sums())
        return dead if dead.version == _VERSION else _Dead(_VERSION, dead.included, Sums())

    def _replace(self, name: str, content: bytes) -> int:
        """The new file, locked before it has its name."""
        unnamed = self._folder / f"{name}.new"
        file = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(file, rest) :]
            unnamed.rename(self._folder / name)
        except BaseException:
            os.close(file)
            raise
        return file

    @contextmanager
    def _locked(self, how: int) -> Generator[None]:
        """While it is read nobody folds: a snapshot is found either by itself or among the dead."""
        file = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, how)
            yield
        finally:
            os.close(file)


def _is_dead(path: Path) -> bool:
    """Nobody holds the file that has this name; it may have got the name while we looked at the one before."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(file).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(file)
