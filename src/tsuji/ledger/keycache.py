"""The keys as they were known last, in a file: a worker can start with them while the database is down.

The file has their keyed hashes and what they are for, never a key. It is written whole under another name first, for
its owner alone, and begins with an HMAC under the server's secret: one that was changed, or made with another secret or
for another database, is not used. Where it cannot be written it is removed: what it says is never older than what this
machine has heard.
"""

import fcntl
import logging
import os
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from hmac import compare_digest
from pathlib import Path
from time import time

import msgspec

from .keys import MICRO, Hasher, Key

log = logging.getLogger("tsuji.ledger")

FILE = "keys.cache"
_PURPOSE = b"the key cache of a tsuji ledger\n"  # no key that a client shows begins so


class Kept(msgspec.Struct, frozen=True):
    """database: a keyed hash of its address. read: when the keys were read from it, in microseconds since 1970."""

    database: bytes
    read: int
    keys: list[Key]


class KeyCache:
    """Of one ledger's folder, shared by all its workers. Blocks: not for the loop's thread."""

    def __init__(self, folder: Path, hasher: Hasher, database: str) -> None:
        self._file = folder / FILE
        self._hasher = hasher
        self._database = hasher.digest(_PURPOSE + database.encode())

    def keep(self, keys: Sequence[Key], read: int) -> None:
        """In place of what was read before."""
        try:
            with self._locked():
                known = self._load()
                if known is None or not read <= known.read <= time() * MICRO:  # a clock may have been set back
                    self._write(msgspec.json.encode(Kept(self._database, read, list(keys))))
        except OSError as error:
            log.error("the keys cannot be kept in %s: %s", self._file, error.strerror)
            with suppress(OSError):
                self._file.unlink()

    def recall(self) -> Kept | None:
        """What was kept; None where there is nothing, or it is not to be believed."""
        try:
            return self._load()
        except OSError as error:
            log.error("the kept keys cannot be read: %s", error)
            return None

    def _load(self) -> Kept | None:
        try:
            data = self._file.read_bytes()
        except FileNotFoundError:
            return None
        mac, _, body = data.partition(b"\n")
        if not compare_digest(mac, self._mac(body)):
            log.error("%s is damaged, was changed or belongs to another server.secret: it is not used", self._file)
            return None
        try:
            kept = msgspec.json.decode(body, type=Kept)
        except msgspec.MsgspecError:
            log.error("%s is of another version, and is not used", self._file)
            return None
        return kept if kept.database == self._database else None

    def _write(self, body: bytes) -> None:
        mine = self._file.with_name(f".{FILE}.{secrets.token_hex(8)}")
        descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(self._mac(body) + b"\n" + body)
                out.flush()
                os.fsync(out.fileno())
            mine.replace(self._file)
        finally:
            with suppress(FileNotFoundError):
                mine.unlink()

    def _mac(self, body: bytes) -> bytes:
        return self._hasher.digest(_PURPOSE + body).hex().encode()

    @contextmanager
    def _locked(self) -> Generator[None]:
        """One worker at a time: the later reading stays."""
        descriptor = os.open(self._file.with_name(f".{FILE}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
