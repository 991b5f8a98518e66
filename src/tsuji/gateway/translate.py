"""Answers in another dialect than the client's: parsed into core, and rendered again.

A stream's head is held back until the first event that carries content: before it, another target can take over.
"""

from time import perf_counter, time
from typing import TYPE_CHECKING

import msgspec

from tsuji.core import events as ev
from tsuji.core.errors import InvalidRequestError, TsujiError, UpstreamProtocolError
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.core.usage import Usage
from tsuji.http.message import render_headers

from . import reply
from .delivery import Delivery
from .faults import ours
from .framing import Framing
from .sink import Sink, is_json, is_object, is_stream
from .telling import lines

if TYPE_CHECKING:
    from tsuji.core.response import ChatResponse
    from tsuji.engine.adapt import CallEvents, Unadapt
    from tsuji.http.aio import Exchange
    from tsuji.http.message import ResponseHead
    from tsuji.routing.continuation import Splice
    from tsuji.routing.machine import Mode
    from tsuji.wire.dialect import Call, StreamParser, StreamRenderer

    from .guard.guard import Guard
    from .guard.review import Stream

_PREAMBLE = (ev.Started, ev.UsageReported, ev.ExtAdded, ev.PartStarted)
"""Events that say nothing yet: a provider that then fails has not begun to answer."""
_SAID = (ev.TextDelta, ev.ArgumentsDelta, ev.SignatureDelta, ev.AudioDelta)


class Translation(Sink):
    _head: "ResponseHead | None" = None
    _parser: "StreamParser | None" = None
    _renderer: "StreamRenderer | None" = None
    _framing: Framing | None = None
    _unadapt: "Unadapt | None" = None
    _unadapt_events: "CallEvents | None" = None
    _early: tuple[ev.Event, ...] = ()
    _passing = False
    _guarded: "Stream | None" = None
    _delivery: "Delivery | None" = None
    _mode: "Mode" = "fresh"
    _splice: "Splice | None" = None
    _unfinished = 1

    def prepare(self) -> None:
        self.call(self.render(self._as_asked()), "chat")

    def go_on(self, delivery: "Delivery", mode: "Mode") -> None:
        self._delivery, self._mode = delivery, mode
        self._renderer, self._framing = delivery.renderer, delivery.framing

    def take(
        self, relay: Sink, parser: "StreamParser", delivery: "Delivery | None", exchange: "Exchange | None"
    ) -> None:
        """Goes on in the middle of a relayed stream. delivery: what has been delivered of it, if anything."""
        driver = self.driver
        self.number, self.watch, self.heard, self.body = relay.number, relay.watch, relay.heard, relay.body
        self._exchange, self._parser = exchange, parser
        if delivery is None:
            self._renderer = driver.dialect.stream_renderer(driver.chat())
            self._framing = driver.framing()
        else:
            self._delivery, self._passing = delivery, True
            self._renderer, self._framing = delivery.renderer, delivery.framing
        if self.watch is not None:
            self.watched(self.watch)

    def delivery(self) -> "Delivery | None":
        return self._delivery

    def render(self, asked: ChatRequest) -> "Call":
        """The request as this target is asked it. Raises TsujiError for what it cannot be asked."""
        destination, upstream = self.destination, self.destination.upstream
        if destination.endpoint is not None:
            from tsuji.engine.adapt import adapt_request

            asked, self._unadapt = adapt_request(asked, destination.endpoint.info)
        losses = self.driver.losses(upstream.dialect.name)
        return upstream.dialect.render_request(asked, upstream.provider.quirks, losses)

    def _as_asked(self) -> ChatRequest:
        asked, destination = self.driver.chat(), self.destination
        if self._delivery is not None:
            asked = self._delivery.so_far.request(self._mode)
        if asked.stream and destination.upstream.provider.quirks.stream_usage:
            return msgspec.structs.replace(asked, model=destination.model, stream_usage=True)
        return msgspec.structs.replace(asked, model=destination.model)

    def call(self, call: "Call", operation: str) -> None:
        destination = self.destination
        self.path = destination.upstream.target(operation, call.path, destination.model, self.driver.stream)
        self.headers = destination.headers + render_headers(call.headers) if call.headers else destination.headers
        self.body = call.body

    # The answer.

    def answer_head(self, head: "ResponseHead") -> None:
        upstream = self.destination.upstream
        if self.driver.stream and is_stream(head, upstream.dialect):
            self._parser = upstream.dialect.stream_parser(upstream.provider.quirks)
            self._unfinished = self.driver.chat().n or 1
            if self._delivery is not None:
                if self._delivery.so_far.delivered != "nothing":
                    self._splice = self._delivery.so_far.splice(self._mode)
            else:
                self._renderer = self.driver.dialect.stream_renderer(self.driver.chat())
                self._framing = self.driver.framing()
            self._unadapt_events = self._unadapt.events() if self._unadapt is not None else None
            if self.driver.guard is not None and self.driver.guard.answers:
                self._guarded = self.driver.guard.stream(self._pass, self.fail)
        else:
            self._head = head
            if self.driver.stream and not is_json(head):
                raise self.not_an_answer(head)

    def answer_body(self, data: bytes) -> None:
        if self._parser is not None:
            self._events(self._parser.feed(data))
        else:
            self.hold(data)

    def answer_end(self) -> None:
        if self._parser is not None:
            self._events(self._parser.close())
            if not self._done and not (self._guarded is not None and self._guarded.waiting):
                raise self.interrupted()
            return
        self.driver.mark = perf_counter()
        if self.driver.stream:
            upstream = self.destination.upstream
            upstream.dialect.parse_response(self.held(), upstream.provider.quirks)  # raises what the document says
            raise UpstreamProtocolError("the provider answered a request for a stream with a whole answer")
        whole = self.held()
        if not is_object(self._head, whole):
            raise self.not_an_answer(self._head)
        guard = self.driver.guard
        if guard is not None and guard.answers:
            self.driver.wait(self._answer_guarded(guard, whole))
            return
        body, self.usage = self.translate(whole)
        self.done()
        self.driver.whole(self, reply.OK + reply.JSON, body)

    def translate(self, body: bytes) -> tuple[bytes, Usage | None]:
        """A whole answer for the client, and what it used."""
        answer = self._answer(body)
        return self.driver.dialect.render_response(answer), answer.usage

    async def _answer_guarded(self, guard: "Guard", body: bytes) -> None:
        try:
            answer = self._answer(body)
            self.usage = answer.usage  # what is not let pass is paid for as well
            answer = await guard.answer(answer, len(body))
            whole = self.driver.dialect.render_response(answer)
            self.done()
            self.driver.whole(self, reply.OK + reply.JSON, whole)
        except Exception as error:
            self.fail(ours(error))

    def _answer(self, body: bytes) -> "ChatResponse":
        upstream = self.destination.upstream
        answer = upstream.dialect.parse_response(body, upstream.provider.quirks)
        if self._unadapt is not None:
            answer = self._unadapt.response(answer)
        if answer.created is None:
            answer = msgspec.structs.replace(answer, created=int(time()))
        if not answer.model:
            answer = msgspec.structs.replace(answer, model=self.destination.model)
        self.tier = answer.service_tier
        self._told(answer.model)
        return answer

    def _told(self, model: str) -> None:
        if self.driver.trace is not None:
            self.driver.trace.model = model or None

    # A stream.

    def _events(self, events: list[ev.Event]) -> None:
        if self._unadapt_events is not None:
            events = self._unadapt_events.feed(events)
        if not events or self._done:
            return
        said = 0
        for at, event in enumerate(events):
            if type(event) in _SAID:
                said += 1
            elif type(event) is ev.Finished:
                self._unfinished -= 1
            elif type(event) is ev.UsageReported:
                self.usage = event.usage
                self.tier = event.service_tier or self.tier
            elif type(event) is ev.Started:
                self.tier = event.service_tier
                self._told(event.model)
                if event.created is None or not event.model:
                    created = int(time()) if event.created is None else event.created
                    model = event.model or self.destination.model
                    events[at] = msgspec.structs.replace(event, created=created, model=model)
        if self.watch is not None:
            self.watch.heard(perf_counter(), said)
        if self._unfinished <= 0 and type(events[-1]) is not ev.Ended:
            self.finished()
        if self._guarded is not None:
            self._guarded.feed(events)
        else:
            self._pass(events)

    def _pass(self, events: list[ev.Event]) -> None:
        """Events that may reach the client."""
        if not events or self._done:
            return
        if self._splice is not None:
            events = self._splice.feed(events)
            if not events:
                return
        if not self._passing:
            events = [*self._early, *events]
            self._early = tuple(events)
        last = events[-1]
        ending = type(last) is ev.Ended or type(last) is ev.StreamFailed
        spoken = events[:-1] if ending else events
        if self._passing or type(last) is ev.Ended or not all(isinstance(e, _PREAMBLE) for e in spoken):
            self._deliver(spoken)
        if type(last) is ev.StreamFailed:
            raise last.error
        if ending:
            self._finish(last)

    def _deliver(self, events: list[ev.Event]) -> None:
        renderer, framing, driver = self._renderer, self._framing, self.driver
        if renderer is None or framing is None:
            return
        if not self._passing:
            self._passing = True
            driver.answered(self)
            if driver.goes_on and self._delivery is None:
                made = Delivery(driver.chat(), renderer, framing, self.destination.target.name)
                self._delivery = driver.delivery = made
            if not driver.connection.begun:
                head = reply.stream_head(framing.content_type)
                told = lines(driver, self.destination, self.preview())
                driver.connection.begin(head + told, framing.probe)
        if events:
            if self._delivery is not None:
                self._delivery.so_far.add(events)
                if self.watch is not None and self._delivery.so_far.fixed:
                    self.watch.fixed()
            driver.connection.send(framing.feed(renderer.render(events)))

    def _finish(self, ended: ev.Event) -> None:
        """The end mark, with the summary before it: some clients stop reading there.

        What the provider still sends is not looked at, but its connection is left to end well, and be used again.
        """
        renderer, framing, driver = self._renderer, self._framing, self.driver
        if renderer is None or framing is None:
            return
        if framing.comments:
            driver.connection.send(self.summary())
        mark = framing.feed(renderer.render([ended]))
        self.done()
        driver.over(self)
        driver.connection.send(mark + framing.close())
        driver.connection.finish()

    def on_failure(self, error: TsujiError) -> None:
        delivery = self._delivery
        if delivery is not None and delivery.so_far.finished and not self._done:  # nothing is missing but usage
            self._finish(ev.Ended())
        else:
            super().on_failure(error)

    def cancel(self) -> None:
        if self._guarded is not None:
            self._guarded.cancel()
        super().cancel()

    def failure(self, error: TsujiError) -> bytes:
        renderer, framing = self._renderer, self._framing
        if renderer is None or framing is None:
            return b""
        return framing.feed(renderer.render([ev.StreamFailed(error)]))


class EmbeddingTranslation(Translation):
    """The same for vectors, which are never streamed."""

    def prepare(self) -> None:
        driver, destination = self.driver, self.destination
        client, upstream = driver.dialect, destination.upstream
        parse, render = client.parse_embedding_request, upstream.dialect.render_embedding_request
        if parse is None or render is None or upstream.dialect.parse_embedding_response is None:
            raise InvalidRequestError(
                f"{upstream.provider.name} has no embeddings in the {upstream.dialect.name} dialect"
            )
        asked = driver.embedding()
        self._asked: EmbeddingRequest = asked
        asked = msgspec.structs.replace(asked, model=destination.model)
        self.call(render(asked, upstream.provider.quirks, driver.losses(upstream.dialect.name)), "embeddings")

    def translate(self, body: bytes) -> tuple[bytes, Usage | None]:
        parse = self.destination.upstream.dialect.parse_embedding_response
        render = self.driver.dialect.render_embedding_response
        if parse is None or render is None:
            raise UpstreamProtocolError("these dialects have no embeddings")
        answer = parse(body)
        if not answer.model:
            answer = msgspec.structs.replace(answer, model=self.destination.model)
        return render(answer, self._asked), answer.usage
