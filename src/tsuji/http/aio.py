"""The asyncio driver: a pool whose requests start synchronously and report to callbacks, on asyncio or uvloop."""

import asyncio
from typing import TYPE_CHECKING

from tsuji.core.errors import InvalidRequestError
from tsuji.core.timeouts import Timeouts

from .aio_exchange import Exchange, Sink
from .aio_lanes import Lanes
from .aio_response import AsyncResponse
from .proxy import Proxies
from .url import Origin

if TYPE_CHECKING:
    from .tls import TlsConfig


class AsyncPool:
    """Kept connections by origin, for each event loop that uses the pool; they close when their loop shuts down.

    tls: whom to trust. proxies: None means what the environment says when the pool is made, `Proxies()` means none.
    max_idle_per_origin, idle_expiry: how many unused connections are kept, and for how many seconds. decode: ask for
    gzip and decode it; without, no Accept-Encoding is sent and bodies are passed on as they come.
    """

    def __init__(
        self,
        *,
        tls: "TlsConfig | None" = None,
        proxies: Proxies | None = None,
        max_idle_per_origin: int = 256,
        idle_expiry: float = 30,
        decode: bool = True,
    ) -> None:
        self._tls = tls
        self._proxies = Proxies.from_environment() if proxies is None else proxies
        self._max_idle = max_idle_per_origin
        self._idle_expiry = idle_expiry
        self._decode = decode
        self._current: Lanes | None = None
        self._by_loop: dict[asyncio.AbstractEventLoop, Lanes] = {}
        self._closed = False

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
        """Send a request; the sink is told what comes back. See Lanes.start."""
        return self.here().start(method, url, target, headers, body, timeouts, sink)

    def here(self) -> Lanes:
        """The connections of the running loop. Who stays on one loop keeps them: to ask which one it is takes a while,
        a system call before Python 3.12.
        """
        loop = asyncio.get_running_loop()
        lanes = self._current
        return lanes if lanes is not None and lanes.loop is loop else self._lanes(loop)

    async def request(
        self, method: bytes, url: Origin, target: bytes, headers: bytes, body: bytes, timeouts: Timeouts
    ) -> AsyncResponse:
        """Send, and return once the response head is there. Raises as `start`, and what it would tell the sink.

        Cancelling the task that waits here closes the upstream connection at once.
        """
        response = AsyncResponse()
        await response.begin(self.start(method, url, target, headers, body, timeouts, response))
        return response

    async def close(self) -> None:
        """Close all connections; requests under way fail. Those of another running loop close in that loop."""
        self._closed = True
        self._current = None
        loop = asyncio.get_running_loop()
        while self._by_loop:
            owner, lanes = self._by_loop.popitem()
            if owner is loop:
                await lanes.close()
            elif not owner.is_closed():
                owner.call_soon_threadsafe(lanes.shut)

    def _lanes(self, loop: asyncio.AbstractEventLoop) -> Lanes:
        if self._closed:
            raise InvalidRequestError("the client is closed; make a new one")
        for other in [other for other in self._by_loop if other.is_closed()]:
            del self._by_loop[other]
        lanes = self._by_loop.get(loop)
        if lanes is None:
            lanes = self._by_loop[loop] = Lanes(
                loop,
                tls=self._tls,
                proxies=self._proxies,
                max_idle=self._max_idle,
                idle_expiry=self._idle_expiry,
                decode=self._decode,
            )
        self._current = lanes
        return lanes


__all__ = ["AsyncPool", "AsyncResponse", "Exchange", "Sink"]
