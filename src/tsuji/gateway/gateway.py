"""The gateway of one process: its listener, its connections, and what every request needs."""

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from email.utils import formatdate
from itertools import count
from typing import TYPE_CHECKING

from tsuji.core.errors import RequestTooLargeError, TsujiError
from tsuji.http.aio import AsyncPool
from tsuji.wire import dialect

from . import models, reply
from .driver import Driver
from .endpoints import PREFLIGHT, WrongMethodError, dialect_of, find
from .faults import ours
from .listen import BACKLOG, listening_sockets, url_of
from .request import Request
from .server import Connection
from .setup import Setup, check_reach

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.ledger.link import Ledger

    from .destination import Destinations

SWEEP_SECONDS = 0.5
DRAIN_SECONDS = 30.0
_CUT_SECONDS = 1.0
_MAX_IDLE = 1024


class Gateway:
    """`start`, then `stop`. Raises ConfigError where the address may not be, or cannot be, listened on.

    setup: all that follows from the configuration. connections: that are open. date: the Date header line of this
    moment. draining: a connection is to carry no more than one further request. stopping: no others are wanted either.
    ledger: None where the configuration wants none. id_prefix: of its requests' ids, which end in their number.
    """

    def __init__(self, config: "Config") -> None:
        self.connections: set[Connection] = set()
        self.draining = False
        self.stopping = False
        self.date = b""
        self.pool = AsyncPool(max_idle_per_origin=_MAX_IDLE)
        self.url = ""
        self.ledger = _ledger(config)
        self.setup = Setup(config, self.ledger)
        self._ids = count(1)
        self.id_prefix = os.urandom(6).hex()
        self._id_line = f"x-tsuji-request-id: {self.id_prefix}".encode()
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    @property
    def config(self) -> "Config":
        """That holds for the next request."""
        return self.setup.config

    @property
    def destinations(self) -> "Destinations":
        return self.setup.destinations

    # Life.

    async def start(self, sockets: Sequence[socket.socket] | None = None) -> str:
        """Accepts; the URL. sockets: to accept from; None: those that the configuration says."""
        if self.ledger is not None:
            await self.ledger.start()
        try:
            check_reach(self.config, self.ledger)
            await self._accept(listening_sockets(self.config.server)[0] if sockets is None else sockets)
        except BaseException:
            self._stop_sweeping()
            if self.ledger is not None:
                await self.ledger.stop()
            raise
        return self.url

    @property
    def wants_keys(self) -> bool:
        """Clients must show a key."""
        return self.setup.admission.wants_keys

    async def _accept(self, sockets: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        self.destinations.warm()
        self._sweep(loop)
        self.url = url_of(self.config.server, sockets)
        for sock in sockets:
            self._servers.append(await loop.create_server(lambda: Connection(self, loop), sock=sock, backlog=BACKLOG))

    def prepare(self, config: "Config") -> Setup:
        """What `config` makes, ready for requests: to be assigned to `setup`. From any thread. Raises ConfigError."""
        check_reach(config, self.ledger)
        setup = Setup(config, self.ledger, self.destinations.signers)
        setup.destinations.warm()
        return setup

    async def leave(self, delay: float = 0.0, *, patient: bool = False) -> None:
        """After `delay` seconds, no more connections are accepted; before that, answers and readiness tell.

        patient: others go on in our place, and readiness is theirs.
        """
        self.draining = True
        self.stopping = self.stopping or not patient
        if delay:
            await asyncio.sleep(delay)
        for server in self._servers:
            server.close()

    async def stop(self, seconds: float = DRAIN_SECONDS, *, patient: bool = False) -> None:
        """No new connections; open requests have `seconds` to finish, then they are cut; pools are closed.

        patient: a connection between two requests has as long to carry one more, so that no client finds it closed.
        """
        await self.leave(patient=patient)
        if not patient:
            self._retire()
        await self._wait_until_empty(seconds)
        for connection in list(self.connections):
            connection.abort()
        await self._wait_until_empty(_CUT_SECONDS)  # what was cut is recorded
        self._stop_sweeping()
        for server in self._servers:
            await server.wait_closed()
        await self.pool.close()
        if self.ledger is not None:
            await self.ledger.stop()

    def _retire(self) -> None:
        for connection in list(self.connections):
            connection.retire()

    async def _wait_until_empty(self, seconds: float) -> None:
        if self.connections:
            self._empty = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty, seconds)

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
        if self.stopping and self._empty is not None:
            self._retire()  # those whose answer began before they could be told

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
            request.lines += self.setup.admission.cors(request)
        try:
            if request.method == b"OPTIONS" and self._is_preflight(request):
                request.endpoint = PREFLIGHT
            else:
                request.endpoint, request.model = find(request.method, request.path)
        except TsujiError as error:
            return self.setup.admission.refuse(request, connection, open_to_all=False) or error
        refusal = self.setup.admission.refuse(request, connection, open_to_all=request.endpoint.open)
        if refusal is None and request.length is not None and request.length > self.setup.max_body:
            return self.too_large()
        return refusal

    def _is_preflight(self, request: Request) -> bool:
        """A browser asks whether a page may call: https://fetch.spec.whatwg.org/#cors-preflight-fetch"""
        headers = request.headers
        return b"access-control-request-method" in headers and self.setup.admission.allows_origin(
            headers.get(b"origin", b"")
        )

    def too_large(self) -> TsujiError:
        return RequestTooLargeError(
            f"the body is larger than this gateway takes, {self.setup.max_body} bytes; see server.max_body"
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
