"""Entries in a SQLite file of the cache's own, shared by all workers of a machine.

One thread has the connection, so that the loop never waits for the disk. The file is as disposable as any cache: the
last entries may be lost with the machine, and whoever deletes it loses nothing but hits. https://sqlite.org/wal.html
"""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from .entry import Entry, seal, unseal
from .store import StoreError

_VERSION = 1
_BUSY_SECONDS = 0.5
"""That another worker's write is waited for."""
_TOUCH_SECONDS = 60.0
"""An entry's last use is written down no more often."""
_EVICTED = 16
"""Entries that make room at once."""
_TABLES = """
CREATE TABLE entries (key BLOB PRIMARY KEY, content BLOB NOT NULL, expires REAL NOT NULL, used REAL NOT NULL);
CREATE INDEX entries_expires ON entries (expires);
CREATE INDEX entries_used ON entries (used);
CREATE TABLE total (bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0);
CREATE TRIGGER added AFTER INSERT ON entries BEGIN UPDATE total SET bytes = bytes + length(NEW.content) + 256; END;
CREATE TRIGGER removed AFTER DELETE ON entries BEGIN UPDATE total SET bytes = bytes - length(OLD.content) - 256; END;
"""
Found = TypeVar("Found")


class SqliteStore:
    """At most `bound` bytes of entries, over all workers; what was used least recently goes first.

    The file is for its owner only (mode 0600): it has answers in it.
    """

    def __init__(self, path: Path, bound: int, secret: bytes) -> None:
        self._path = path
        self._bound = bound
        self._secret = secret
        self._thread = ThreadPoolExecutor(1, "tsuji-cache")
        self._opened: sqlite3.Connection | None = None

    def get(self, key: bytes, now: float) -> Awaitable[Entry | None]:
        return self._in_thread(lambda: self._get(key, now))

    def put(self, key: bytes, entry: Entry, expires: float) -> Awaitable[None]:
        return self._in_thread(lambda: self._put(key, entry, expires))

    async def close(self) -> None:
        await self._in_thread(self._close)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], Found]) -> Found:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the cache's file {self._path}: {error}") from error

    # In the thread.

    def _get(self, key: bytes, now: float) -> Entry | None:
        database = self._database()
        row = database.execute("SELECT content, expires, used FROM entries WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        content, expires, used = row
        entry = unseal(self._secret, key, content) if expires > now else None
        with suppress(sqlite3.OperationalError):  # another worker is writing: this can be done another time
            if entry is None:
                database.execute("DELETE FROM entries WHERE key = ?", (key,))
            elif now - used > _TOUCH_SECONDS:
                database.execute("UPDATE entries SET used = ? WHERE key = ?", (now, key))
        return entry

    def _put(self, key: bytes, entry: Entry, expires: float) -> None:
        content = seal(self._secret, key, entry)
        if len(content) + 256 > self._bound:
            return
        database = self._database()
        database.execute("BEGIN IMMEDIATE")
        try:
            # REPLACE would not run the trigger of the row that goes.
            database.execute("DELETE FROM entries WHERE key = ? OR expires <= ?", (key, entry.created))
            database.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (key, content, expires, entry.created))
            while database.execute("SELECT bytes FROM total").fetchone()[0] > self._bound:
                oldest = "SELECT key FROM entries WHERE key != ? ORDER BY used LIMIT ?"
                database.execute(f"DELETE FROM entries WHERE key IN ({oldest})", (key, _EVICTED))  # noqa: S608
        except BaseException:
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")

    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # its -wal and -shm take the same mode
            database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                _prepare(database)
            except BaseException:
                database.close()
                raise
            self._opened = database
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _prepare(database: sqlite3.Connection) -> None:
    """Raises sqlite3.Error for a file of another version."""
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("BEGIN IMMEDIATE")  # of several workers that start at once, one makes the tables
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in _statements():
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {_VERSION}")
    database.execute("COMMIT")
    if version not in (0, _VERSION):
        raise sqlite3.DatabaseError(f"it is of version {version}, not {_VERSION}; delete it, or set cache.path")


def _statements() -> list[str]:
    return [line for line in _TABLES.splitlines() if line]
