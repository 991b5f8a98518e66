"""The gateway of one process: its listener, its connections, and what every request needs."""

import asyncio
import os
from email.utils import formatdate
from itertools import count
from time import time
from typing import TYPE_CHECKING, cast

from tsuji.core.errors import ConfigError, RequestTooLargeError, TsujiError
from tsuji.http.aio import AsyncPool
from tsuji.http.aio_lanes import Lanes
from tsuji.http.url import is_loopback
from tsuji.ledger.keys import MICRO
from tsuji.wire import dialect

from . import models, reply
from .admit import Admission
from .destination import Destinations
from .driver import Driver
from .endpoints import PREFLIGHT, WrongMethodError, dialect_of, find
from .faults import ours
from .request import Request
from .server import Connection

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.ledger.link import Ledger

SWEEP_SECONDS = 0.5
DRAIN_SECONDS = 30.0
_BACKLOG = 2048
_MAX_IDLE = 1024


class Gateway:
    """`start`, then `stop`. Raises ConfigError where the address may not be, or cannot be, listened on.

    connections: that are open. date: the Date header line of this moment. draining: no new requests are wanted.
    ledger: None where the configuration wants none. id_prefix: of its requests' ids, which end in their number.
    lanes: to the providers.
    """

    lanes: Lanes

    def __init__(self, config: "Config") -> None:
        self.config = config
        self.max_body = config.server.max_body
        self.connections: set[Connection] = set()
        self.draining = False
        self.date = b""
        self.destinations = Destinations(config)
        self.pool = AsyncPool(max_idle_per_origin=_MAX_IDLE)
        self.url = ""
        self.ledger = _ledger(config)
        self._admission = Admission(config.server, self.ledger)
        self._ids = count(1)
        self.id_prefix = os.urandom(6).hex()
        self._id_line = f"x-tsuji-request-id: {self.id_prefix}".encode()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    # Life.

    async def start(self) -> str:
        """Listens; the URL, with the port that was given where the config says 0."""
        if self.ledger is not None:
            await self.ledger.start()
        self.lanes = self.pool.here()
        try:
            self._check_reach()
            await self._listen()
        except BaseException:
            self._stop_sweeping()
            if self.ledger is not None:
                await self.ledger.stop()
            raise
        return self.url

    @property
    def wants_keys(self) -> bool:
        """Clients must show a key."""
        return self._admission.wants_keys

    def _check_reach(self) -> None:
        """Raises ConfigError where strangers could reach a gateway that asks for no key."""
        server, ledger = self.config.server, self.ledger
        may = ledger is not None and (not ledger.known or ledger.is_anyone_let_in(int(time() * MICRO)))
        if not server.keys and not may and not is_loopback(server.host):
            raise ConfigError(
                f"refusing to listen on {server.host} without keys, because anyone who reaches it could spend yours; "
                f"make one with 'tsuji keys create', set server.keys, or server.host to 127.0.0.1",
                param="server.keys",
            )

    async def _listen(self) -> None:
        server = self.config.server
        loop = asyncio.get_running_loop()
        self.destinations.warm()
        self._sweep(loop)
        try:
            self._server = await loop.create_server(
                lambda: cast("asyncio.Protocol", Connection(self, loop)), server.host, server.port, backlog=_BACKLOG
            )
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {server.host}:{server.port}: {error.strerror or error}; choose another server.port",
                param="server.port",
            ) from error
        port = self._server.sockets[0].getsockname()[1]
        host = f"[{server.host}]" if ":" in server.host else server.host
        self.url = f"http://{host}:{port}"

    async def stop(self, seconds: float = DRAIN_SECONDS) -> None:
        """No new connections; open requests have `seconds` to finish, then they are cut; pools are closed."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.retire()
        if self.connections:
            self._empty = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(self._empty, seconds)
            except TimeoutError:
                for connection in list(self.connections):
                    connection.abort()
                await asyncio.sleep(0)
        self._stop_sweeping()
        if self._server is not None:
            await self._server.wait_closed()
        await self.pool.close()
        if self.ledger is not None:
            await self.ledger.stop()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """One look at every connection's time limit, instead of a timer for each."""
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep, loop)  # first, so that no mistake below ends it
        now = loop.time()
        if self.ledger is not None:
            self.ledger.tick()
        self.date = b"date: %b\r\n" % formatdate(usegmt=True).encode()
        for connection in [c for c in self.connections if c.deadline < now or c.half_closed]:
            if connection.half_closed:
                connection.check_gone()
            if connection.deadline < now:
                connection.expire(now)

    def _stop_sweeping(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def lost(self, connection: Connection) -> None:
        """A connection is closed."""
        self.connections.discard(connection)
        if not self.connections and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    # Requests.

    def admit(self, request: Request, connection: Connection) -> TsujiError | None:
        """At the request's head: its endpoint, or why it is refused."""
        request.number = next(self._ids)
        request.lines = b"%b%08x\r\n" % (self._id_line, request.number)
        if b"origin" in request.headers:
            request.lines += self._admission.cors(request)
        try:
            if request.method == b"OPTIONS" and self._is_preflight(request):
                request.endpoint = PREFLIGHT
            else:
                request.endpoint, request.model = find(request.method, request.path)
        except TsujiError as error:
            return self._admission.refuse(request, connection, open_to_all=False) or error
        refusal = self._admission.refuse(request, connection, open_to_all=request.endpoint.open)
        if refusal is None and request.length is not None and request.length > self.max_body:
            return self.too_large()
        return refusal

    def _is_preflight(self, request: Request) -> bool:
        """A browser asks whether a page may call: https://fetch.spec.whatwg.org/#cors-preflight-fetch"""
        headers = request.headers
        return b"access-control-request-method" in headers and self._admission.allows_origin(
            headers.get(b"origin", b"")
        )

    def too_large(self) -> TsujiError:
        return RequestTooLargeError(
            f"the body is larger than this gateway takes, {self.max_body} bytes; see server.max_body"
        )

    def answer(self, request: Request, connection: Connection) -> None:
        """The request is complete, or refused."""
        try:
            if request.refusal is not None:
                raise request.refusal
            operation = request.endpoint.operation if request.endpoint is not None else ""
            if operation in ("chat", "embeddings", "count_tokens"):
                refusal = self.ledger.refusal() if self.ledger is not None else None
                if refusal is not None:
                    raise refusal
                Driver(self, connection, request).begin()
            else:
                head, body = models.ANSWERS[operation](self, request)
                connection.whole(head, body)
        except Exception as error:
            self._refuse(request, connection, ours(error))

    def _refuse(self, request: Request, connection: Connection, error: TsujiError) -> None:
        name = request.endpoint.dialect if request.endpoint is not None else dialect_of(request.path)
        head = reply.status_line(reply.error_status(error)) + reply.JSON + reply.error_lines(error)
        if isinstance(error, WrongMethodError):
            head += b"allow: %b\r\n" % error.allow
        if error.status == 401 and error.fault == "caller":
            head += b"www-authenticate: Bearer\r\n"
        connection.whole(head, dialect(name).render_error(error))


def _ledger(config: "Config") -> "Ledger | None":
    if not config.ledger.enabled:
        return None
    from tsuji.ledger.link import Ledger  # its files need locks that not every system has

    return Ledger(config.ledger, config.server.secret)
