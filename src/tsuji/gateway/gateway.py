"""The gateway of one process: its listener, its connections, and what every request needs."""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

from tsuji.client.priors import expect_local
from tsuji.core.errors import RequestTooLargeError, TsujiError
from tsuji.http.aio import AsyncPool
from tsuji.http.aio_lanes import Lanes
from tsuji.ledger.keys import MICRO
from tsuji.ledger.record import encode
from tsuji.routing.health import Health
from tsuji.routing.learned.drift import Drift
from tsuji.routing.memory import Memory
from tsuji.routing.metering import Meters
from tsuji.wire import dialect

from . import models, reply
from .client_address import UNIX, Proxies
from .driver import Driver
from .endpoints import PREFLIGHT, WrongMethodError, dialect_of, find
from .faults import ours
from .listen import Opened, listening_sockets, remove_files
from .listener import Listener, connection_limit, listeners
from .observe.observer import observer
from .observe.scrape import Scrape
from .observe.semantics import OPERATIONS
from .recording import is_kept, undriven
from .request import Request
from .rounds import Rounds
from .server import Connection
from .setup import Setup, check_reach
from .spending import Spending
from .trial.enrol import experiments
from .trial.feedback import take
from .trial.mirror import Mirror

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.ledger.link import Ledger

    from .cache import ResponseCache
    from .destination import Destinations
    from .request import Answering

SWEEP_SECONDS = 0.5
DRAIN_SECONDS = 30.0
_CUT_SECONDS = 1.0
_TURNS = 3
"""Of the loop, within which what has been accepted is a Connection."""
_MAX_IDLE = 1024


class Gateway:
    """`start`, then `stop`. Raises ConfigError where the address may not be, or cannot be, listened on.

    setup: all that follows from the configuration. connections: that are open. date: the Date header line of this
    moment. draining: a connection is to carry no more than one further request. stopping: no others are wanted either.
    lanes: to the providers. rounds: of answers that have limits. ledger, cache, spending, observer, tracer: None where
    the configuration wants none. id_prefix: of its requests' ids, which end in their number. proxies: None where none
    is trusted. max_connections: of clients at one time. url: of the first of its listeners. health: of targets. memory:
    of who went where. meters: of what targets were asked for. drift: of what feedback has taught of them. mirror: what
    experiments ask beside the clients.
    """

    lanes: Lanes
    rounds: Rounds

    def __init__(self, config: "Config") -> None:
        self.connections: set[Connection] = set()
        self.draining = False
        self.stopping = False
        self.date = b""
        self.pool = AsyncPool(max_idle_per_origin=_MAX_IDLE)
        self.url = ""
        server = config.server
        self.proxies = Proxies(server.trusted_proxies, server.forwarded_header) if server.trusted_proxies else None
        self.max_connections = connection_limit(server.max_connections)
        self._max_per_address = server.max_connections_per_address
        self._per_address: Counter[str] = Counter()
        self.ledger = _ledger(config)
        self.cache = _cache(config)
        self.health = Health()
        expect_local(self.health, perf_counter())
        self.memory = Memory()
        self.drift = Drift()
        self.meters = Meters(1 / (server.workers or 1))
        self.setup = Setup(config, self)
        self.observer = observer(config)
        self.tracer = self.observer.tracer if self.observer is not None else None
        self.spending = _spending(config, self.ledger)
        self.mirror = Mirror(self)
        self._ids = count(1)
        self.id_prefix = os.urandom(6).hex()
        self._id_line = f"x-tsuji-request-id: {self.id_prefix}".encode()
        self._listeners: list[Listener] = []
        self._is_opener = False
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

    async def start(self, sockets: Sequence[Opened] | None = None) -> str:
        """Accepts; the URL. sockets: to accept from; None: those that the configuration says."""
        if self.ledger is not None:
            self.ledger.know(experiments(self.config))
            await self.ledger.start()
        self.lanes = self.pool.here()
        self.rounds = Rounds(self.lanes.loop)
        try:
            check_reach(self.config, self.ledger)
            if self.cache is not None:
                self.cache.start()
            if self.observer is not None:
                self.observer.start(self)
            if sockets is None:
                self._is_opener = True
                sockets = listening_sockets(self.config.server)[0]
            await self._accept(sockets)
        except BaseException:
            for listener in self._listeners:
                await listener.close()
            self._stop_sweeping()
            if self.cache is not None:
                await self.cache.stop()
            if self.observer is not None:
                await self.observer.stop(self)
            if self.ledger is not None:
                await self.ledger.stop()
            raise
        return self.url

    @property
    def wants_keys(self) -> bool:
        """Clients must show a key."""
        return self.setup.admission.wants_keys

    async def _accept(self, sockets: Sequence[Opened]) -> None:
        self.destinations.warm()
        self._sweep(asyncio.get_running_loop())
        self._listeners = listeners(self, self.config.server, sockets)
        for listener in self._listeners:
            await listener.start()
        self.url = self._listeners[0].url

    def prepare(self, config: "Config") -> Setup:
        """What `config` makes, ready to be used. From any thread. Raises ConfigError."""
        check_reach(config, self.ledger)
        setup = Setup(config, self, self.destinations.signers)
        setup.destinations.warm()
        if self.cache is not None:
            self.cache.know(config)
        elif (cache := _cache(config)) is not None:
            cache.start()
            self.cache = cache
        return setup

    def use(self, setup: Setup) -> None:
        """From the next request on; those under way keep what they began with."""
        self.setup = setup
        if self.ledger is not None:
            self.ledger.know(experiments(setup.config))
        if self.observer is not None:
            self.observer.know(setup.config)

    async def leave(self, delay: float = 0.0, *, patient: bool = False) -> None:
        """After `delay` seconds, no more connections are accepted; before that, answers and readiness tell.

        patient: others go on in our place, and readiness is theirs.
        """
        self.draining = True
        self.stopping = self.stopping or not patient
        if delay:
            await asyncio.sleep(delay)
        for listener in self._listeners:
            await listener.close(patient=patient)
        for _ in range(_TURNS):
            await asyncio.sleep(0)

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
        self.mirror.stop()
        await self._wait_until_empty(_CUT_SECONDS)  # what was cut is recorded
        self._stop_sweeping()
        for listener in self._listeners:
            await listener.wait_closed()
        if self._is_opener:
            remove_files(self.config.server)
        await self.pool.close()
        if self.cache is not None:
            await self.cache.stop()
        if self.observer is not None:
            await self.observer.stop(self)
        if self.spending is not None:
            self.spending.close()
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
        for listener in self._listeners:
            if listener.certificates is not None:
                listener.certificates.refresh()
        if self.observer is not None:
            self.observer.tick(self)
        if self.spending is not None:
            self.spending.tick()
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

    def take(self, connection: Connection) -> bool:
        """A connection is made; False: it is one too many, and is closed."""
        most = self._max_per_address
        if most is not None and connection.peer != UNIX:
            self._per_address[connection.peer] += 1
        self.connections.add(connection)
        return len(self.connections) <= self.max_connections and (
            most is None or self._per_address[connection.peer] <= most
        )

    def lost(self, connection: Connection) -> None:
        """A connection is closed."""
        self.connections.discard(connection)
        if self._max_per_address is not None:
            self._per_address[connection.peer] -= 1
            if self._per_address[connection.peer] <= 0:
                del self._per_address[connection.peer]
        if not self.connections and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    # Requests.

    def next_number(self) -> int:
        return next(self._ids)

    def admit(self, request: Request, connection: Connection) -> TsujiError | None:
        """At the request's head: its endpoint, or why it is refused."""
        self._number(request)
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

    def _number(self, request: Request) -> None:
        request.number = self.next_number()
        request.lines = b"%b%08x\r\n" % (self._id_line, request.number)

    def id(self, request: Request) -> str:
        """As x-tsuji-request-id says it."""
        return f"{self.id_prefix}{request.number:08x}"

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
        driver: Driver | None = None
        try:
            if request.refusal is not None:
                raise request.refusal
            operation = request.endpoint.operation if request.endpoint is not None else ""
            if operation in OPERATIONS:
                refusal = self.ledger.refusal() if self.ledger is not None else None
                if refusal is not None:
                    raise refusal
                driver = Driver(self, connection, request)
                driver.begin()
            elif operation == "metrics" and self.observer is not None:
                Scrape(self, self.observer, connection, request).begin()
            elif operation == "feedback":
                take(self, request, connection)
            else:
                self.give(request, connection, *models.ANSWERS[operation](self, request))
        except Exception as error:
            self.refuse(request, connection, ours(error), driver)

    def give(self, request: Request, connection: "Answering", head: bytes, body: bytes) -> None:
        """An answer that no model has a part in."""
        if self.observer is not None:
            self.observer.saw(undriven(self, request, None, int(head[9:12]), None), request, connection, 0.0)
        connection.whole(head, body)

    def refuse(
        self, request: Request, connection: "Answering", error: TsujiError, driver: Driver | None = None
    ) -> None:
        """driver: that refused it."""
        told = driver is not None and driver.recorded  # a bug came after the end
        if driver is not None:
            driver.recorded = True
            if driver.reservation is not None:
                driver.reservation.drop()
                driver.reservation = None
        if not request.lines:  # its head is none
            self._number(request)
        name = request.endpoint.dialect if request.endpoint is not None else dialect_of(request.path)
        status = reply.error_status(error)
        head = reply.status_line(status) + reply.JSON + reply.error_lines(error)
        if isinstance(error, WrongMethodError):
            head += b"allow: %b\r\n" % error.allow
        if error.status == 401 and error.fault == "caller":
            head += b"www-authenticate: Bearer\r\n"
        if request.endpoint is not None and request.endpoint.operation in OPERATIONS:
            head += b"x-tsuji-attempts: 0\r\nx-tsuji-cost: %b\r\n" % reply.dollars(0)
        body, ledger = dialect(name).render_error(error), self.ledger
        record = undriven(self, request, driver, status, error)
        if driver is not None:
            head += b"x-tsuji-overhead-us: %d\r\n" % record.latency
            head += driver.guard.line() if driver.guard is not None else b""
        if self.observer is not None and not told:
            self.observer.saw(record, request, connection, record.latency / MICRO)
        if ledger is not None and not told and is_kept(request, error):
            ledger.spool.add(encode(record), partial(connection.whole, head, body))
        else:
            connection.whole(head, body)


def _spending(config: "Config", ledger: "Ledger | None") -> Spending | None:
    return None if ledger is None else Spending(ledger, goes_on=config.ledger.on_failure == "continue")


def _ledger(config: "Config") -> "Ledger | None":
    if not config.ledger.enabled:
        return None
    from tsuji.ledger.link import Ledger  # its files need locks that not every system has

    return Ledger(config.ledger, config.server.secret)


def _cache(config: "Config") -> "ResponseCache | None":
    if not config.cache.routes:
        return None
    from .cache import ResponseCache

    return ResponseCache(config)
