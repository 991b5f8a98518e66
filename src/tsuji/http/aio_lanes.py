"""The connections of an asyncio pool on one event loop, and the one timer that watches all their limits."""

import asyncio
from typing import TYPE_CHECKING, cast

from tsuji.core.errors import UpstreamConnectionError
from tsuji.core.timeouts import Timeouts

from .aio_dial import dial, until_shutdown
from .aio_exchange import Connection, Exchange, Sink
from .message import content_length
from .proxy import Proxies
from .route import Route
from .url import Origin

if TYPE_CHECKING:
    from .tls import TlsConfig

SWEEP = 0.05  # seconds between two looks at the limits
REST = 40  # sweeps with nothing under way, after which only idle connections are looked at
IDLE_SWEEP = 1.0


class Lane:
    """Connections to one origin. idle: the most recently used one is last."""

    __slots__ = ("_max_idle", "idle", "route")

    def __init__(self, route: Route, max_idle: int) -> None:
        self.route = route
        self.idle: list[Connection] = []
        self._max_idle = max_idle

    def keep(self, connection: Connection) -> bool:
        if len(self.idle) >= self._max_idle or connection.transport.is_closing():
            return False
        connection.expires = None
        self.idle.append(connection)
        return True

    def forget(self, connection: Connection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)

    def expire(self, now: float, idle_expiry: float) -> None:
        for connection in tuple(self.idle):
            if connection.expires is None:
                connection.expires = now + idle_expiry
            elif connection.expires <= now:
                self.idle.remove(connection)
                connection.close()


class Lanes:
    """All lanes of a pool on one loop.

    active: the exchanges under way. resting: nothing has been for a while, so limits are not looked at.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        tls: "TlsConfig | None",
        proxies: Proxies,
        max_idle: int,
        idle_expiry: float,
        decode: bool,
    ) -> None:
        self.loop = loop
        self.active: set[Exchange] = set()
        self.by_origin: dict[Origin, Lane] = {}
        self._tls = tls
        self._proxies = proxies
        self._max_idle = max_idle
        self._idle_expiry = idle_expiry
        self._decode = decode
        self.resting = True
        self._quiet = 0
        self._next_idle_sweep = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._guard = until_shutdown(self.shut)
        self._arm_guard()

    def start(
        self,
        method: bytes,
        url: Origin,
        target: bytes,
        headers: bytes,
        body: bytes,
        timeouts: Timeouts,
        sink: Sink,
    ) -> Exchange:
        """Send a request; the sink is told what comes back. headers: lines from render_headers.

        A kept connection is written to before this returns. Raises InvalidRequestError for a request that can't be sent
        as it stands and ConfigError for an unusable proxy; everything later goes to `sink.on_failure`.
        """
        lane = self.by_origin.get(url) or self.lane(url)
        head = lane.route.render(method, target, headers, content_length(method, body))
        if self.resting:
            self.watch()
        return Exchange(self, lane, head, body, timeouts, sink, bodyless=method == b"HEAD")

    def lane(self, origin: Origin) -> Lane:
        """The lane of an origin, made when it is first asked for. Raises ConfigError for an unusable proxy."""
        lane = self.by_origin[origin] = Lane(Route(origin, self._proxies, decode=self._decode), self._max_idle)
        return lane

    async def dial(self, lane: Lane, seconds: float) -> Connection:
        def connection() -> asyncio.Protocol:
            return cast(asyncio.Protocol, Connection(self, lane, decode=self._decode))

        return cast(Connection, await dial(lane.route, self._tls, seconds, connection))

    def watch(self) -> None:
        """Something is under way: sweep often."""
        if self._timer is not None:
            self._timer.cancel()
        self.resting = False
        self._quiet = 0
        self._timer = self.loop.call_later(SWEEP, self._sweep)

    def report(self, bug: Exception) -> None:
        """A sink raised, which is a mistake of ours that must not pass unseen."""
        self.loop.call_exception_handler({"message": "the receiver of a response failed", "exception": bug})

    def shut(self) -> None:
        """Close everything; exchanges under way fail."""
        if self._timer is not None:
            self._timer.cancel()
        self.resting = True
        for exchange in tuple(self.active):
            exchange.fail(UpstreamConnectionError("the client was closed during the request", fault="gateway"))
        for lane in self.by_origin.values():
            while lane.idle:
                lane.idle.pop().close()

    async def close(self) -> None:
        await self._guard.aclose()

    def _sweep(self) -> None:
        now = self.loop.time()
        for exchange in tuple(self.active):
            exchange.check(now)
        self._quiet = 0 if self.active else self._quiet + 1
        if now >= self._next_idle_sweep:
            self._next_idle_sweep = now + IDLE_SWEEP
            for lane in self.by_origin.values():
                lane.expire(now, self._idle_expiry)
        self.resting = self._quiet >= REST
        if not self.resting or any(lane.idle for lane in self.by_origin.values()):
            self._timer = self.loop.call_later(IDLE_SWEEP if self.resting else SWEEP, self._sweep)

    def _arm_guard(self) -> None:
        """Begin the guard, which does not wait for anything; the loop notes asynchronous generators that have begun."""
        try:
            self._guard.__anext__().send(None)
        except StopIteration:
            return
