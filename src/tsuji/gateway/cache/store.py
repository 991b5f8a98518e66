"""What a store is."""

from collections.abc import Awaitable
from typing import Protocol

from .entry import Entry


class StoreError(Exception):
    """The store could not be asked. The request goes on as if nothing had been there."""


class Store(Protocol):
    """Entries by key. now, expires: seconds since 1970.

    An answer that is awaited raises StoreError. A damaged entry, or one of another format, is not there.
    """

    def get(self, key: bytes, now: float) -> Entry | Awaitable[Entry | None] | None: ...

    def put(self, key: bytes, entry: Entry, expires: float) -> Awaitable[None] | None: ...

    async def close(self) -> None: ...
