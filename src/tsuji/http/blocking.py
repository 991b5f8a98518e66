"""The blocking driver: a thread-safe, fork-safe pool of connections on ordinary sockets."""

import os
from collections.abc import Iterator
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from tsuji.core.errors import (
    InvalidRequestError,
    StreamInterruptedError,
    TimeoutKind,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamProtocolError,
)
from tsuji.core.timeouts import Timeouts

from .blocking_connection import Connection, EnoughError, Hold, NothingHeardError
from .dial import dial
from .failure import connect_failure, timed_out
from .message import MAX_WHOLE_BODY, Headers, content_length
from .proxy import Proxies
from .route import Route
from .url import Origin
from .watch import Watch

if TYPE_CHECKING:
    from .tls import TlsConfig


class BlockingPool:
    """Kept connections by origin; any thread may use it at any time.

    tls: whom to trust. proxies: None means what the environment says when the pool is made, `Proxies()` means none.
    max_idle_per_origin, idle_expiry: how many unused connections are kept, and for how many seconds. After a fork the
    child starts with none: the parent's go on untouched.
    """

    def __init__(
        self,
        *,
        tls: "TlsConfig | None" = None,
        proxies: Proxies | None = None,
        max_idle_per_origin: int = 16,
        idle_expiry: float = 30,
    ) -> None:
        self._tls = tls
        self._proxies = Proxies.from_environment() if proxies is None else proxies
        self._max_idle = max_idle_per_origin
        self._idle_expiry = idle_expiry
        self._lanes: dict[Origin, _Lane] = {}
        self._closed = False
        _pools.add(self)

    def request(
        self,
        method: bytes,
        url: Origin,
        target: bytes,
        headers: bytes,
        body: bytes,
        timeouts: Timeouts,
        watch: Watch | None = None,
        hold: Hold | None = None,
    ) -> "BlockingResponse":
        """Send, and return once the response head is there. headers: lines from render_headers. hold: to end it by.

        Raises UpstreamConnectionError, UpstreamTimeoutError, UpstreamProtocolError; InvalidRequestError for a request
        that can't be sent as it stands; ConfigError for unusable proxy or TLS settings. Any status is a response, a
        redirect too.
        """
        if self._closed:
            raise InvalidRequestError("the client is closed; make a new one")
        lane = self._lanes.get(url) or self._add_lane(url)
        head = lane.route.render(method, target, headers, content_length(method, body))
        total_at = monotonic() + timeouts.total
        connection = lane.take()
        if connection is not None:
            if hold is not None:
                hold.take(connection)
            try:
                return _exchange(lane, connection, head, body, timeouts, total_at, watch)
            except NothingHeardError:  # the server had closed it meanwhile, so it has not seen the request
                connection.close()
        if hold is not None and hold.closed:
            raise UpstreamConnectionError("the request was given up", fault="caller")
        connection = lane.open(self._tls, timeouts, total_at)
        if hold is not None:
            hold.take(connection)
        try:
            return _exchange(lane, connection, head, body, timeouts, total_at, watch)
        except NothingHeardError as error:
            connection.close()
            raise error.failure from error.__cause__

    def close(self) -> None:
        """Close what is idle now, and the rest as it ends."""
        self._closed = True
        for lane in self._lanes.values():
            lane.retire()

    def _add_lane(self, url: Origin) -> "_Lane":
        lane = _Lane(Route(url, self._proxies), self._max_idle, self._idle_expiry)
        return self._lanes.setdefault(url, lane)

    def after_fork(self) -> None:
        """In a forked child: forget the parent's connections. Closing our copies of the sockets sends nothing."""
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.retire()


class _Lane:
    """Connections to one origin. Lists append and pop atomically, so there is no lock."""

    __slots__ = ("_idle", "_idle_expiry", "_max_idle", "_retired", "route")

    def __init__(self, route: Route, max_idle: int, idle_expiry: float) -> None:
        self.route = route
        self._idle: list[Connection] = []
        self._max_idle = max_idle
        self._idle_expiry = idle_expiry
        self._retired = False

    def take(self) -> Connection | None:
        """The most recently used connection that is still alive."""
        idle = self._idle
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread was faster
                return None
            if connection.expires > monotonic() and not connection.has_news():
                return connection
            connection.close()
        return None

    def put(self, connection: Connection) -> None:
        """A response is complete."""
        idle = self._idle
        now = monotonic()
        connection.expires = now + self._idle_expiry
        if len(idle) >= self._max_idle:
            connection.close()
            return
        idle.append(connection)
        if self._retired:
            self.retire()
        elif idle[:1] and idle[:1][0].expires < now:  # those at the bottom are never taken under a light load
            _close_one(idle, 0)

    def retire(self) -> None:
        self._retired = True
        while self._idle:
            _close_one(self._idle, -1)

    def open(self, tls: "TlsConfig | None", timeouts: Timeouts, total_at: float) -> Connection:
        until = min(monotonic() + timeouts.connect, total_at)
        try:
            return Connection(dial(self.route, tls, until), self.route)
        except TimeoutError as error:
            kind: TimeoutKind = "total" if until == total_at else "connect"
            raise timed_out(self.route, kind, timeouts) from error
        except OSError as error:
            raise connect_failure(self.route, error) from error


class BlockingResponse:
    """A response whose head is there; the body is read from the socket on demand.

    status, headers: see ResponseHead. Leaving the `with` block closes it.
    """

    __slots__ = (
        "_connection",
        "_failure",
        "_head",
        "_lane",
        "_parts",
        "_timeouts",
        "_total_at",
        "_watch",
        "headers",
        "status",
    )

    def __init__(
        self,
        lane: _Lane,
        connection: Connection,
        parts: list[bytes],
        timeouts: Timeouts,
        total_at: float,
        failure: UpstreamError | None,
        watch: Watch | None,
    ) -> None:
        self._watch = watch
        head = connection.parser.head
        assert head is not None
        self._head = head
        self.status: int = head.status
        self.headers: Headers = head.headers
        self._lane = lane
        self._connection: Connection | None = None if failure else connection
        self._parts = parts
        self._timeouts = timeouts
        self._total_at = total_at
        self._failure = failure  # raised once what came before it has been read
        if failure is None and connection.parser.complete:
            self._release(connection)

    def get(self, name: bytes) -> bytes | None:
        """Value of the first header of that lower-case name."""
        return self._head.get(name)

    def read(self) -> bytes:
        """What is left of the body, decoded; the same again when called again.

        Raises StreamInterruptedError, UpstreamTimeoutError (idle, total) and UpstreamProtocolError (malformed, or more
        than MAX_WHOLE_BODY bytes).
        """
        parts = self._parts
        size = counted = 0
        while self._receive():
            size += sum(map(len, parts[counted:]))
            counted = len(parts)
            if size > MAX_WHOLE_BODY:
                self.close()
                raise UpstreamProtocolError(f"{self._lane.route.peer} sent more than {MAX_WHOLE_BODY} bytes")
        if len(parts) != 1:
            parts[:] = [b"".join(parts)]
        return parts[0]

    def iter_bytes(self) -> Iterator[bytes]:
        """Pieces of the body, decoded, as they arrive. Raises as `read` does. Left early, it closes the response."""
        parts = self._parts
        try:
            while True:
                if parts:
                    piece = parts[0] if len(parts) == 1 else b"".join(parts)
                    parts.clear()
                    yield piece
                elif not self._receive() and not parts:
                    return
        finally:
            self.close()

    def finish(self, within: float) -> None:
        """Nothing more of the body is of interest: wait for its end, so that the connection can be kept.

        After `within` seconds the connection is closed instead. Raises nothing.
        """
        self._watch = None
        self._total_at = min(self._total_at, monotonic() + within)
        try:
            while self._receive():
                self._parts.clear()
        except UpstreamError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """An unfinished body ends its connection, at once and even if another thread is waiting for it."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            self._failure = StreamInterruptedError("the response was closed before its end", fault="caller")
            connection.abort()

    def _receive(self) -> bool:
        """Wait for some more of the body; False once it is complete."""
        connection = self._connection
        if connection is None:
            if self._failure is not None:
                raise self._failure
            return False
        try:
            connection.receive(self._timeouts.idle, "idle", self._timeouts, self._total_at, watch=self._watch)
        except EnoughError:
            self._connection = None
            connection.close()
            return False
        except UpstreamError as error:
            self._failure = self._failure or error
            self._connection = None
            connection.close()
            return True
        except BaseException:
            self.close()
            raise
        if connection.parser.complete:
            self._release(connection)
        return True

    def _release(self, connection: Connection) -> None:
        self._connection = None
        if connection.reusable():
            self._lane.put(connection)
        else:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _exchange(
    lane: _Lane,
    connection: Connection,
    head: bytes,
    body: bytes,
    timeouts: Timeouts,
    total_at: float,
    watch: Watch | None,
) -> BlockingResponse:
    parts: list[bytes] = []
    try:
        connection.exchange(head, body, timeouts, total_at, parts, watch)
    except UpstreamError as error:
        connection.close()
        if connection.parser.head is None:
            raise
        return BlockingResponse(lane, connection, parts, timeouts, total_at, error, watch)
    except BaseException:
        connection.close()
        raise
    return BlockingResponse(lane, connection, parts, timeouts, total_at, None, watch)


def _close_one(idle: list[Connection], at: int) -> None:
    try:
        connection = idle.pop(at)
    except IndexError:
        return
    connection.close()


def _after_fork() -> None:
    for pool in list(_pools):
        pool.after_fork()


_pools: WeakSet[BlockingPool] = WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
