"""Entries in Redis or Valkey, shared by all workers of all hosts.

It bounds itself: `maxmemory` and `maxmemory-policy allkeys-lru` are the server's own settings
(https://redis.io/docs/latest/develop/reference/eviction/). A server that is slow or gone costs a request some
milliseconds, once a second.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from tsuji.core.errors import ConfigError

from .entry import Entry, seal, unseal
from .store import StoreError

try:
    from redis import RedisError
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
except ImportError as missing:
    raise ConfigError(
        "cache.redis needs the redis package; pip install 'tsuji[redis]'", param="cache.redis"
    ) from missing

PREFIX = b"tsuji:cache:1:"
SECONDS = 0.1
"""For one question; a connection that must be made first is part of it."""
_REST_SECONDS = 1.0
_CONNECTIONS = 16


class RedisStore:
    """url: redis://, rediss:// or unix://. Raises ConfigError for one that is none of them."""

    def __init__(self, url: str, secret: bytes) -> None:
        self._secret = secret
        self._resting = 0.0
        try:
            options: dict[str, Any] = {
                "max_connections": _CONNECTIONS,
                "timeout": SECONDS,
                "retry": Retry(NoBackoff(), 0),
            }
            pool: Any = BlockingConnectionPool.from_url(url, **options)  # pyright: ignore[reportUnknownMemberType]
        except ValueError as error:
            raise ConfigError(f"cache.redis: {error}", param="cache.redis") from error
        self._redis: Redis = Redis.from_pool(pool)
        self._execute: Callable[..., Awaitable[object]] = self._redis.execute_command  # pyright: ignore[reportUnknownMemberType]

    async def get(self, key: bytes, now: float) -> Entry | None:
        content = await self._ask("GET", PREFIX + key)
        return unseal(self._secret, key, content) if isinstance(content, bytes) else None

    async def put(self, key: bytes, entry: Entry, expires: float) -> None:
        left = max(1, int((expires - entry.created) * 1000))
        await self._ask("SET", PREFIX + key, seal(self._secret, key, entry), "PX", left)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _ask(self, *command: bytes | str | int) -> object:
        if monotonic() < self._resting:
            raise StoreError("Redis did not answer a moment ago")
        try:
            async with asyncio.timeout(SECONDS):
                return await self._execute(*command)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._resting = monotonic() + _REST_SECONDS
            raise StoreError(f"Redis: {error or 'no answer in time'}") from error
