"""One connection of the blocking driver: requests out, bytes into the parser, under time limits."""

import os
import select
import socket
from time import monotonic

from tsuji.core.errors import TimeoutKind, UpstreamError
from tsuji.core.timeouts import Timeouts

from .dial import RECEIVE
from .failure import lost, timed_out
from .parser import ResponseParser
from .route import Route
from .watch import Watch

SMALL = 64 * 1024  # up to here a copy costs less than a second system call
SLICE = 256 * 1024


class NothingHeardError(Exception):
    """The connection ended without a byte of the answer; `failure` is what to raise if it is not tried again."""

    def __init__(self, failure: UpstreamError) -> None:
        super().__init__(failure)
        self.failure = failure


class EnoughError(Exception):
    """The watch wants no more of the answer."""


class Hold:
    """Of a request that another thread may end: `close` ends its connection now, or as soon as it has one."""

    __slots__ = ("_connection", "closed")

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self.closed = False

    def take(self, connection: "Connection") -> None:
        self._connection = connection
        if self.closed:
            connection.abort()

    def close(self) -> None:
        self.closed = True
        if self._connection is not None:
            self._connection.abort()


class Connection:
    """A connected socket and the parser of what comes in on it.

    expires: when it has been idle for too long, as time.monotonic().
    """

    __slots__ = ("_limit", "_pid", "_poll", "_route", "_socket", "expires", "parser")

    def __init__(self, connected: socket.socket, route: Route) -> None:
        self._socket = connected
        self._route = route
        self._pid = os.getpid()
        self._poll = None
        self._limit = connected.gettimeout()
        self.parser = ResponseParser(route.peer)
        self.expires = 0.0
        if hasattr(select, "poll"):  # select() can't watch a descriptor above 1023
            self._poll = select.poll()
            self._poll.register(connected, select.POLLIN)

    def has_news(self) -> bool:
        """Readable although nothing was asked: closed by the peer, or out of step with it."""
        if self._poll is not None:
            return bool(self._poll.poll(0))
        return bool(select.select([self._socket], [], [], 0)[0])

    def exchange(
        self,
        head: bytes,
        body: bytes,
        timeouts: Timeouts,
        total_at: float,
        parts: list[bytes],
        watch: Watch | None = None,
    ) -> None:
        """Send a request and wait for the response head. parts: where the body goes, now and by later `receive`s.

        Raises NothingHeardError if the connection ended before it brought a byte; else as `receive`.
        """
        parser = self.parser
        parser.begin(parts.append, bodyless=head.startswith(b"HEAD "))
        self._send(head, body, timeouts, total_at)
        self.receive(timeouts.head, "first_byte", timeouts, total_at, fresh=True, watch=watch)
        if parser.head is None:
            until = monotonic() + timeouts.head
            while parser.head is None:
                self.receive(until - monotonic(), "first_byte", timeouts, total_at, watch=watch)

    def receive(
        self,
        limit: float,
        kind: TimeoutKind,
        timeouts: Timeouts,
        total_at: float,
        *,
        fresh: bool = False,
        watch: Watch | None = None,
    ) -> None:
        """Wait for bytes, `limit` seconds at most, and parse them. fresh: nothing of the response has been seen.

        Raises UpstreamTimeoutError, UpstreamConnectionError, StreamInterruptedError, UpstreamProtocolError; EnoughError
        where the watch says so.
        """
        now = monotonic()
        left = total_at - now
        if left < limit:
            limit, kind = left, "total"
        if limit <= 0:
            raise timed_out(self._route, kind, timeouts)
        watched = watch is not None and watch.due - now < limit
        if watch is not None and watched:
            limit = max(watch.due - now, 0.001)  # what has arrived already is not late
        parser = self.parser
        try:
            self._set_limit(limit)
            data = self._socket.recv(RECEIVE)
        except OSError as error:
            if isinstance(error, TimeoutError) and not error.errno:
                if watch is not None and watched:
                    raise watch.overdue(max(monotonic(), watch.due)) or EnoughError from None
                raise timed_out(self._route, kind, timeouts) from error
            failure = lost(self._route, error, head_seen=parser.head is not None)
            if fresh:
                raise NothingHeardError(failure) from error
            raise failure from error
        if data:
            parser.feed(data)
            return
        try:
            parser.feed_eof()
        except UpstreamError as failure:
            if fresh:
                raise NothingHeardError(failure) from None
            raise

    def _send(self, head: bytes, body: bytes, timeouts: Timeouts, total_at: float) -> None:
        try:
            self._set_limit(min(timeouts.head, total_at - monotonic()))
            if len(body) <= SMALL:
                self._socket.sendall(head + body)
                return
            self._socket.sendall(head)
            view = memoryview(body)
            for at in range(0, len(view), SLICE):
                self._set_limit(min(timeouts.head, total_at - monotonic()))
                self._socket.sendall(view[at : at + SLICE])
        except OSError as error:
            if isinstance(error, TimeoutError) and not error.errno:
                kind: TimeoutKind = "total" if monotonic() >= total_at else "first_byte"
                raise timed_out(self._route, kind, timeouts) from error
            # Otherwise it may have answered before it stopped listening (413): reading will tell.

    def _set_limit(self, seconds: float) -> None:
        if seconds != self._limit:
            self._limit = seconds
            self._socket.settimeout(max(seconds, 0.001))

    def reusable(self) -> bool:
        """After a complete response: whether another request may follow."""
        self.parser.mute()
        return self.parser.keep_alive

    def abort(self) -> None:
        """Close, and wake a thread that is waiting for the peer."""
        if self._pid == os.getpid():  # after a fork the connection is the parent's as well
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._socket.close()
        self.close()

    def close(self) -> None:
        self._socket.close()
        self.parser.discard()

    def __del__(self) -> None:
        self.close()
