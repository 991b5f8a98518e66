"""What a store keeps and for how long, the same for all three; what damage does; what happens while one is down."""

import asyncio
import logging
import os
import socket
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest

from tests import answers
from tests.cache.redis_server import PASSWORD, RedisServer, program
from tests.gateway import asking
from tsuji.config import CacheConfig, CacheRule, Secret
from tsuji.core.errors import ConfigError
from tsuji.gateway.cache.entry import Entry, seal, unseal
from tsuji.gateway.cache.memory import MemoryStore
from tsuji.gateway.cache.sqlite import SqliteStore
from tsuji.gateway.cache.store import Store, StoreError

SECRET = b"s" * 32
KEY, OTHER = b"k" * 32, b"o" * 32


def entry(size: int = 10, text: bytes = b"x", created: float = 0.0) -> Entry:
    return Entry(created, text * size, "up:m", 60_000, True, ("seed",))


def redis_store(server: RedisServer) -> Store:
    from tsuji.gateway.cache.rediskv import RedisStore

    return RedisStore(server.url, SECRET)


class Driven:
    """A store without its loop."""

    def __init__(self, store: Store, runner: asyncio.Runner) -> None:
        self.store, self._runner = store, runner

    def _now(self, found: Any) -> Any:
        async def wait() -> Any:
            return await found

        return self._runner.run(wait()) if isawaitable(found) else found

    def get(self, key: bytes, now: float) -> Entry | None:
        return self._now(self.store.get(key, now))

    def put(self, key: bytes, entry: Entry, expires: float) -> None:
        self._now(self.store.put(key, entry, expires))

    def close(self) -> None:
        self._now(self.store.close())


@pytest.fixture
def opened() -> Iterator[Callable[[Store], Driven]]:
    with asyncio.Runner() as runner:
        open_: list[Driven] = []

        def one(store: Store) -> Driven:
            open_.append(Driven(store, runner))
            return open_[-1]

        yield one
        for driven in open_:
            driven.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path, opened: Any) -> Callable[..., Driven]:
    """`make(bound)`."""

    def one(bound: int = 1 << 20) -> Driven:
        if request.param == "memory":
            return opened(MemoryStore(bound))
        if request.param == "sqlite":
            return opened(SqliteStore(tmp_path / "cache.db", bound, SECRET))
        server = request.getfixturevalue("redis_server")
        server.ask(b"FLUSHALL")
        return opened(redis_store(server))

    return one


def test_what_was_put_is_got(make: Any) -> None:
    store = make()
    now = time.time()
    assert store.get(KEY, now) is None
    store.put(KEY, entry(created=now), now + 60)
    assert store.get(KEY, now) == entry(created=now)
    store.put(KEY, entry(text=b"y", created=now), now + 60)
    assert store.get(KEY, now) == entry(text=b"y", created=now)
    assert store.get(OTHER, now) is None


def test_what_is_over_is_gone(make: Any) -> None:
    store = make()
    now = time.time()
    store.put(KEY, entry(created=now), now + 0.2)
    time.sleep(0.25)
    assert store.get(KEY, time.time()) is None


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_least_recently_used_goes_first(kind: str, tmp_path: Path, opened: Any) -> None:
    """Redis does this by its own settings."""
    store = opened(MemoryStore(100_000) if kind == "memory" else SqliteStore(tmp_path / "c", 100_000, SECRET))
    for at in range(90):
        store.put(b"%032d" % at, entry(1000, created=1000.0 + at), 1e12)
        if at % 10 == 0:
            assert store.get(b"%032d" % 0, 2000.0 + at * 100) is not None
    kept = [at for at in range(90) if store.get(b"%032d" % at, 2e6) is not None]
    assert {0, 89} <= set(kept)
    assert 40 <= len(kept) < 80
    assert kept[1:] == list(range(kept[1], 90))
    store.put(b"big", entry(200_000), 1e12)
    assert store.get(b"big", 0) is None
    assert store.get(b"%032d" % 89, 2e6) is not None


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_bound_is_of_bytes(kind: str, tmp_path: Path, opened: Any) -> None:
    store = opened(MemoryStore(50_000) if kind == "memory" else SqliteStore(tmp_path / "c", 50_000, SECRET))
    for at in range(300):
        store.put(b"%032d" % (at % 70), entry(at * 7 % 3000, created=float(at)), 1e12)
    if kind == "memory":
        sizes = [found.size for found, _ in store.store._entries.values()]
        assert sum(sizes) == store.store._size <= 50_000
        return
    with sqlite3.connect(tmp_path / "c") as database:
        total = database.execute("SELECT bytes FROM total").fetchone()[0]
        assert total == database.execute("SELECT sum(length(content) + 256) FROM entries").fetchone()[0] <= 50_000
    database.close()


def test_a_sealed_entry_is_whole_and_in_its_place() -> None:
    data = seal(SECRET, KEY, entry(50))
    assert unseal(SECRET, KEY, data) == entry(50)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1
        assert unseal(SECRET, KEY, bytes(damaged)) is None
        assert unseal(SECRET, KEY, data[:at]) is None
    assert unseal(SECRET, KEY, data + b"x") is None
    assert unseal(SECRET, OTHER, data) is None
    assert unseal(b"another secret", KEY, data) is None


@pytest.mark.parametrize("bad", [b"", b"x", b"TC\x02" + b"?" * 100, "damaged", "moved"])
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_damage_and_other_formats_are_misses(kind: str, bad: Any, tmp_path: Path, request: Any, opened: Any) -> None:
    now = time.time()
    data = seal(SECRET, OTHER if bad == "moved" else KEY, entry(created=now))
    content = bad if isinstance(bad, bytes) else data[:-1] + (b"?" if bad == "damaged" else data[-1:])
    if kind == "redis":
        server = request.getfixturevalue("redis_server")
        store = opened(redis_store(server))
        assert server.ask(b"SET", b"tsuji:cache:1:" + KEY, content) == b"+OK"
    else:
        store = opened(SqliteStore(tmp_path / "cache.db", 1 << 20, SECRET))
        store.put(OTHER, entry(created=now), now + 60)
        with sqlite3.connect(tmp_path / "cache.db") as database:
            database.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (KEY, content, now + 60, now))
        database.close()
    assert store.get(KEY, now) is None
    store.put(KEY, entry(created=now), now + 60)
    assert store.get(KEY, now) == entry(created=now)


def test_the_file_is_its_owners(tmp_path: Path, opened: Any) -> None:
    before = os.umask(0)
    try:
        store = opened(SqliteStore(tmp_path / "deep" / "cache.db", 1 << 20, SECRET))
        store.put(KEY, entry(), 1e12)
    finally:
        os.umask(before)
    files = list((tmp_path / "deep").iterdir())
    assert len(files) > 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_workers_share_a_file(tmp_path: Path, opened: Any) -> None:
    one, two = [opened(SqliteStore(tmp_path / "cache.db", 1 << 20, SECRET)) for _ in range(2)]
    one.put(KEY, entry(), 1e12)
    assert two.get(KEY, 0.0) == entry()
    two.put(KEY, entry(text=b"y"), 1e12)
    assert one.get(KEY, 0.0) == entry(text=b"y")


@pytest.mark.parametrize("bad", ["version", "no database", "a folder"])
def test_a_file_that_is_not_ours_is_left_alone(bad: str, tmp_path: Path, opened: Any) -> None:
    file = tmp_path / "cache.db"
    if bad == "version":
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
    elif bad == "no database":
        file.write_bytes(b"not a database " * 1000)
    else:
        file.mkdir()
    before = file.read_bytes() if file.is_file() else b""
    store = opened(SqliteStore(file, 1 << 20, SECRET))
    for _ in range(2):
        with pytest.raises(StoreError, match=r"the cache's file .*cache\.db: "):
            store.get(KEY, 0.0)
    assert bad != "no database" or file.read_bytes() == before


def test_redis_comes_and_goes(cached: Any, caplog: Any) -> None:
    server = RedisServer()
    stores = CacheConfig(redis=Secret(server.url))
    gateway = cached("openai", answers.chat("openai"), CacheRule(store="redis"), stores)

    def said() -> str:
        answer = gateway.ask(*asking.chat("openai", "r"))
        assert answer.status == 200
        gateway.settle()
        return answer.headers["x-tsuji-cache"]

    with caplog.at_level(logging.WARNING, "tsuji.cache"):
        assert [said() for _ in range(3)] == ["miss"] * 3
        assert len(caplog.messages) == 1
        assert "requests go on without the cache" in caplog.messages[0]
        server.start()
        try:
            deadline = time.monotonic() + 20
            while said() != "hit":
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            server.stop()
        assert caplog.messages[1:] == ["the cache's redis store is back"]
    assert PASSWORD not in caplog.text


def test_a_redis_that_says_nothing_costs_little(cached: Any, caplog: Any) -> None:
    program()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}"
        gateway = cached("openai", answers.chat("openai"), CacheRule(store="redis"), CacheConfig(redis=Secret(url)))
        for _ in range(20):
            assert gateway.ask(*asking.chat("openai", "r")).headers["x-tsuji-cache"] == "miss"
        gateway.settle()
    assert gateway.calls == 20
    assert PASSWORD not in caplog.text


def test_a_sqlite_file_that_cannot_be_is_a_warning(cached: Any, tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "cache.db").mkdir()
    stores = CacheConfig(path=tmp_path / "cache.db")
    gateway = cached("openai", answers.chat("openai"), CacheRule(store="sqlite"), stores)
    for _ in range(3):
        assert gateway.ask(*asking.chat("openai", "r")).headers["x-tsuji-cache"] == "miss"
        gateway.settle()
    assert len([m for m in caplog.messages if "requests go on without the cache" in m]) == 1


def test_a_redis_that_is_not_configured(cached: Any) -> None:
    with pytest.raises(ConfigError, match=r"cache\.redis is not set"):
        cached("openai", answers.chat("openai"), CacheRule(store="redis"))
    with pytest.raises(ConfigError, match=r"the environment variable NO_SUCH_THING"):
        stores = CacheConfig(redis=Secret("env:NO_SUCH_THING"))
        cached("openai", answers.chat("openai"), CacheRule(store="redis"), stores)


def test_answers_outlive_the_gateway(cached: Any, tmp_path: Path) -> None:
    stores = CacheConfig(path=tmp_path / "cache.db")
    for word in ("miss", "hit"):
        gateway = cached("openai", answers.chat("openai"), CacheRule(store="sqlite"), stores)
        # The port, and so the target's address, is another one; its name is the same.
        assert gateway.ask(*asking.chat("openai", "r")).headers["x-tsuji-cache"] == word
        gateway.serving.stop()
