"""Limits on answers that depend on what their bytes say: looked after in rounds, not by a timer for each."""

from time import perf_counter
from typing import TYPE_CHECKING

from .faults import ours

if TYPE_CHECKING:
    import asyncio

    from .sink import Sink

PACE = 0.1
"""Seconds between two rounds, while there is anything to look after."""


class Rounds:
    """Of the sinks that have a watch."""

    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        self._loop = loop
        self._sinks: set[Sink] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, sink: "Sink") -> None:
        self._sinks.add(sink)
        if self._timer is None:
            self._timer = self._loop.call_later(PACE, self._go)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sinks.clear()

    def _go(self) -> None:
        now = perf_counter()
        for sink in tuple(self._sinks):
            if sink.is_over:
                self._sinks.discard(sink)
            elif sink.watch is not None and now >= sink.watch.due:
                try:
                    sink.overdue(now)
                except Exception as bug:  # must not take the round down, and other requests with it
                    ours(bug)
        self._timer = self._loop.call_later(PACE, self._go) if self._sinks else None
