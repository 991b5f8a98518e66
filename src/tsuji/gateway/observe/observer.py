"""The one place that is told of every request that has ended."""

import asyncio
import logging
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from tsuji.ledger import place
from tsuji.ledger.keys import MICRO

from .accesslog import AccessLog
from .counters import Counters
from .snapshots import Everyone, Gauges, Snapshots, alone, encode
from .tracing import Trace, Tracer

if TYPE_CHECKING:
    from pathlib import Path

    from tsuji.config import Config
    from tsuji.gateway.gateway import Gateway
    from tsuji.gateway.request import Answering, Request
    from tsuji.ledger.record import Record

log = logging.getLogger("tsuji.gateway")

_FOLD_EVERY = 3
"""Snapshots between two looks for dead workers."""


class Observer:
    """`start`, then `tick` now and then, then `stop`. Used from the event loop's thread, but for `render`."""

    def __init__(self, config: "Config") -> None:
        where = config.server.access_log
        self._counters = Counters(config.routes) if config.server.metrics != "off" else None
        self._log = AccessLog(where, partial(self._dropped, "access_log")) if where is not None else None
        sent = config.telemetry.otlp is not None
        self.tracer = Tracer(config, partial(self._dropped, "telemetry")) if sent else None
        self._folder = _folder(config)
        self._snapshots: Snapshots | None = None
        self._numbers = count()
        self._last = b""
        self._ticks = 0
        self._putting: asyncio.Future[bool] | None = None
        self._failed = False

    def start(self, gateway: "Gateway") -> None:
        if self.tracer is not None:
            self.tracer.start()
        if self._counters is None or self._folder is None:
            return
        try:
            self._snapshots = Snapshots(self._folder, gateway.id_prefix)
        except OSError as error:
            log.warning("%s: /metrics is of this worker alone, because %s", self._folder, error.strerror)

    def know(self, config: "Config") -> None:
        """A configuration was reloaded: its routes are labels. What is seen, and where it goes, stays until a start."""
        if self._counters is not None:
            self._counters.know(config.routes)

    def saw(
        self,
        record: "Record",
        request: "Request",
        connection: "Answering",
        spent: float,
        trace: Trace | None = None,
    ) -> None:
        """A request has ended. spent: seconds that were the gateway's own."""
        if self._counters is not None:
            self._counters.add(record, int(spent * MICRO))
        if self._log is not None:
            self._log.add(record, request, connection, spent)
        if self.tracer is not None:
            self.tracer.add(record, request, connection, spent, trace)

    def tick(self, gateway: "Gateway") -> None:
        """Twice a second."""
        self._ticks += 1
        if self._log is not None:
            self._log.flush()
        if self.tracer is not None:
            self.tracer.flush()
        if self._snapshots is None or self._ticks % 2 or (self._putting is not None and not self._putting.done()):
            return
        snapshot = self._encode(gateway)
        fold = self._ticks % (2 * _FOLD_EVERY) == 0
        if snapshot != self._last or fold:
            self._last = snapshot
            loop = asyncio.get_running_loop()
            self._putting = loop.run_in_executor(None, self._put, next(self._numbers), snapshot, fold)

    async def stop(self, gateway: "Gateway") -> None:
        if self._log is not None:
            await self._log.stop()
        if self.tracer is not None:
            await self.tracer.stop()
        if self._putting is not None:
            await self._putting
        if self._snapshots is not None:
            self._put(next(self._numbers), self._encode(gateway), False)
            self._snapshots.close()

    def _dropped(self, output: str, times: int) -> None:
        if self._counters is not None:
            self._counters.event("dropped", "", output, times)

    # Metrics.

    def snapshot(self, gateway: "Gateway") -> tuple[int, bytes]:
        """Of this worker, now; for `render`."""
        return next(self._numbers), self._encode(gateway)

    def render(self, number: int, snapshot: bytes, accept: str) -> tuple[bytes, str]:
        """What Prometheus reads, and its content type; in any thread. accept: the scraper's header."""
        from .exposition import render

        return render(self._everyone(number, snapshot), accept)

    def _everyone(self, number: int, snapshot: bytes) -> Everyone:
        if self._snapshots is None or not self._put(number, snapshot, False):
            return alone(snapshot)
        return self._snapshots.everyone()

    def _put(self, number: int, snapshot: bytes, fold: bool) -> bool:
        """Whether the others can see it."""
        if self._snapshots is None:
            return False
        try:
            self._snapshots.put(number, snapshot)
            if fold:
                self._snapshots.fold()
        except OSError as error:
            if not self._failed:
                log.error("%s: metrics are not shared between workers: %s", self._folder, error.strerror)
            self._failed = True
            return False
        self._failed = False
        return True

    def _encode(self, gateway: "Gateway") -> bytes:
        if self._counters is None:
            return b""
        ledger = gateway.ledger
        gauges = Gauges(
            len(gateway.connections),
            sum(connection.begun for connection in gateway.connections),
            ledger.spool.held if ledger is not None else 0,
            not ledger.failure if ledger is not None else None,
        )
        return encode(gauges, self._counters.sums())


def observer(config: "Config") -> Observer | None:
    """None where nothing is to be seen."""
    server = config.server
    wanted = server.metrics != "off" or server.access_log is not None or config.telemetry.otlp is not None
    return Observer(config) if wanted else None


def _folder(config: "Config") -> "Path | None":
    """Where the workers of a gateway meet; None for one that keeps nothing on this machine."""
    ledger = config.ledger
    return place.folder(ledger) / "metrics" if ledger.enabled or ledger.folder is not None else None
