"""The gateway as a driver of routing: one request, from its body to its answer.

A Driver reads what a request asks for, asks `Routing` what to do, has a Relay or a Translation do it, and tells
`Routing` what came of it, until part of an answer has reached the client or nothing is left to try.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from copy import copy
from functools import partial
from time import perf_counter, time
from typing import TYPE_CHECKING, assert_never

from tsuji.core.errors import GuardrailError, InternalError, InvalidRequestError, TsujiError
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.ledger.record import encode
from tsuji.routing import Fail, Routing, Try
from tsuji.wire import Dialect, dialect
from tsuji.wire.dialect import Losses
from tsuji.wire.passthrough import Fields, check_spelling, check_utf8, decode_fields, model_of, wants_stream

from . import reply
from .admit import check_fields, check_model
from .contents import Hearing, Tape
from .count import CountRelay, CountTranslation
from .destination import LOCAL, Destination
from .endpoints import GUARDED, JUDGING, form_of
from .faults import ours
from .framing import BareEvents, Framing, JsonArray, WholeEvents, WholeLines, WholeMessages
from .recording import CANCELLED, CUT, DONE, FAILED, MAX_MODEL, TAGS, read_tags, record
from .relay import Relay
from .request import Request
from .reservation import Reservation, check_price
from .translate import EmbeddingTranslation, Translation
from .trial.enrol import enrol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.core.timeouts import Timeouts
    from tsuji.engine.endpoint import Endpoint

    from .cache import Visit
    from .gateway import Gateway
    from .guard.guard import Guard
    from .observe.tracing import Trace
    from .request import Answering
    from .server import Connection
    from .sink import Sink
    from .trial.trial import Trial

_FRAMINGS: dict[str, type[Framing]] = {"ollama": WholeLines, "bedrock": WholeMessages}


class Driver:
    """`begin` once; then it is the request's Job.

    dialect: the client's. fields: the body, one level deep. model: as the client wrote it. stream: the client wants
    one. drop: parameters that a target lacks are dropped. dropped: which were. mark: since when it is our own time that
    passes, by perf_counter. began: when the request was complete, by it, and came: by the wall clock. tags: the
    client's, for the ledger, which has `recorded` the request once. first_token: of a stream, when it came. visit: to
    the cache, on a route that has one. connection: the client's, or there what takes the answer for all who wait.
    failed_costs: of attempts that failed though they had reported usage, by their number. tape: of what is stored.
    trace: its spans' ids. setup: of the configuration that it began with. guard: the guardrails in force.
    reservation: on limits, where there are any. trial: an experiment's. own_limits: the answer says how near they are.
    """

    # Defaults are the class's: an attribute that stays as it is costs nothing per request.
    dropped: Sequence[str] = ()
    model = ""
    failed_costs: Mapping[int, int | None] = {}
    tags: tuple[str, ...] = ()
    recorded = False
    tape: Hearing | None = None
    trial: "Trial | None" = None
    trace: "Trace | None" = None
    first_token: float | None = None
    visit: "Visit | None" = None
    guard: "Guard | None" = None
    reservation: Reservation | None = None
    own_limits = False
    _chat: ChatRequest | None = None
    _embedding: EmbeddingRequest | None = None
    _sink: "Sink | None" = None
    _task: "asyncio.Task[None] | None" = None
    _spent = 0.0

    def __init__(self, gateway: "Gateway", connection: "Connection", request: Request) -> None:
        self.gateway = gateway
        self.setup = gateway.setup
        self.connection: Answering = connection
        self.request = request

    def begin(self) -> None:
        """Raises TsujiError for a request that no target is to see."""
        self.mark = self.began = perf_counter()
        self.came = time()
        request = self.request
        endpoint = request.endpoint
        if endpoint is None:
            raise InternalError("a request without an endpoint reached the driver")
        self.dialect: Dialect = dialect(form_of(endpoint.dialect, request.headers))
        self.operation = endpoint.operation
        check_utf8(request.body)
        self.fields: Fields = decode_fields(request.body)
        check_spelling(self.fields, self.dialect)
        self.model = model = model_of(self.fields) if request.model is None else request.model
        if len(model) > MAX_MODEL or not model.isprintable():
            raise InvalidRequestError("'model' is no model's name: too long, or not printable", param="model")
        wants = endpoint.operation == "chat" and wants_stream(self.fields, endpoint.streams)
        self.stream = wants if endpoint.stream is None else endpoint.stream
        route = self.setup.destinations.route(model)
        if request.grant is not None:
            check_model(request.grant, route, self.setup.config)
            check_fields(request.grant, self.fields)
        if self.setup.keepers:
            keeper = self.setup.keepers.get(route.name)
            self.tape = Tape(keeper, self.dialect, request.body) if keeper is not None else None
        if route.experiment is not None:
            route = enrol(self, route, route.experiment)
        if TAGS in request.headers:
            self.tags = read_tags(request.headers[TAGS])
        self.drop = self.setup.config.drop_params if route.drop_params is None else route.drop_params
        self.routing = Routing(route, self.mark)
        request.job = self
        spending = self.gateway.spending
        if spending is not None and spending.active:
            stack = spending.stack(request.grant, route, self.setup.config)
            if stack.accounts or spending.on_providers:
                self.reservation = Reservation(spending, self, stack)
                if not self.reservation.begin():
                    return
        self._check()

    def admitted(self) -> None:
        """Its limits let it through, after a wait."""
        self.mark = perf_counter()
        try:
            self._check()
        except Exception as bug:
            ours(bug)
            self.connection.abort()

    def refuse(self, error: TsujiError) -> None:
        """No target is to see it."""
        self.gateway.refuse(self.request, self.connection, error, self)

    def _check(self) -> None:
        """Asks the guardrails, where there are any."""
        guards, endpoint = self.setup.guards, self.request.endpoint
        if guards is not None and endpoint is not None and self.operation in GUARDED and endpoint is not JUDGING:
            self.guard = guards.over(self.routing.route, self)
        if self.guard is None:
            self.ask()
        else:
            self.wait(self._admit(self.guard))

    async def _admit(self, guard: "Guard") -> None:
        """Guardrails may have to ask others; nothing of the request goes anywhere before they have let it pass."""
        try:
            try:
                await guard.admit()
            except Exception as error:
                self.refuse(ours(error))
            else:
                self.ask()
        except Exception as bug:  # who waits for an answer would wait for ever
            ours(bug)
            self.connection.abort()

    def ask(self) -> None:
        """Asks the cache, where the route has one, else a target. What may refuse or change a request comes before."""
        cache = self.gateway.cache
        try:
            if cache is None or not cache.visit(self):
                self._advance()
        except TsujiError as error:  # what the client asks of the cache, and there is not
            self._fail(error)

    @property
    def id(self) -> str:
        """Of the request, as x-tsuji-request-id says it."""
        return self.gateway.id(self.request)

    # Trying targets.

    def go(self) -> None:
        """Asks the targets: nothing else will answer."""
        self._advance()

    def _advance(self) -> None:
        """Does what routing says, until something is under way or the request is over."""
        while True:
            action = self.routing.next(perf_counter())
            match action:
                case Try():
                    error = self._try(action)
                    if error is None:
                        return
                    self.routing.failed(error, perf_counter())
                case Fail():
                    self._fail(action.error)
                    return
                case _:
                    assert_never(action)

    def _try(self, action: Try) -> TsujiError | None:
        """The error if it failed at once."""
        try:
            if action.target.provider == LOCAL:
                self._task = asyncio.get_running_loop().create_task(self._try_local(action))
            else:
                found = self.setup.destinations.find(action.target, self.dialect.name, self.operation)
                if type(found) is Destination:
                    self._send(found, action.timeouts)
                else:
                    self._task = asyncio.get_running_loop().create_task(self._try_later(action, found))
        except Exception as error:
            return ours(error)
        return None

    async def _try_local(self, action: Try) -> None:
        """The local engine may have to load the model, or even fetch it, before there is an address."""
        try:
            destination = await self.setup.destinations.local(action.target, self.operation)
            self.mark = perf_counter()
            self._send(destination, action.timeouts)
        except Exception as error:
            self.failed(ours(error))

    def _foreign(self, destination: Destination) -> bool:
        """The body carries what this provider did not make and would refuse: it must be read, not passed on."""
        mark, body = self.dialect.foreign_mark, self.request.body
        short_ids = destination.upstream.provider.quirks.tool_call_ids
        return (bool(mark) and mark in body) or (bool(short_ids) and b'"tool_call_id"' in body)

    async def _try_later(self, action: Try, found: "Destination | Future[None]") -> None:
        """Credentials may have to be fetched first; all who need them wait for the same."""
        try:
            while not isinstance(found, Destination):
                await asyncio.wrap_future(found)
                found = self.setup.destinations.find(action.target, self.dialect.name, self.operation)
            self.mark = perf_counter()
            self._send(found, action.timeouts)
        except Exception as error:
            self.failed(ours(copy(error) if isinstance(error, TsujiError) else error))

    def resend(self, destination: Destination, timeouts: "Timeouts") -> None:
        """The provider's limits let it through, after a wait."""
        self.mark = perf_counter()
        try:
            self._send(destination, timeouts)
        except Exception as error:
            self.failed(ours(error))

    def _send(self, destination: Destination, timeouts: "Timeouts") -> None:
        reservation = self.reservation
        if self.routing.route.refuse_unpriced:
            check_price(self, destination)
        if reservation is not None and not reservation.admits(destination, timeouts):
            return
        same = destination.upstream.dialect is self.dialect and not self._foreign(destination)
        if self.guard is not None and not self.guard.passes:
            same = False
        local = destination.endpoint is not None
        self.dropped = ()
        sink: Sink
        if self.operation == "embeddings":
            relayed = same and self.dialect.embeddings_path is not None
            sink = Relay(self, destination) if relayed else EmbeddingTranslation(self, destination)
        elif self.operation == "count_tokens":
            sink = CountRelay(self, destination) if same and not local else CountTranslation(self, destination)
        elif same and not local:  # what the local engine is asked may need adapting
            sink = Relay(self, destination)
        else:
            sink = Translation(self, destination)
        self._sink = sink
        if reservation is not None and self.stream:
            sink.heard = reservation.listen()
        sink.prepare()
        now = perf_counter()
        self._spent += now - self.mark
        sink.send(timeouts.streaming() if self.stream else timeouts)

    def failed(self, error: TsujiError) -> None:
        """The running try failed."""
        self.mark = perf_counter()
        sink = self._sink
        try:
            if sink is not None and sink.usage is not None:
                self.failed_costs = {**self.failed_costs, len(self.routing.attempts): sink.bill()[1]}
            over = self.connection.begun or isinstance(error, GuardrailError)  # another target would fare no better
            self.routing.failed(error, self.mark, sent=over)
            self._advance()
        except Exception as bug:  # we are in a callback of the transport's: who waits for an answer would wait for ever
            ours(bug)
            self.connection.abort()

    def lost(self, endpoint: "Endpoint", error: TsujiError) -> None:
        """The local engine may know why: a process that died can say what of."""
        self._task = asyncio.get_running_loop().create_task(self._ask_engine(endpoint, error))

    async def _ask_engine(self, endpoint: "Endpoint", error: TsujiError) -> None:
        from tsuji.engine.local import engine

        crash: TsujiError | None = await asyncio.to_thread(engine().crash, endpoint)
        self.failed(crash or error)

    def answered(self) -> None:
        """The provider's answer, or the first part of it, is here: from now it is our time again."""
        self.mark = perf_counter()
        if self.stream:
            self.first_token = self.mark

    def wait(self, work: "Coroutine[None, None, None]") -> None:
        """Does it in a task, which ends when the client leaves."""
        self._task = asyncio.get_running_loop().create_task(work)

    # Job: what the connection tells.

    def cancel(self) -> None:
        if self.reservation is not None and self.reservation.leave():
            self.recorded = True
        self.record(CANCELLED, None)
        if self._task is not None:
            self._task.cancel()
        if self._sink is not None:
            self._sink.cancel()

    def pause(self) -> None:
        if self._sink is not None:
            self._sink.pause()

    def resume(self) -> None:
        if self._sink is not None:
            self._sink.resume()

    # Answering.

    def losses(self, dialect_name: str) -> Losses:
        losses = Losses(dialect_name, self.drop, self.dialect.names)
        self.dropped = losses.dropped
        return losses

    def chat(self) -> ChatRequest:
        """The request in canonical form, parsed once."""
        if self._chat is None:
            model = self.request.model
            self._chat = self.dialect.parse_request(self.request.body, model, self.stream if model else None)
        return self._chat

    def embedding(self) -> EmbeddingRequest:
        """The same for a request for vectors. Raises InvalidRequestError where the dialect has none."""
        if self._embedding is None:
            parse = self.dialect.parse_embedding_request
            if parse is None:
                raise InvalidRequestError(f"the {self.dialect.name} dialect has no embeddings")
            self._embedding = parse(self.request.body, self.request.model)
        return self._embedding

    def rewrite(self, asked: ChatRequest | EmbeddingRequest) -> None:
        """The request as it goes on."""
        if isinstance(asked, ChatRequest):
            self._chat = asked
        else:
            self._embedding = asked

    def framing(self) -> Framing:
        """How the client wants its stream."""
        found: Framing
        if self.dialect.name == "gemini":
            found = BareEvents() if b"alt=sse" in self.request.query.split(b"&") else JsonArray()
        else:
            found = _FRAMINGS.get(self.dialect.name, WholeEvents)()
        return found if self.tape is None else self.tape.framing(found)

    def lines(self, destination: Destination, cost: bytes | None) -> bytes:
        """Header lines that say what happened."""
        now = perf_counter()
        self._spent += now - self.mark
        self.mark = now
        out = b"%bx-tsuji-attempts: %d\r\nx-tsuji-overhead-us: %d\r\n" % (
            destination.lines,
            len(self.routing.attempts),
            self._spent * 1e6,
        )
        if cost is not None:
            out += b"x-tsuji-cost: %b\r\n" % cost
        if self.visit is not None:
            out += self.visit.lines()
        if self.dropped:
            out += b"x-tsuji-dropped: %b\r\n" % reply.value(", ".join(self.dropped))
        if self.guard is not None:
            out += self.guard.line()
        return out

    def whole(self, sink: "Sink", head: bytes, body: bytes) -> None:
        """A whole answer for the client. head: status line and the headers that describe the body."""
        self.routing.succeeded(self.mark)
        sink.billed = sink.bill()
        if self.visit is not None:
            self.visit.answered(sink)
        head += self.lines(sink.destination, reply.dollars(sink.billed[1]) if sink.billable else None)
        self._answer(DONE, 200, None, head, body)
        self._sink = None

    def give(self, head: bytes, body: bytes) -> None:
        """A whole answer that no target was asked for. head: as in `whole`, complete."""
        self._answer(DONE, 200, None, head, body)

    def ending(self) -> None:
        """A stream's end mark is about to be sent."""
        self.record(DONE, 200)
        if self.visit is not None:
            self.visit.answered(self._sink)

    def over(self) -> None:
        """A stream has been delivered, but for what says that it ends here."""
        self.routing.succeeded(perf_counter())
        self.ending()
        self._sink = None

    def cut(self, error: TsujiError) -> None:
        """A stream ends here, and the client knows why."""
        self.routing.failed(error, perf_counter(), sent=True)
        self.record(CUT, 200, error)
        self._sink = None
        self.connection.cut()

    def _answer(self, status: str, http_status: int, error: TsujiError | None, head: bytes, body: bytes) -> None:
        """Sends a whole answer once it is recorded, with all others that are ready in this turn of the loop."""
        if self.tape is not None:
            self.tape.answer(body)
        ledger, kept = self.gateway.ledger, self._kept(status, http_status, error)
        if ledger is None or kept is None:
            self.connection.whole(head, body)
        else:
            ledger.spool.add(kept, partial(self.connection.whole, head, body))

    def record(self, status: str, http_status: int | None, error: TsujiError | None = None) -> None:
        """Writes down what became of the request, before the client can know; only the first time counts."""
        ledger, kept = self.gateway.ledger, self._kept(status, http_status, error)
        if ledger is not None and kept is not None:
            ledger.spool.write(kept)

    def _kept(self, status: str, http_status: int | None, error: TsujiError | None) -> bytes | None:
        """The record for the ledger; None where there is one already, or none is wanted."""
        ledger, observer = self.gateway.ledger, self.gateway.observer
        if self.recorded or (ledger is None and observer is None):
            return None
        self.recorded = True
        try:
            made = record(self, self._sink, status, http_status, error)
            if self.visit is not None:
                self.visit.note(made)
            if self.trial is not None:
                self.trial.note(made)
            if self.guard is not None:
                made.guarded = tuple(self.guard.acted)
            if self.reservation is not None:
                self.reservation.settle(made, self._sink)
            if observer is not None:
                observer.saw(made, self.request, self.connection, self._spent, self.trace)
            if ledger is not None and self.tape is not None:
                self.tape.keep(made, ledger.spool)
            return encode(made) if ledger is not None else None
        except Exception as bug:  # who waits for the answer would wait for ever
            ours(bug)
            if self.reservation is not None:
                self.reservation.drop()
            return None

    def _fail(self, error: TsujiError) -> None:
        """Nothing is left to try."""
        sink, connection = self._sink, self.connection
        if connection.begun:
            self.record(CUT, 200, error)
            self._sink = None
            try:
                connection.send(sink.failure(error) if sink is not None else b"")
            except Exception as failure:
                ours(failure)
            connection.cut()
            return
        original = sink.original(error) if sink is not None else None
        if original is not None:
            head, body = original
        else:
            head = reply.status_line(reply.error_status(error)) + reply.JSON
            body = self.dialect.render_error(error)
        tried = self.routing.attempts
        target = b"x-tsuji-target: %b\r\n" % reply.value(tried[-1].target.name) if tried else b""
        now = perf_counter()
        self._spent += now - self.mark
        counted = b"x-tsuji-attempts: %d\r\nx-tsuji-overhead-us: %d\r\n" % (len(tried), self._spent * 1e6)
        guarded = self.guard.line() if self.guard is not None else b""
        head += reply.error_lines(error) + target + counted + guarded
        self._answer(FAILED, reply.error_status(error), error, head, body)
        self._sink = None
