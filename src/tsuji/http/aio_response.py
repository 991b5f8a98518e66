"""The awaitable face of an exchange."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from math import inf
from time import monotonic
from types import TracebackType
from typing import Self

from tsuji.core.errors import InternalError, StreamInterruptedError, TsujiError, UpstreamProtocolError

from .aio_exchange import Exchange
from .message import MAX_WHOLE_BODY, Headers, ResponseHead
from .watch import Watch

HIGH_WATER = 256 * 1024  # bytes waiting to be consumed at which reading from upstream stops
LOW_WATER = 64 * 1024


class AsyncResponse:
    """A response whose head is there; leaving the `async with` block closes it.

    status, headers: see ResponseHead. One task may read it at a time. Cancelling that task closes the upstream
    connection at once. The on_... methods are the pool's.
    """

    __slots__ = ("_ended", "_exchange", "_failure", "_head", "_pieces", "_waiter", "_waiting_bytes", "_watch")

    def __init__(self, watch: Watch | None = None) -> None:
        self._watch = watch
        self._exchange: Exchange | None = None
        self._head: ResponseHead | None = None
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: TsujiError | None = None
        self._ended = False

    @property
    def status(self) -> int:
        return self._answer().status

    @property
    def headers(self) -> Headers:
        return self._answer().headers

    def get(self, name: bytes) -> bytes | None:
        """Value of the first header of that lower-case name."""
        return self._answer().get(name)

    async def begin(self, exchange: Exchange) -> None:
        """Wait for the head; for the pool."""
        self._exchange = exchange
        while self._head is None:
            if self._failure is not None:
                raise self._failure
            await self._watched()

    async def read(self) -> bytes:
        """What is left of the body, decoded; the same again when called again.

        Raises StreamInterruptedError, UpstreamTimeoutError (idle, total) and UpstreamProtocolError (malformed, or more
        than MAX_WHOLE_BODY bytes).
        """
        pieces: list[bytes] = []
        size = 0
        while (piece := await self._next()) is not None:
            pieces.append(piece)
            size += len(piece)
            if size > MAX_WHOLE_BODY:
                await self.close()
                raise UpstreamProtocolError(f"the body has more than {MAX_WHOLE_BODY} bytes")
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces.append(body)
        return body

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Pieces of the body, decoded, as they arrive. Raises as `read` does. Closed early, it closes the response."""
        try:
            while (piece := await self._next()) is not None:
                yield piece
        finally:
            await self.close()

    async def close(self) -> None:
        """An unfinished body ends its connection at once."""
        if not self._ended and self._failure is None:
            self._failure = StreamInterruptedError("the response was closed before its end", fault="caller")
            self._pieces.clear()
        if self._exchange is not None:
            self._exchange.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def on_head(self, head: ResponseHead) -> None:
        self._head = head
        self._wake()

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > HIGH_WATER and self._exchange is not None:
            self._exchange.pause()
        self._wake()

    def on_end(self) -> None:
        self._ended = True
        self._wake()

    def on_failure(self, error: TsujiError) -> None:
        self._failure = error
        self._wake()

    async def _next(self) -> bytes | None:
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return None
            await self._watched()
        if len(self._pieces) == 1:
            piece = self._pieces.popleft()
        else:
            piece = b"".join(self._pieces)
            self._pieces.clear()
        self._waiting_bytes = 0
        if self._exchange is not None:
            self._exchange.resume()
        return piece

    async def _watched(self) -> None:
        """Wait, no longer than the watch has it."""
        watch = self._watch
        if watch is None or watch.due == inf:
            await self._wait()
            return
        loop, due, head = asyncio.get_running_loop(), watch.due, self._head
        timer = loop.call_later(max(due - monotonic(), 0.001), self._wake)  # what has arrived already is not late
        try:
            await self._wait()
        finally:
            timer.cancel()
        came = self._pieces or self._ended or self._failure is not None or self._head is not head
        if came or monotonic() < due - 0.001:
            return
        self._failure = watch.overdue(max(monotonic(), due))
        self._ended = self._failure is None
        if self._exchange is not None:
            self._exchange.cancel()

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise InternalError("two tasks read one response at the same time")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            await self.close()
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _answer(self) -> ResponseHead:
        assert self._head is not None, "begin() has not returned"
        return self._head
