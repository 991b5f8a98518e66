"""The cache of one gateway: its stores, and the calls under way on routes that have one."""

import asyncio
import hmac
import logging
from collections.abc import Awaitable
from time import time
from typing import TYPE_CHECKING

from tsuji.core.errors import ConfigError
from tsuji.gateway.faults import ours
from tsuji.ledger import place
from tsuji.ledger.secret import server_secret

from .entry import Entry
from .flight import Flight, Form
from .memory import MemoryStore
from .store import Store, StoreError
from .visit import Visit

if TYPE_CHECKING:
    from tsuji.config import CacheRule, Config
    from tsuji.gateway.driver import Driver

    from .semantic import Meanings, Question

log = logging.getLogger("tsuji.cache")

FILE = "cache.db"
_OPERATIONS = ("chat", "embeddings")


class ResponseCache:
    """`start`, then `stop`. flights: calls under way that can be joined."""

    def __init__(self, config: "Config") -> None:
        self._config = config
        self._stores: dict[str, Store] = {}
        self._down: set[str] = set()
        self._meanings: Meanings | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.flights: dict[Form, Flight] = {}
        self.secret = b""

    def start(self) -> None:
        """Raises ConfigError for a store that cannot be: what is only down is no error."""
        config = self._config
        if config.ledger.enabled or config.server.secret is not None:
            secret = server_secret(config.server.secret, place.folder(config.ledger))
            self.secret = hmac.digest(secret, b"response cache", "sha256")
        self.know(config)

    def know(self, config: "Config") -> None:
        """A configuration was reloaded. What its routes keep answers in is opened; what is open stays as it is.

        Raises ConfigError for a store that cannot be.
        """
        self._config = config
        rules = config.cache.routes.values()
        for name in {rule.store for rule in rules} - self._stores.keys():
            self._stores[name] = self._open(name)
        if self._meanings is None and any(rule.semantic is not None for rule in rules):
            from .semantic import Meanings

            self._meanings = Meanings(config, self.secret)

    def _open(self, name: str) -> Store:
        cache = self._config.cache
        if name == "memory":
            return MemoryStore(cache.memory_bytes)
        if name == "sqlite":
            from .sqlite import SqliteStore

            return SqliteStore(cache.path or place.folder(self._config.ledger) / FILE, cache.path_bytes, self.secret)
        url = cache.redis.reveal() if cache.redis is not None else None
        if url is None:
            where = "is not set" if cache.redis is None else f"is {cache.redis.where}, which is not there or is empty"
            raise ConfigError(f"a route keeps its answers in Redis, but cache.redis {where}", param="cache.redis")
        from .rediskv import RedisStore

        return RedisStore(url, self.secret)

    async def stop(self) -> None:
        """What is being written is written."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        for store in self._stores.values():
            try:
                await store.close()
            except StoreError as error:
                log.warning("%s", error)
        if self._meanings is not None:
            await self._meanings.close()

    # Requests.

    def visit(self, driver: "Driver") -> bool:
        """Takes the request over, if its route has a cache. Raises InvalidRequestError for a wish that it has not."""
        rule = driver.setup.config.cache.routes.get(driver.routing.route.name)
        if rule is None or driver.operation not in _OPERATIONS:
            return False
        driver.visit = Visit(self, driver, rule)
        driver.visit.start()
        return True

    def register(self, flight: Flight) -> None:
        self.flights.setdefault(flight.form, flight)

    def landed(self, flight: Flight) -> None:
        if self.flights.get(flight.form) is flight:
            del self.flights[flight.form]

    # The stores.

    def store(self, rule: "CacheRule") -> Store:
        return self._stores[rule.store]

    async def get(self, rule: "CacheRule", key: bytes) -> Entry | None:
        """None as well where the store is down, which is told once."""
        found = self.store(rule).get(key, time())
        if found is None or isinstance(found, Entry):
            return found
        try:
            entry = await found
        except StoreError as error:
            self._is_down(rule.store, error)
            return None
        self._is_up(rule.store)
        return entry

    def keep(self, flight: Flight) -> None:
        """The flight's answer has left: now it is stored."""
        rule, writing = flight.rule, None
        try:
            entry = flight.entry()
            if entry is not None:
                writing = self.store(rule).put(flight.key, entry, entry.created + rule.ttl)
                if self._meanings is not None and flight.question is not None and rule.semantic is not None:
                    self._meanings.learn(flight.question, flight.key, rule.semantic)
        except Exception as bug:  # the answer has been delivered
            ours(bug)
        if writing is None:
            flight.close()
            return
        task = asyncio.get_running_loop().create_task(self._write(flight, writing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, flight: Flight, writing: Awaitable[None]) -> None:
        try:
            await writing
            self._is_up(flight.rule.store)
        except StoreError as error:
            self._is_down(flight.rule.store, error)
        except Exception as bug:
            ours(bug)
        finally:
            flight.close()

    def _is_down(self, name: str, error: StoreError) -> None:
        if name not in self._down:
            self._down.add(name)
            log.warning("%s; requests go on without the cache", error)

    def _is_up(self, name: str) -> None:
        if name in self._down:
            self._down.remove(name)
            log.warning("the cache's %s store is back", name)

    # The semantic cache.

    async def near(self, driver: "Driver", rule: "CacheRule") -> "tuple[Question | None, Entry | None]":
        """What the request asks, and an answer to what means the same; None where there is none."""
        if self._meanings is None or rule.semantic is None:
            return None, None
        question = await self._meanings.question(driver, rule)
        key = self._meanings.near(question, rule.semantic) if question is not None else None
        return question, await self.get(rule, key) if key is not None else None
