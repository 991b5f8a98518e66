"""The gateway as a driver of routing: one request, from its body to its answer.

A Driver reads what a request asks for, asks `Routing` what to do, has a Relay or a Translation do it, and tells
`Routing` what came of it, until part of an answer has reached the client or nothing is left to try.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from copy import copy
from functools import partial
from random import random
from time import perf_counter, time
from typing import TYPE_CHECKING, assert_never

from tsuji.core.errors import GuardrailError, InternalError, InvalidRequestError, TsujiError
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.routing import Fail, Routing, Try, Wait, Watch
from tsuji.routing.limits import NO_LIMITS
from tsuji.routing.machine import Delivered
from tsuji.wire import Dialect, dialect
from tsuji.wire.dialect import Losses
from tsuji.wire.passthrough import Fields, check_spelling, check_utf8, decode_fields, model_of, wants_stream

from . import reply
from .admit import check_fields, check_model
from .choosing import asked_of, choose_for
from .contents import Hearing, Tape
from .destination import LOCAL, Destination
from .endpoints import GUARDED, JUDGING, form_of
from .faults import ours
from .framing import Framing, framing_of
from .racing import Race
from .recording import CANCELLED, CUT, DONE, FAILED, MAX_MODEL, TAGS, kept_record, read_tags
from .request import Request
from .reservation import Reservation, check_price
from .sinks import sink_for
from .telling import lines, refusal
from .trial.enrol import enrol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.engine.endpoint import Endpoint

    from .cache import Visit
    from .delivery import Delivery
    from .gateway import Gateway
    from .guard.guard import Guard
    from .observe.tracing import Trace
    from .request import Answering
    from .server import Connection
    from .sink import Sink
    from .trial.trial import Trial


class Driver:
    """`begin` once; then it is the request's Job.

    dialect: the client's. fields: the body, one level deep. model: as the client wrote it. stream: the client wants
    one. drop: parameters that a target lacks are dropped. dropped: which were. mark: since when it is our own time that
    passes, by perf_counter. began: when the request was complete, by it, and came: by the wall clock. tags: the
    client's, for the ledger, which has `recorded` the request once. first_token: of a stream, when it came. visit: to
    the cache, on a route that has one. connection: the client's, or there what takes the answer for all who wait.
    failed_costs: of attempts that failed though they had reported usage, by their number. tape: of what is stored.
    trace: its spans' ids. setup: of the configuration that it began with. guard: the guardrails in force.
    reservation: on limits, where there are any. own_limits: the answer says how near they are. spent: seconds of ours.
    also_billed: nano-dollars for a hedge's loser.
    delivery: of a stream that another target may have to go on with, as far as it has come. trial: an experiment's.
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
    delivery: "Delivery | None" = None
    also_billed = 0
    _timer: asyncio.TimerHandle | None = None
    _race: "Race | None" = None
    spent = 0.0

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
        choice = choose_for(self, route)
        self.routing = Routing(route, self.mark, self.gateway.health, choice, random, asked_of(self, choice))
        request.job = self
        spending = self.gateway.spending
        if spending is not None and spending.active:
            stack = spending.stack(request.grant, route, self.setup.config)
            if stack.accounts or spending.on_targets:
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
                self.advance()
        except TsujiError as error:  # what the client asks of the cache, and there is not
            self._fail(error)

    @property
    def id(self) -> str:
        """Of the request, as x-tsuji-request-id says it."""
        return self.gateway.id(self.request)

    # Trying targets.

    def advance(self) -> None:
        """Asks the targets: does what routing says, until something is under way or the request is over."""
        while True:
            action = self.routing.next(perf_counter())
            match action:
                case Try():
                    error = self._try(action)
                    if error is None:
                        return
                    self.routing.failed(error, perf_counter(), self._delivered(), action.number)
                case Wait():
                    self._timer = self.gateway.lanes.loop.call_later(action.until - perf_counter(), self._waited)
                    return
                case Fail():
                    self._fail(action.error)
                    return
                case _:
                    assert_never(action)

    def _waited(self) -> None:
        self._timer, self.mark = None, perf_counter()
        try:
            self.advance()
        except Exception as bug:  # who waits for an answer would wait for ever
            ours(bug)
            self.connection.abort()

    def _try(self, action: Try) -> TsujiError | None:
        """The error if it failed at once."""
        try:
            if action.target.provider == LOCAL:
                self._task = asyncio.get_running_loop().create_task(self._try_local(action))
            else:
                found = self.setup.destinations.find(action.target, self.dialect.name, self.operation)
                if type(found) is Destination:
                    self._send(found, action)
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
            self._send(destination, action)
        except Exception as error:
            self.failed(ours(error))

    async def _try_later(self, action: Try, found: "Destination | Future[None]") -> None:
        """Credentials may have to be fetched first; all who need them wait for the same."""
        try:
            while not isinstance(found, Destination):
                await asyncio.wrap_future(found)
                found = self.setup.destinations.find(action.target, self.dialect.name, self.operation)
            self.mark = perf_counter()
            self._send(found, action)
        except Exception as error:
            self.failed(ours(copy(error) if isinstance(error, TsujiError) else error))

    def resend(self, destination: Destination, action: Try) -> None:
        """The provider's limits let it through, after a wait."""
        self.mark = perf_counter()
        try:
            self._send(destination, action)
        except Exception as error:
            self.failed(ours(error))

    def _send(self, destination: Destination, action: Try) -> None:
        reservation = self.reservation
        if self.routing.route.refuse_unpriced:
            check_price(self, destination)
        if reservation is not None and not reservation.admits(destination, action):
            return
        self.start(self.sink(destination, action), action)

    def sink(self, destination: Destination, action: Try) -> "Sink":
        """What will answer. Raises TsujiError where this target cannot be asked this."""
        self.dropped = ()
        sink = self._sink = sink_for(self, destination)
        sink.number = action.number
        if self.reservation is not None and self.stream:
            sink.heard = self.reservation.listen()
        if self.delivery is not None:
            sink.go_on(self.delivery, action.mode)
        sink.prepare()
        return sink

    def start(self, sink: "Sink", action: Try) -> None:
        now = perf_counter()
        self.spent += now - self.mark
        timeouts = action.timeouts
        if action.limits is not NO_LIMITS or timeouts.first_token is not None or timeouts.rate is not None:
            sink.watched(Watch(timeouts, action.limits, now, action.target.name, stream=self.stream))
        sink.send(timeouts.streaming() if self.stream else timeouts)
        if action.hedge_at is not None:
            self._race = Race(self, sink, action.hedge_at)

    def failed(self, error: TsujiError, sink: "Sink | None" = None) -> None:
        """A running try failed. sink: None where it was not even sent."""
        self.mark = perf_counter()
        number = sink.number if sink is not None else 0
        try:
            if sink is not None:
                self.lost_usage(sink)
            delivered: Delivered = self._delivered()
            if isinstance(error, GuardrailError):  # another target would fare no better
                delivered = "fixed"
            self.routing.failed(error, self.mark, delivered, number)
            if self.routing.running and self._race is not None:
                self._sink = self._race.other(sink)
            else:
                self.advance()
        except Exception as bug:  # we are in a callback of the transport's: who waits for an answer would wait for ever
            ours(bug)
            self.connection.abort()

    def use(self, sink: "Sink") -> None:
        """It goes on, and another does not."""
        self._sink = sink

    def end_race(self) -> None:
        self._race = None

    def lost_usage(self, sink: "Sink") -> None:
        """What a try had used that did not answer."""
        if sink.usage is not None:
            self.failed_costs = {**self.failed_costs, sink.number: sink.bill()[1]}
            self.routing.attempts[sink.number - 1].usage = sink.usage

    def _delivered(self) -> Delivered:
        """What of the answer has reached the client."""
        if not self.connection.begun:
            return "nothing"
        if self.delivery is None and self._sink is not None:
            self.delivery = self._sink.delivery()
        return self.delivery.so_far.delivered if self.delivery is not None else "fixed"

    @property
    def goes_on(self) -> bool:
        """Its stream, if it breaks off, may be continued by another target."""
        return (
            len(self.routing.choice.candidates) > 1
            and self.operation == "chat"
            and (self.guard is None or not self.guard.answers)
        )

    def lost(self, endpoint: "Endpoint", error: TsujiError, sink: "Sink") -> None:
        """The local engine may know why: a process that died can say what of."""
        self._task = asyncio.get_running_loop().create_task(self._ask_engine(endpoint, error, sink))

    async def _ask_engine(self, endpoint: "Endpoint", error: TsujiError, sink: "Sink") -> None:
        from tsuji.engine.local import engine

        crash: TsujiError | None = await asyncio.to_thread(engine().crash, endpoint)
        self.failed(crash or error, sink)

    def answered(self, sink: "Sink") -> None:
        """The provider's answer, or the first part of it, is here: from now it is our time again."""
        now = self.mark = perf_counter()
        if self.stream:
            if self.first_token is None:
                self.first_token = now
            self.routing.first_token(now, sink.number)
            if self._race is not None:
                self._sink = self._race.won(sink)

    def wait(self, work: "Coroutine[None, None, None]") -> None:
        """Does it in a task, which ends when the client leaves."""
        self._task = asyncio.get_running_loop().create_task(work)

    # Job: what the connection tells.

    def cancel(self) -> None:
        if self.reservation is not None and self.reservation.leave():
            self.recorded = True
        if not self.routing.running:  # between two tries: what failed is not billed
            self._sink = None
        self.record(CANCELLED, None)
        self.routing.left(perf_counter())
        if self._task is not None:
            self._task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._race is not None:
            self._race.cancel()
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
        found = framing_of(self.dialect.name, self.request.query)
        return found if self.tape is None else self.tape.framing(found)

    def whole(self, sink: "Sink", head: bytes, body: bytes) -> None:
        """A whole answer for the client. head: status line and the headers that describe the body."""
        if self._race is not None:
            self._sink = self._race.won(sink)
        self.routing.succeeded(self.mark, sink.number)
        sink.billed = sink.bill()
        if self.visit is not None:
            self.visit.answered(sink)
        head += lines(self, sink.destination, reply.dollars(sink.billed[1]) if sink.billable else None)
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

    def over(self, sink: "Sink") -> None:
        """A stream has been delivered, but for what says that it ends here."""
        watch, usage = sink.watch, sink.usage
        longest = watch.longest if watch is not None else None
        tokens = usage.output_tokens if usage is not None else None
        self.routing.succeeded(perf_counter(), sink.number, longest=longest, tokens=tokens)
        self.ending()
        self._sink = None

    def cut(self, error: TsujiError) -> None:
        """A stream ends here, and the client knows why."""
        self.routing.failed(error, perf_counter(), "fixed")
        self.record(CUT, 200, error)
        self._sink = None
        self.connection.cut()

    def _answer(self, status: str, http_status: int, error: TsujiError | None, head: bytes, body: bytes) -> None:
        """Sends a whole answer once it is recorded, with all others that are ready in this turn of the loop."""
        if self.tape is not None:
            self.tape.answer(body)
        ledger, kept = self.gateway.ledger, kept_record(self, self._sink, status, http_status, error)
        if ledger is None or kept is None:
            self.connection.whole(head, body)
        else:
            ledger.spool.add(kept, partial(self.connection.whole, head, body))

    def record(self, status: str, http_status: int | None, error: TsujiError | None = None) -> None:
        """Writes down what became of the request, before the client can know; only the first time counts."""
        ledger, kept = self.gateway.ledger, kept_record(self, self._sink, status, http_status, error)
        if ledger is not None and kept is not None:
            ledger.spool.write(kept)

    def _fail(self, error: TsujiError) -> None:
        """Nothing is left to try."""
        sink, connection = self._sink, self.connection
        if not connection.begun:
            self._answer(FAILED, reply.error_status(error), error, *refusal(self, sink, error))
            self._sink = None
            return
        self.record(CUT, 200, error)
        self._sink = None
        try:
            if self.delivery is not None:
                connection.send(self.delivery.failure(error))
            elif sink is not None:
                connection.send(sink.failure(error))
        except Exception as failure:
            ours(failure)
        connection.cut()
