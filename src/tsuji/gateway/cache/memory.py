"""Entries in the worker's own memory."""

from collections import OrderedDict

from .entry import Entry


class MemoryStore:
    """At most `bound` bytes; what was used least recently goes first. Each worker has its own."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._size = 0
        self._entries: OrderedDict[bytes, tuple[Entry, float]] = OrderedDict()

    def get(self, key: bytes, now: float) -> Entry | None:
        found = self._entries.get(key)
        if found is None:
            return None
        if found[1] <= now:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: bytes, entry: Entry, expires: float) -> None:
        self._drop(key)
        if entry.size > self._bound:
            return
        self._entries[key] = entry, expires
        self._size += entry.size
        while self._size > self._bound:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._size -= found[0].size

    async def close(self) -> None:
        self._entries.clear()
        self._size = 0
