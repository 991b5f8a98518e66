"""A call under way, and everyone who gets its answer.

The driver that makes the call takes the flight for its client's connection: what it sends goes to all who listen, as it
comes, and is gathered for the cache. So one who asks the same while an answer is coming gets what has come and then the
rest; one who leaves ends nothing that another still waits for, not even the one who asked first.

Laws:
1. An error reaches the one whose call failed. Who else waited is asked for anew: one of them makes the next call; after
   ROUNDS that failed, each makes its own. Only an answer that has begun, and breaks off, breaks off for all.
2. The call is its first client's in the ledger, whoever listens: the others pay nothing.
3. A flight can be joined until its answer is in the store, so that there is no moment at which it is in neither.
4. A client that reads slowly does not hold up the others while the answer is short enough to be kept; beyond that the
   slowest sets the pace, as there is no end to what would have to be held for it.
"""

import asyncio
import re
from time import perf_counter, time
from typing import TYPE_CHECKING

from tsuji.gateway import reply
from tsuji.gateway.faults import ours

from .entry import Entry
from .memory import MemoryStore
from .stored import folded, is_worth_keeping

if TYPE_CHECKING:
    from tsuji.config import CacheRule

    from .cache import ResponseCache
    from .semantic import Question
    from .visit import Visit

ROUNDS = 2
_SUMMARY = re.compile(rb"^: tsuji [^\n]*\n\n", re.MULTILINE)
"""What the call cost, which is its first client's to know. See Sink.summary."""

Form = tuple[object, ...]


class Flight:
    """key: of the entry that the answer becomes. form: of the answers that can be shared byte by byte.

    leader: whose driver makes the call; None before there is one. begun: a head has been sent. keeps: what is sent is
    gathered. rounds: calls that have failed. question: for the semantic cache.
    """

    def __init__(self, cache: "ResponseCache", rule: "CacheRule", key: bytes, form: Form, *, keeps: bool) -> None:
        self.cache = cache
        self.rule = rule
        self.key = key
        self.form = form
        self.listeners: list[Visit] = []
        self.leader: Visit | None = None
        self.begun = False
        self.rounds = 0
        self.question: Question | None = None
        self._pieces: list[bytes] | None = [] if keeps else None
        self._size = 0
        self._ending = False
        self._landed = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._lagging: set[Visit] = set()
        self._paused = False

    @property
    def keeps(self) -> bool:
        return self._pieces is not None

    # Who listens.

    def join(self, visit: "Visit") -> bool:
        """False where the answer can no longer be had from its beginning."""
        if self._closed or self._pieces is None:
            return False
        visit.flight = self
        if self.leader is not None:
            visit.said = "shared"
        if not self._landed:
            self.listeners.append(visit)
        if self.begun:
            visit.begin()
            if self._ending:
                visit.record()
            visit.connection.send(b"".join(self._pieces))
            if self._landed:
                visit.connection.finish()
        elif self._landed:
            visit.whole(b"".join(self._pieces))
        return True

    def leave(self, visit: "Visit") -> None:
        """Its client is gone."""
        if visit in self.listeners:
            self.listeners.remove(visit)
        self._lagging.discard(visit)
        if self.listeners:
            self._pace()
        elif not self._landed:
            self.close()
            if self._task is not None:
                self._task.cancel()
            if self.leader is not None:
                self.leader.driver.cancel()

    def lag(self, visit: "Visit", lagging: bool) -> None:
        (self._lagging.add if lagging else self._lagging.discard)(visit)
        self._pace()

    def _pace(self) -> None:
        lagging = len(self._lagging)
        wait = lagging > 0 and (self._pieces is None or lagging >= len(self.listeners))
        if wait != self._paused and self.leader is not None:
            self._paused = wait
            (self.leader.driver.pause if wait else self.leader.driver.resume)()

    def close(self) -> None:
        """Nobody joins any more."""
        self._closed = True
        self.cache.landed(self)

    # Before the call.

    def look(self) -> None:
        """Answers from the store, or makes the call."""
        store = self.cache.store(self.rule)
        found = store.get(self.key, time()) if isinstance(store, MemoryStore) else None
        if found is not None or (isinstance(store, MemoryStore) and self.rule.semantic is None):
            self._decide(found, "hit")
        else:
            self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        said, entry = "hit", None
        try:
            entry = await self.cache.get(self.rule, self.key)
            if not self._fits(entry) and self.rule.semantic is not None and self.listeners:
                said = "semantic"
                self.question, entry = await self.cache.near(self.listeners[0].driver, self.rule)
        except Exception as bug:
            ours(bug)
        self._task = None
        self._decide(entry, said)

    def _fits(self, entry: Entry | None) -> bool:
        return entry is not None and bool(self.listeners) and self.listeners[0].takes(entry)

    def _decide(self, entry: Entry | None, said: str) -> None:
        if entry is None or not self._fits(entry):
            self.fly()
            return
        self.close()
        for visit in self._dismissed():
            try:
                visit.replay(entry, said)
            except Exception as bug:  # the others would wait for ever
                ours(bug)
                visit.connection.abort()

    def fly(self) -> None:
        """The first who listens makes the call."""
        if not self.listeners:
            self.close()
            return
        leader = self.leader = self.listeners[0]
        leader.said = "miss" if leader.reads else "bypass"
        for visit in self.listeners[1:]:
            visit.said = "shared"
        if self.rounds:
            leader.driver.mark = perf_counter()
        leader.driver.connection = self
        try:
            leader.driver.advance()
        except Exception as bug:  # the others would wait for ever
            ours(bug)
            self.abort()

    # What the driver takes for a connection.

    @property
    def address(self) -> str:
        """Of the client whose call it is."""
        return self.leader.connection.address if self.leader is not None else ""

    def whole(self, head: bytes, body: bytes) -> None:
        leader = self.leader
        if not head.startswith(reply.OK):
            self._failed(head, body)
            return
        self._gather(body)
        self._land()
        for visit in self._dismissed():
            if visit is leader:
                visit.connection.whole(head, body)
            else:
                visit.whole(body)

    def begin(self, head: bytes, probe: bytes = b"") -> None:
        self.begun = True
        for visit in list(self.listeners):
            if visit is self.leader:
                visit.connection.begin(head, probe)
            else:
                visit.begin()

    def send(self, data: bytes) -> None:
        shared = _SUMMARY.sub(b"", data) if b": tsuji " in data else data
        self._gather(shared)
        for visit in list(self.listeners):
            visit.connection.send(data if visit is self.leader else shared)

    def ending(self) -> None:
        """The end mark is about to be sent: until then everyone's record is to be written."""
        self._ending = True
        for visit in self.listeners:
            if visit is not self.leader:
                visit.record()

    def finish(self) -> None:
        self._land()
        for visit in self._dismissed():
            visit.connection.finish()

    def cut(self) -> None:
        self.close()
        for visit in self._dismissed():
            visit.cut(is_leader=visit is self.leader)

    def abort(self) -> None:
        self.close()
        for visit in self._dismissed():
            visit.connection.abort()

    def _gather(self, data: bytes) -> None:
        if self._pieces is None:
            return
        self._size += len(data)
        if self._size > self.rule.max_entry:
            self._pieces = None
            self.cache.landed(self)
            self._pace()
        else:
            self._pieces.append(data)

    def _dismissed(self) -> "list[Visit]":
        listeners, self.listeners = self.listeners, []
        return listeners

    def _failed(self, head: bytes, body: bytes) -> None:
        """Law 1."""
        leader, waiting = self.leader, self._dismissed()
        self.close()
        if leader in waiting:
            waiting.remove(leader)
            leader.connection.whole(head, body)
        if not waiting:
            return
        if self.rounds + 1 >= ROUNDS:
            for visit in waiting:
                visit.alone("miss")
            return
        again = Flight(self.cache, self.rule, self.key, self.form, keeps=True)
        again.rounds, again.question = self.rounds + 1, self.question
        again.listeners = waiting
        for visit in waiting:
            visit.flight = again
        self.cache.register(again)
        again.fly()

    # After the answer.

    def _land(self) -> None:
        self._landed = True
        if self._pieces is None:
            self.close()
        else:  # once the last byte has left
            asyncio.get_running_loop().call_soon(self.cache.keep, self)

    def entry(self) -> Entry | None:
        """What to keep of the answer; None where it is nothing to keep."""
        leader, pieces = self.leader, self._pieces
        if leader is None or pieces is None or leader.sink is None:
            return None
        driver, sink, body, used = leader.driver, leader.sink, b"".join(pieces), True
        if driver.stream:
            framing = driver.framing().content_type
            made = folded(driver.dialect, body, array=framing == b"application/json")
            if made is None:
                return None
            body, used = made
        if driver.operation == "chat" and not is_worth_keeping(driver.dialect, body, self.rule.tool_calls):
            return None
        _, cost = sink.billed or sink.bill()
        return Entry(time(), body, sink.destination.target.name, cost, used, tuple(driver.dropped))
