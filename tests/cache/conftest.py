"""A gateway with a cache, in front of scripted providers; the same tests on memory, SQLite and a real Redis."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cache.redis_server import RedisServer
from tests.gateway.conftest import serve
from tests.gateway.serving import Serving, config
from tests.scripted import Script, Scripted
from tsuji.catalog.prices import Price
from tsuji.config import CacheConfig, CacheRule, Secret
from tsuji.routing.retry import ONCE

__all__ = ["serve"]
PRICE = Price(input=2_000_000_000, output=8_000_000_000)
"""Nano-dollars per million tokens: 10 in and 5 out cost 60 000."""


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> CacheConfig:
    """The same test on each; `store_of` says which."""
    if request.param != "redis":
        return CacheConfig(path=tmp_path / "cache.db")
    server = request.getfixturevalue("redis_server")
    server.ask(b"FLUSHALL")
    return CacheConfig(path=tmp_path / "cache.db", redis=Secret(server.url))


def store_of(request: pytest.FixtureRequest) -> str:
    return request.node.callspec.params["stores"]


class Cached:
    """A gateway whose route "r" has a cache, and the provider behind it."""

    def __init__(self, serving: Serving, provider: Scripted) -> None:
        self.serving = serving
        self.provider = provider
        self.ask = serving.ask

    @property
    def calls(self) -> int:
        """That the provider has seen."""
        return len(self.provider.requests)

    def settle(self) -> None:
        """Until what was answered is stored."""
        cache = self.serving.gateway.cache
        assert cache is not None
        deadline = time.monotonic() + 10
        while cache.flights:
            assert time.monotonic() < deadline, "a flight does not end"
            time.sleep(0.001)


@pytest.fixture
def cached(serve: Any, scripted: Any) -> Callable[..., Cached]:
    """`cached(dialect, script, rule, stores)`: more rules by the names of their routes."""

    def one(
        dialect: str, script: Script, rule: CacheRule | None = None, stores: CacheConfig | None = None, **more: Any
    ) -> Cached:
        provider = scripted(script)
        where = stores or CacheConfig()
        kept = CacheConfig(
            routes={"r": rule or CacheRule(), **more.pop("rules", {})},
            path=where.path,
            redis=where.redis,
            memory_bytes=more.pop("memory_bytes", where.memory_bytes),
            path_bytes=more.pop("path_bytes", where.path_bytes),
        )
        routes = {"r": ["up:m"], **more.pop("routes", {})}
        settings = config(
            {"up": (dialect, provider.url)}, routes, cache=kept, prices={"up:m": PRICE}, retry=ONCE, **more
        )
        return Cached(serve(settings), provider)

    return one
