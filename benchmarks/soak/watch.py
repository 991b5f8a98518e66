"""What the gateway's processes hold, looked at now and then."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from .. import processes


@dataclass(frozen=True)
class Look:
    """minute: of the run. asked: requests so far. workers, ledgers: resident bytes of each process, the largest first.

    files, sockets: open in all workers together. cores: used by all processes since the look before; None: the first.
    """

    minute: float
    asked: int
    workers: list[int]
    ledgers: list[int]
    files: int
    sockets: int
    cores: float | None


class Watch:
    """pid: the gateway's first process. asked: says how many requests there have been."""

    def __init__(self, pid: int, asked: Callable[[], int]) -> None:
        self.looks: list[Look] = []
        self._pid, self._asked = pid, asked
        self._start = self._last = time.monotonic()
        self._spent: dict[int, float] = {}

    async def every(self, seconds: float) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        workers, ledgers, files, sockets, spent = [], [], 0, 0, dict[int, float]()
        for process in processes.tree(self._pid):
            with suppress(OSError, RuntimeError):  # it has ended
                size = process.resident()
                spent[process.pid] = process.seconds()
                (ledgers if process.ledger else workers).append(size)
                if not process.ledger:
                    files += process.files()
                    sockets += process.sockets()
        now = time.monotonic()
        used = sum(seconds - self._spent.get(pid, 0.0) for pid, seconds in spent.items())
        cores = used / (now - self._last) if self.looks else None
        self._spent, self._last = spent, now
        many = ((now - self._start) / 60, self._asked(), sorted(workers)[::-1], sorted(ledgers)[::-1])
        self.looks.append(Look(*many, files, sockets, cores))
