"""What every way of answering has in common: the exchange with the provider, errors, and when to give up."""

from abc import ABC, abstractmethod
from time import perf_counter, time
from typing import TYPE_CHECKING

import msgspec

from tsuji.catalog.prices import Price, cost
from tsuji.core.errors import InternalError, StreamInterruptedError, TsujiError, UpstreamProtocolError
from tsuji.core.events import StreamFailed
from tsuji.core.request import ChatRequest
from tsuji.core.timeouts import Timeouts
from tsuji.core.usage import Usage
from tsuji.routing import Watch
from tsuji.routing.limits import NO_LIMITS

from . import reply
from .destination import Destination
from .faults import ours

if TYPE_CHECKING:
    from tsuji.http.aio import Exchange
    from tsuji.http.message import ResponseHead
    from tsuji.routing.machine import Mode
    from tsuji.wire.dialect import Dialect

    from .delivery import Delivery
    from .driver import Driver
    from .heard import Heard

MAX_ERROR = 1024 * 1024
MAX_WHOLE = 256 * 1024 * 1024
_PATIENT = Timeouts()


class Sink(ABC):
    """One try: `prepare` and `send` a request; the transport then calls on_head, on_body and on_end or on_failure.

    An error document is collected and classified here; everything else of an answer is a subclass's.
    Nothing of an answer reaches the client before it is known to be one: until then a failure goes back to routing.
    """

    # Defaults are the class's: an attribute that stays as it is costs nothing per request.
    path: bytes = b""
    headers: bytes = b""
    body: bytes = b""
    tier: str | None = None
    """The service tier of the answer, where it is known: it may change the price."""
    usage: Usage | None = None
    """What the provider says it used, so far."""
    heard: "Heard | None" = None
    """What the provider has said, where it may have to be estimated what that used."""
    billable = True
    """An answer says what it cost, if only that this is unknown."""
    billed: tuple[Price | None, int | None] | None = None
    """The final `bill`."""
    number = 0
    """Of the try, as routing counts them."""
    watch: "Watch | None" = None
    """Limits that depend on what the answer says, where there are any."""
    _done = False
    _exchange: "Exchange | None" = None
    _error_head: "ResponseHead | None" = None
    _held_size = 0
    _raw: "tuple[ResponseHead, bytes, TsujiError] | None" = None
    _paused_at: float | None = None

    def __init__(self, driver: "Driver", destination: Destination) -> None:
        self.driver = driver
        self.destination = destination
        self._held: list[bytes] = []

    # To be given by a way of answering.

    @abstractmethod
    def prepare(self) -> None:
        """Sets path, headers and body. Raises TsujiError for a request that this target cannot be asked."""

    @abstractmethod
    def answer_head(self, head: "ResponseHead") -> None: ...

    @abstractmethod
    def answer_body(self, data: bytes) -> None: ...

    @abstractmethod
    def answer_end(self) -> None: ...

    def go_on(self, delivery: "Delivery", mode: "Mode") -> None:
        """Its answer is the rest of what was delivered. To be called before `prepare`."""
        raise InternalError("only a translated stream goes on from another")

    def delivery(self) -> "Delivery | None":
        """What of its stream has been delivered; None where no other target can go on with it."""
        return None

    def failure(self, error: TsujiError) -> bytes:
        """What to send after part of an answer, to say that the rest will not come."""
        client = self.driver.dialect
        renderer = client.stream_renderer(ChatRequest(model=self.driver.model, stream=True))
        return renderer.render([StreamFailed(error)])

    # The try.

    def send(self, timeouts: "Timeouts") -> None:
        upstream = self.destination.upstream
        headers = self.headers
        tracer = self.driver.gateway.tracer
        if tracer is not None:
            headers += tracer.attempt(self.driver, upstream.origin)
        if upstream.signer is not None:
            host = upstream.origin.host_header
            headers += upstream.signer.sign(b"POST", host, self.path, headers, self.body, time())
        lanes = self.driver.gateway.lanes
        self._exchange = lanes.start(b"POST", upstream.origin, self.path, headers, self.body, timeouts, self)

    def cancel(self) -> None:
        self._done = True
        if self._exchange is not None:
            self._exchange.cancel()

    def pause(self) -> None:
        if self.watch is not None and self._paused_at is None:
            self._paused_at = perf_counter()
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        if self.watch is not None and self._paused_at is not None:
            self.watch.rest(perf_counter() - self._paused_at)
            self._paused_at = None
        if self._exchange is not None:
            self._exchange.resume()

    @property
    def is_over(self) -> bool:
        return self._done

    def watched(self, watch: "Watch") -> None:
        self.watch = watch
        self.driver.gateway.rounds.add(self)

    def overdue(self, now: float) -> None:
        """The time that the watch gave has come."""
        watch = self.watch
        if watch is None or self._done or self._paused_at is not None:
            return
        if watch.ending:
            self._end()
        elif (error := watch.overdue(now)) is not None:
            self.fail(error)

    def finished(self) -> None:
        """The answer is whole but for its end, which not every provider sends: it is not waited for for long."""
        now = perf_counter()
        if self.watch is None:
            self.watched(Watch(_PATIENT, NO_LIMITS, now, self.destination.target.name, stream=True))
        if self.watch is not None:
            self.watch.finished(now, usage=self.usage is not None)

    def _end(self) -> None:
        """The answer ends here, whatever the provider does."""
        if self._exchange is not None:
            self._exchange.cancel()
        try:
            self.answer_end()
        except Exception as error:
            self.fail(ours(error))

    def fail(self, error: TsujiError) -> None:
        """The try is over, while the provider may still be sending."""
        if not self._done:
            self.cancel()
            self.driver.failed(self._here(error), self)

    def _here(self, error: TsujiError) -> TsujiError:
        """The error with the place it happened at, and without our key."""
        error.message = self.destination.redact(error.message.encode(errors="replace")).decode()
        if error.provider is None:
            error.provider = self.destination.target.provider
            error.model = self.destination.target.model
        return error

    # Called by the transport.

    def on_head(self, head: "ResponseHead") -> None:
        if self._done:
            return
        if self.watch is not None:
            self.watch.head(perf_counter())
        if 200 <= head.status < 300:
            try:
                self.answer_head(head)
            except Exception as error:
                self.fail(ours(error))
        else:
            self._error_head = head

    def on_body(self, data: bytes) -> None:
        if self._done:
            return
        if self._error_head is not None:
            if self._held_size < MAX_ERROR:
                self.hold(data)
            return
        if self.heard is not None:
            self.heard.add(data)
        if self.watch is not None and not self.driver.stream:
            if data.isspace():
                self.watch.alive(perf_counter())
            else:
                self.watch.heard(perf_counter())
        try:
            self.answer_body(data)
        except Exception as error:
            self.fail(ours(error))

    def on_end(self) -> None:
        if self._done:
            return
        if self._error_head is not None:
            self._done = True
            self.driver.failed(self._classify(self._error_head, self.destination.redact(self.held())), self)
            return
        try:
            self.answer_end()
        except Exception as error:
            self.fail(ours(error))

    def on_failure(self, error: TsujiError) -> None:
        if self._done:
            return
        self._done = True
        endpoint = self.destination.endpoint
        if endpoint is not None:
            self.driver.lost(endpoint, self._here(error), self)
        else:
            self.driver.failed(self._here(error), self)

    # Steps for subclasses.

    def hold(self, data: bytes) -> None:
        """Keeps a piece of a body that is looked at as a whole. Raises UpstreamProtocolError if it has no end."""
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > MAX_WHOLE:
            raise UpstreamProtocolError(f"the provider's answer is longer than {MAX_WHOLE} bytes")

    def held(self) -> bytes:
        held = self._held
        return held[0] if len(held) == 1 else b"".join(held)

    def done(self) -> None:
        """The provider has been heard out."""
        self._done = True

    def bill(self) -> tuple[Price | None, int | None]:
        """The price, and what `usage` costs by it, in nano-dollars; None is unknown."""
        price = self.price()
        return price, cost(price, self.usage)

    def price(self) -> Price | None:
        driver = self.driver
        return driver.setup.destinations.price(self.destination, driver.mark, self.tier)

    def preview(self) -> bytes | None:
        """What a stream will cost, as far as that is known before it begins."""
        price = self.price()
        known_now = price is None or price.source == "free"
        return reply.dollars(cost(price, None)) if known_now else None

    def summary(self) -> bytes:
        """A comment line, which clients of server-sent events skip: `: tsuji {"target": ..., "cost": ...}`.

        https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
        """
        usage = self.usage
        facts: dict[str, str | int | None] = {
            "target": self.destination.target.name,
            "attempts": len(self.driver.routing.attempts),
            "cost": reply.dollars(self.bill()[1]).decode(),
            "input_tokens": usage.input_tokens if usage is not None else None,
            "output_tokens": usage.output_tokens if usage is not None else None,
        }
        delivery = self.driver.delivery
        if delivery is not None and delivery.origin is not self.destination.target.name:
            facts["continued_from"] = delivery.origin
        return b": tsuji " + msgspec.json.encode(facts) + b"\n\n"

    def interrupted(self) -> TsujiError:
        return self._here(StreamInterruptedError("the provider's stream ended before the answer was complete"))

    def not_an_answer(self, head: "ResponseHead | None") -> TsujiError:
        kind = ((head.get(b"content-type") if head is not None else None) or b"an untyped body").decode("latin-1")
        return UpstreamProtocolError(f"the provider sent {kind}, which is no answer of a model; check its base_url")

    # Errors.

    def _classify(self, head: "ResponseHead", body: bytes) -> TsujiError:
        upstream = self.destination.upstream
        if head.status < 400:
            return self._here(
                UpstreamProtocolError(f"the provider answered with status {head.status}; check its base_url")
            )
        if upstream.signer is not None and head.status in (401, 403):
            upstream.signer.refused()
        headers = {name.decode("latin-1"): content.decode("latin-1") for name, content in head.headers}
        try:
            error = self._here(upstream.dialect.parse_error(head.status, headers, body))
        except Exception as failure:
            error = self._here(ours(failure))
        self._raw = (head, body, error)
        self.driver.setup.destinations.refused(self.destination, error)
        return error

    def original(self, error: TsujiError) -> tuple[bytes, bytes] | None:
        """The head and body of the provider's own error document, where the client can read it."""
        raw = self._raw
        if raw is None or raw[2] is not error or self.destination.upstream.dialect is not self.driver.dialect:
            return None
        head, body, _ = raw
        if not is_json(head) or self._held_size > MAX_ERROR:
            return None
        passed = self.destination.redact(reply.passed(head, error, own_limits=self.driver.own_limits))
        return reply.status_line(head.status) + reply.JSON + passed, body


def is_json(head: "ResponseHead") -> bool:
    return b"json" in (head.get(b"content-type") or b"").lower()


def is_object(head: "ResponseHead | None", body: bytes) -> bool:
    """Whether a body is a JSON object, from its type or, because some servers give none, its look."""
    if not body:
        return False
    return (head is not None and is_json(head)) or body[:64].lstrip()[:1] == b"{"


def is_stream(head: "ResponseHead", dialect: "Dialect") -> bool:
    """Whether a body is a stream of the dialect. A stream of lines may go by the name of JSON, and is read as well."""
    kind = (head.get(b"content-type") or b"").lower()
    return kind.startswith(dialect.content_type.encode()) or (
        dialect.content_type == "application/x-ndjson" and is_json(head)
    )
