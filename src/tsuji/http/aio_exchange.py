"""One request and its response on asyncio: callbacks, no task and no timer of its own on a kept connection."""

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from tsuji.core.errors import InternalError, TimeoutKind, TsujiError, UpstreamConnectionError
from tsuji.core.timeouts import Timeouts

from .failure import connect_failure, lost, timed_out
from .message import ResponseHead
from .parser import ResponseParser

if TYPE_CHECKING:
    from .aio_lanes import Lane, Lanes

SMALL = 16 * 1024  # up to here a copy costs less than a second write


class Sink(Protocol):
    """Where a response goes, called from the event loop, never before `start` has returned.

    on_head once, on_body for each piece as it arrives, then exactly one of on_end and on_failure, once; on_failure may
    come at any point. When on_end is called the connection is free already. After `cancel` nothing is called.
    """

    def on_head(self, head: ResponseHead) -> None: ...
    def on_body(self, data: bytes) -> None: ...
    def on_end(self) -> None: ...
    def on_failure(self, error: TsujiError) -> None: ...


class Exchange:
    """A request under way.

    Attributes are for the pool: phase and due say which limit is running and when it ends; `stirred` is set by arriving
    bytes and taken back by the sweep, which costs less per piece than reading a clock.
    """

    __slots__ = (
        "_body",
        "_bodyless",
        "_connection",
        "_due",
        "_head",
        "_lane",
        "_lanes",
        "_paused",
        "_phase",
        "_reused",
        "_sink",
        "_task",
        "_timeouts",
        "_total_at",
        "_unsent",
        "heard",
        "stirred",
    )

    def __init__(
        self, lanes: "Lanes", lane: "Lane", head: bytes, body: bytes, timeouts: Timeouts, sink: Sink, *, bodyless: bool
    ) -> None:
        self._lanes = lanes
        self._lane = lane
        self._head = head
        self._body = body
        self._bodyless = bodyless
        self._timeouts = timeouts
        self._sink: Sink | None = sink
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._paused = False
        self._unsent = 0
        self.heard = self.stirred = False
        self._phase: TimeoutKind = "first_byte"
        now = lanes.loop.time()
        self._total_at = now + timeouts.total
        lanes.active.add(self)
        idle = lane.idle
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing():
                self._reused = True
                self._send(connection, now)
                return
        self._connect(now)

    def cancel(self) -> None:
        """Close the upstream connection at once and call the sink no more. Harmless when all is over."""
        if self._sink is not None:
            self._close()

    def pause(self) -> None:
        """Stop reading from upstream; what was read already may still be delivered. The idle limit rests."""
        if not self._paused:
            self._paused = True
            if self._connection is not None:
                self._connection.transport.pause_reading()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self.stirred = True
            if self._connection is not None:
                self._connection.transport.resume_reading()

    def fail(self, error: TsujiError) -> None:
        sink = self._sink
        if sink is not None:
            self._close()
            try:
                sink.on_failure(error)
            except Exception as bug:  # must not take the sweep down, and other exchanges with it
                self._lanes.report(bug)

    def finish(self) -> bool:
        """The response is complete; True if the connection may carry another request."""
        connection, sent = self._connection, True
        if connection is not None:
            sent = not self._unsent or not connection.transport.get_write_buffer_size()
            if self._paused:
                connection.transport.resume_reading()
        self._detach()
        return sent

    def lost(self, failure: TsujiError) -> None:
        """The connection is gone. If it was a kept one and brought nothing, the server had closed it meanwhile."""
        if self._reused and not self.heard:
            self._connection = None
            self._connect(self._lanes.loop.time())
        else:
            self.fail(failure)

    def check(self, now: float) -> None:
        """Fail if a limit has passed."""
        kind: TimeoutKind = "total"
        if now < self._total_at:
            kind = self._phase
            if self._extended(now) or now < self._due:
                return
        self.fail(timed_out(self._lane.route, kind, self._timeouts))

    def _extended(self, now: float) -> bool:
        connection = self._connection
        if connection is None:
            return False
        if self._unsent and self._phase == "first_byte":
            unsent = connection.transport.get_write_buffer_size()
            moving, self._unsent = unsent != self._unsent, unsent
            if moving:
                self._due = now + self._timeouts.head
        if not self.stirred and not self._paused:
            return False
        self.stirred = False
        if connection.parser.head is not None:
            self._phase = "idle"
            self._due = now + self._timeouts.idle
        elif self._paused:
            self._due = now + self._timeouts.head
        return now < self._due

    def _connect(self, now: float) -> None:
        self._reused = False
        self._phase = "connect"
        self._due = now + self._timeouts.connect
        self._task = self._lanes.loop.create_task(self._open())

    async def _open(self) -> None:
        route = self._lane.route
        try:
            connection = await self._lanes.dial(self._lane, self._timeouts.connect)
        except TsujiError as error:
            self.fail(error)
        except OSError as error:
            self.fail(connect_failure(route, error))
        except asyncio.CancelledError:
            self.fail(UpstreamConnectionError(f"the event loop ended before {route.peer} was reached", fault="gateway"))
            raise
        except Exception as error:
            failure = InternalError(f"connecting to {route.peer} failed in an unexpected way: {error!r}")
            failure.__cause__ = error
            self.fail(failure)
        else:
            self._task = None
            if self._sink is None:
                connection.close()
            else:
                self._send(connection, self._lanes.loop.time())

    def _send(self, connection: "Connection", now: float) -> None:
        sink = self._sink
        assert sink is not None
        self._phase = "first_byte"
        self._due = now + self._timeouts.head
        self._connection = connection
        connection.exchange = self
        connection.parser.begin(sink.on_body, sink.on_head, bodyless=self._bodyless)
        transport, body = connection.transport, self._body
        if len(body) <= SMALL:
            transport.write(self._head + body)
        else:
            self._unsent = len(body)
            transport.write(self._head)
            transport.write(body)
        if self._paused:
            transport.pause_reading()

    def _close(self) -> None:
        connection, task = self._connection, self._task
        self._detach()
        if connection is not None:
            connection.close()
        elif task is not None and task is not asyncio.current_task():
            task.cancel()

    def _detach(self) -> None:
        """Over: let go of everything, so that no cycle of references waits for the garbage collector."""
        self._lanes.active.discard(self)
        self._sink = self._connection = self._task = None
        self._body = b""

    def take_sink(self) -> Sink | None:
        return self._sink


class Connection:
    """A transport and the parser of what comes in on it. exchange: whom it serves now; None while it is idle.

    expires: loop time at which an idle connection is closed; None until the sweep has seen it idle.
    """

    __slots__ = ("_lane", "_lanes", "exchange", "expires", "parser", "transport")

    transport: asyncio.Transport

    def __init__(self, lanes: "Lanes", lane: "Lane", *, decode: bool) -> None:
        self._lanes = lanes
        self._lane = lane
        self.exchange: Exchange | None = None
        self.expires: float | None = None
        self.parser = ResponseParser(lane.route.peer, decode=decode)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:  # nobody asked
            self._retire()
            return
        exchange.heard = exchange.stirred = True
        parser = self.parser
        try:
            parser.feed(data)
        except TsujiError as error:
            exchange.fail(error)
        except Exception as error:
            self._lanes.report(error)
            failure = InternalError(f"the receiver of a response failed: {error!r}")
            failure.__cause__ = error
            exchange.fail(failure)
        else:
            if parser.complete and self.exchange is not None:
                self._finish(exchange)

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def close(self) -> None:
        self.exchange = None
        self.parser.mute()
        self.parser.discard()
        self.transport.abort()

    def _retire(self) -> None:
        self._lane.forget(self)
        self.close()

    def _ended(self, cause: Exception | None) -> None:
        exchange = self.exchange
        if exchange is None:
            self._retire()
            return
        try:
            if cause is not None:
                raise lost(self._lane.route, cause, head_seen=self.parser.head is not None) from cause
            self.parser.feed_eof()
        except TsujiError as failure:
            self.close()
            exchange.lost(failure)
        else:
            self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        sink = exchange.take_sink()
        self.exchange = None
        self.parser.mute()
        if not (exchange.finish() and self.parser.keep_alive and self._lane.keep(self)):
            self.close()
        if sink is not None:
            sink.on_end()
