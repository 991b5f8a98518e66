"""Requests at a steady rate, whatever becomes of those before; each outcome is a line of a file."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import TextIO

from .client import Asked, Client
from .faults import KINDS, PLAIN

TICK_SECONDS = 0.01
STREAMS = 0.4
DIALECTS = ("openai", "anthropic", "responses")
DIALECT_WEIGHTS = (60, 25, 15)
HANG_SECONDS = 30.0
MOST = 3000
"""Requests that may be open at once; what is due beyond is not asked, and counted."""
_NAMES_WEIGHTS = [kind.weight for kind in KINDS]


@dataclass
class Load:
    """share: of requests that are of a kind with a fault. log: gets a line for each. held: were due, and not asked.

    steady: the number of the first request of the last steady rate.
    """

    port: int
    key: str
    share: float
    log: TextIO
    asked: int = 0
    answered: int = 0
    held: int = 0
    open: int = 0
    most_open: int = 0
    steady: int = 0
    _idle: list[Client] = field(default_factory=list)
    _busy: set[Client] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _chance: random.Random = field(default_factory=random.Random)

    async def at_rate(self, rate: float, seconds: float) -> None:
        """rate: requests a second. Returns when the last one has an outcome."""
        tasks: set[asyncio.Task[None]] = set()
        start, due, self.steady, self.most_open = perf_counter(), 0, self.asked + 1, 0
        while (now := perf_counter() - start) < seconds:
            wanted = int(now * rate)
            for _ in range(wanted - due):
                if self.open >= MOST:
                    self.held += 1
                    continue
                task = asyncio.create_task(self._one())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            due = wanted
            self._hang_up_on_late()
            await asyncio.sleep(TICK_SECONDS)
        while tasks:
            await asyncio.wait(list(tasks), timeout=1)
            self._hang_up_on_late()

    async def flat_out(self, connections: int, warm: float, seconds: float) -> float:
        """Requests a second where each connection asks again at once, after `warm` seconds of that.

        Streams keep their pace, so it takes many connections.
        """
        start = perf_counter()

        async def on_and_on() -> None:
            while perf_counter() - start < warm + seconds:
                await self._one()

        asking = asyncio.gather(*[on_and_on() for _ in range(connections)])
        await asyncio.sleep(warm)
        before, began = self.answered, perf_counter()
        await asyncio.sleep(seconds)
        most = (self.answered - before) / (perf_counter() - began)
        await asking
        return most

    def close(self) -> None:
        for client in self._idle:
            client.close()

    async def _one(self) -> None:
        chance = self._chance
        kind = chance.choices(KINDS, _NAMES_WEIGHTS)[0] if chance.random() < self.share else PLAIN
        stream = chance.random() < STREAMS if kind.stream is None else kind.stream
        asked = Asked(kind, next(self._numbers), chance.choices(DIALECTS, DIALECT_WEIGHTS)[0], stream, self.key)
        self.asked += 1
        again = 0
        while True:
            with self._client() as client:
                seen = await client.ask(asked)
            if not seen.unanswered:
                break
            again += 1
        self.answered += 1
        fields = [asked.number, kind.name, asked.dialect, int(stream), seen.outcome, seen.id, seen.attempts]
        fields += [f"{seen.seconds * 1e3:.3f}", again]
        self.log.write("\t".join(map(str, fields)) + "\n")

    @contextmanager
    def _client(self) -> Iterator[Client]:
        while self._idle and not self._idle[-1].is_open:
            self._idle.pop()
        client = self._idle.pop() if self._idle else Client(self.port)
        self._busy.add(client)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            yield client
        finally:
            self.open -= 1
            self._busy.discard(client)
            if client.is_open:
                self._idle.append(client)

    def _hang_up_on_late(self) -> None:
        late = perf_counter() - HANG_SECONDS
        for client in [client for client in self._busy if 0 < client.began < late]:
            client.hang_up()


def log_in(folder: Path) -> TextIO:
    return (folder / "outcomes.tsv").open("w", buffering=1 << 20)
