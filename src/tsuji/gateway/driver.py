"""The gateway as a driver of routing: one request, from its body to its answer.

A Driver reads what a request asks for, asks `Routing` what to do, has a Relay or a Translation do it, and tells
`Routing` what came of it, until part of an answer has reached the client or nothing is left to try.
"""

import asyncio
from collections.abc import Sequence
from copy import copy
from functools import partial
from time import perf_counter, time
from typing import TYPE_CHECKING, assert_never

from tsuji.core.errors import InternalError, InvalidRequestError, TsujiError
from tsuji.core.request import ChatRequest
from tsuji.ledger.record import encode
from tsuji.routing import Fail, Routing, Try
from tsuji.wire import Dialect, dialect
from tsuji.wire.dialect import Losses
from tsuji.wire.passthrough import Fields, decode_fields, model_of, wants_stream

from . import reply
from .admit import check_model
from .count import CountRelay, CountTranslation
from .destination import LOCAL, Destination
from .endpoints import form_of
from .faults import ours
from .framing import BareEvents, Framing, JsonArray, WholeEvents, WholeLines, WholeMessages
from .recording import CANCELLED, CUT, DONE, FAILED, TAGS, read_tags, record
from .relay import Relay
from .request import Request
from .translate import EmbeddingTranslation, Translation

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.core.timeouts import Timeouts
    from tsuji.engine.endpoint import Endpoint

    from .gateway import Gateway
    from .server import Connection
    from .sink import Sink

_MAX_MODEL = 512
_FRAMINGS: dict[str, type[Framing]] = {"ollama": WholeLines, "bedrock": WholeMessages}


class Driver:
    """`begin` once; then it is the request's Job.

    dialect: the client's. fields: the body, one level deep. model: as the client wrote it. stream: the client wants
    one. drop: parameters that a target lacks are dropped. dropped: which were. mark: since when it is our own time that
    passes, by perf_counter. began: when the request was complete, by it, and came: by the wall clock. tags: the
    client's, for the ledger, which has `recorded` the request once. first_token: of a stream, when it came.
    """

    # Defaults are the class's: an attribute that stays as it is costs nothing per request.
    dropped: Sequence[str] = ()
    tags: tuple[str, ...] = ()
    recorded = False
    first_token: float | None = None
    _chat: ChatRequest | None = None
    _sink: "Sink | None" = None
    _task: "asyncio.Task[None] | None" = None
    _spent = 0.0

    def __init__(self, gateway: "Gateway", connection: "Connection", request: Request) -> None:
        self.gateway = gateway
        self.connection = connection
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
        _check_utf8(request.body)
        self.fields: Fields = decode_fields(request.body)
        self.model = model = model_of(self.fields) if request.model is None else request.model
        if len(model) > _MAX_MODEL or not model.isprintable():
            raise InvalidRequestError("'model' is no model's name: too long, or not printable", param="model")
        if endpoint.stream is None:
            self.stream = endpoint.operation == "chat" and wants_stream(self.fields, endpoint.streams)
        else:
            self.stream = endpoint.stream
        route = self.gateway.destinations.route(model)
        if request.grant is not None:
            check_model(request.grant, route, self.gateway.config)
        if TAGS in request.headers:
            self.tags = read_tags(request.headers[TAGS])
        self.drop = self.gateway.config.drop_params if route.drop_params is None else route.drop_params
        self.routing = Routing(route, self.mark)
        request.job = self
        self._advance()

    # Trying targets.

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
                found = self.gateway.destinations.find(action.target, self.dialect.name, self.operation)
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
            destination = await self.gateway.destinations.local(action.target, self.operation)
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
                found = self.gateway.destinations.find(action.target, self.dialect.name, self.operation)
            self.mark = perf_counter()
            self._send(found, action.timeouts)
        except Exception as error:
            self.failed(ours(copy(error) if isinstance(error, TsujiError) else error))

    def _send(self, destination: Destination, timeouts: "Timeouts") -> None:
        same = destination.upstream.dialect is self.dialect and not self._foreign(destination)
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
        sink.prepare()
        now = perf_counter()
        self._spent += now - self.mark
        sink.send(timeouts.streaming() if self.stream else timeouts)

    def failed(self, error: TsujiError) -> None:
        """The running try failed."""
        self.mark = perf_counter()
        try:
            self.routing.failed(error, self.mark, sent=self.connection.begun)
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

    # Job: what the connection tells.

    def cancel(self) -> None:
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

    def framing(self) -> Framing:
        """How the client wants its stream."""
        if self.dialect.name == "gemini":
            return BareEvents() if b"alt=sse" in self.request.query.split(b"&") else JsonArray()
        return _FRAMINGS.get(self.dialect.name, WholeEvents)()

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
        if self.dropped:
            out += b"x-tsuji-dropped: %b\r\n" % reply.value(", ".join(self.dropped))
        return out

    def whole(self, sink: "Sink", head: bytes, body: bytes) -> None:
        """A whole answer for the client. head: status line and the headers that describe the body."""
        self.routing.succeeded(self.mark)
        sink.billed = sink.bill()
        head += self.lines(sink.destination, reply.dollars(sink.billed[1]) if sink.billable else None)
        self._answer(DONE, 200, None, head, body)
        self._sink = None

    def ending(self) -> None:
        """A stream's end mark is about to be sent."""
        self.record(DONE, 200)

    def over(self) -> None:
        """A stream has been delivered, but for what says that it ends here."""
        self.routing.succeeded(perf_counter())
        self.record(DONE, 200)
        self._sink = None

    def cut(self, error: TsujiError) -> None:
        """A stream ends here, and the client knows why."""
        self.routing.failed(error, perf_counter(), sent=True)
        self.record(CUT, 200, error)
        self._sink = None
        self.connection.cut()

    def _answer(self, status: str, http_status: int, error: TsujiError | None, head: bytes, body: bytes) -> None:
        """Sends a whole answer once it is recorded, with all others that are ready in this turn of the loop."""
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
        """The record; None where there is one already, or none is wanted."""
        if self.recorded or self.gateway.ledger is None:
            return None
        self.recorded = True
        try:
            return encode(record(self, self._sink, status, http_status, error))
        except Exception as bug:  # who waits for the answer would wait for ever
            ours(bug)
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
        counted = b"x-tsuji-attempts: %d\r\n" % len(tried)
        head += reply.error_lines(error) + target + counted
        self._answer(FAILED, reply.error_status(error), error, head, body)
        self._sink = None


def _check_utf8(body: bytes) -> None:
    """What is decoded one level deep only has its texts passed on unread."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequestError(f"the body is not UTF-8, at byte {error.start}") from None
