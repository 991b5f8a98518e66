"""One try of a call at one target, with no I/O of its own.

use(endpoint)      only for the local engine: where the model listens
send()             what goes on the wire; or a future to wait for, and then to send() again
answer(...)        a whole answer came
stream(...)        a stream began: a Reading takes its bytes
failed(error)      this try is lost; then the call's advance() again
"""

from collections.abc import Mapping
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

import msgspec

from tsuji.core.errors import (
    InvalidRequestError,
    StreamInterruptedError,
    TsujiError,
    UpstreamConnectionError,
    UpstreamProtocolError,
)
from tsuji.core.events import Started, StreamFailed
from tsuji.core.timeouts import Timeouts
from tsuji.core.usage import Usage
from tsuji.http.blocking_connection import Hold
from tsuji.http.message import MAX_WHOLE_BODY, Headers, render_headers
from tsuji.http.url import Origin
from tsuji.routing import Target, Try, Watch
from tsuji.routing.machine import Mode
from tsuji.wire.dialect import Call, Losses

from .jobs import ChatJob, Job
from .upstream import Upstream

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.engine.endpoint import Endpoint

    from .exchange import Exchange

Answer = TypeVar("Answer")
LOCAL = "local"
_REFUSED = (401, 403)


class Send(NamedTuple):
    """The arguments of a pool's `request`, but for the watch."""

    method: bytes
    origin: Origin
    target: bytes
    headers: bytes
    body: bytes
    timeouts: Timeouts


class Trial(Generic[Answer]):
    """number, mode: of the Try. watch: the limits that depend on what the bytes say; None where there are none.

    hold: of its connection, where two tries race.
    """

    __slots__ = (
        "_action",
        "_job",
        "_losses",
        "_size",
        "_timeouts",
        "_unadapt",
        "_upstream",
        "endpoint",
        "exchange",
        "hold",
        "target",
        "watch",
    )

    def __init__(self, exchange: "Exchange[Answer]", action: Try, job: Job[Answer], timeouts: Timeouts) -> None:
        self.exchange = exchange
        self.target: Target = action.target
        self.endpoint: Endpoint | None = None
        self.watch: Watch | None = None
        self.hold = Hold() if action.hedge_at is not None or action.hedge else None
        self._action = action
        self._job = job
        self._timeouts = timeouts
        self._upstream: Upstream | None = None
        self._unadapt: Any = None
        self._losses: list[str] = []
        self._size = 0

    @property
    def number(self) -> int:
        return self._action.number

    @property
    def mode(self) -> Mode:
        return self._action.mode

    @property
    def hedge_at(self) -> float | None:
        return self._action.hedge_at

    @property
    def is_local(self) -> bool:
        return self.target.provider == LOCAL

    @property
    def operation(self) -> str:
        """As Provider.endpoints names it."""
        return self._job.operation

    def use(self, endpoint: "Endpoint") -> None:
        self.endpoint = endpoint

    def send(self) -> "Send | Future[None]":
        """A future where credentials have to be had first. Raises TsujiError where this target cannot be asked this."""
        exchange, settings = self.exchange, self.exchange.settings
        if self.endpoint is not None:
            if settings.get("api_base"):
                raise InvalidRequestError(
                    "a local model has no address of its own; leave out api_base, or name the server as a provider",
                    param="api_base",
                )
            upstream = exchange.upstreams.local(exchange.config.provider(LOCAL), self.endpoint)
            model = self.endpoint.model
        else:
            upstream = exchange.upstreams.hosted(exchange.config, self.target.provider, settings, self._job.prefer)
            model = self.target.model
            if not isinstance(upstream, Upstream):
                return upstream
        self._upstream = upstream
        losses = Losses(upstream.dialect.name, exchange.drop, self._job.names)
        call = self._adapted().render(upstream, model, losses)
        self._losses = losses.dropped
        body = call.body
        if "extra_body" in settings:
            body = _with_extra(body, settings["extra_body"])
        headers = upstream.headers
        if call.headers:
            headers += _call_headers(call, settings.get("extra_headers", {}))
        target = upstream.target(self._job.operation, call.path, model, self._job.stream)
        method = call.method.encode()
        if upstream.signer is not None:
            headers += upstream.signer.sign(method, upstream.origin.host_header, target, headers, body, time())
        self.watch = self._watched()
        timeouts = self._timeouts.streaming() if self._job.stream else self._timeouts
        return Send(method, upstream.origin, target, headers, body, timeouts)

    def _watched(self) -> Watch | None:
        """A stream is watched in any case: one that has finished and does not end is to be noticed."""
        timeouts, limits, stream = self._timeouts, self._action.limits, self._job.stream
        if not stream and limits.first is None and limits.idle is None and timeouts.rate is None:
            return None
        return Watch(timeouts, limits, monotonic(), self.target.name, stream=stream)

    def _adapted(self) -> Job[Any]:
        """For a local model: what llama.cpp does not do by itself is said in ways that it does."""
        job = self._job
        if self.endpoint is None or not isinstance(job, ChatJob):
            return job
        from tsuji.engine.adapt import adapt_request

        request, self._unadapt = adapt_request(job.request, self.endpoint.info)
        return ChatJob(request)

    def answer(self, status: int, headers: Headers, body: bytes) -> Answer:
        """Raises the provider's error, or UpstreamProtocolError for what is no answer."""
        upstream = self._called()
        if not _is_answer(status):
            raise self._error(status, headers, body)
        kind = _header(headers, b"content-type")
        if b"json" not in kind and body.lstrip()[:1] not in (b"{", b"["):
            raise UpstreamProtocolError(
                f"the answer is {kind.decode('latin-1') or 'of unknown type'}, not JSON; is the base URL "
                f"{upstream.provider.base_url!r} right?"
            )
        answer: Any = self._job.parse(upstream, body)
        if self._unadapt is not None:
            answer = self._unadapt.response(answer)
        if getattr(answer, "model", None) == "":  # its dialect's answers don't say it
            answer = msgspec.structs.replace(answer, model=self.target.model)
        trace = self.exchange.trace
        trace.service_tier = getattr(answer, "service_tier", None)  # of a chat; vectors and lists have none
        trace.dropped = self._losses
        self.succeeded(getattr(answer, "usage", None))
        return answer

    def stream(self, status: int) -> "Reading | None":
        """What reads the body; None where the status says that it is an error, for `answer` to read."""
        if not _is_answer(status):
            return None
        upstream = self._called()
        adapter = self._unadapt.events() if self._unadapt is not None else None
        parser = upstream.dialect.stream_parser(upstream.provider.quirks)
        self.exchange.trace.dropped = self._losses
        return Reading(parser, adapter, upstream.provider.base_url, self.target.model)

    def headed(self) -> None:
        """The response head is here."""
        if self.watch is not None:
            self.watch.head(monotonic())

    def hear(self, piece: bytes) -> None:
        """Of the body of a whole answer. Raises UpstreamProtocolError for one that has no end."""
        self._size += len(piece)
        if self._size > MAX_WHOLE_BODY:
            raise UpstreamProtocolError(f"the body has more than {MAX_WHOLE_BODY} bytes")
        if self.watch is not None:
            if piece.isspace():
                self.watch.alive(monotonic())
            else:
                self.watch.heard(monotonic())

    def first_token(self) -> None:
        """The first content of a stream is here."""
        now = monotonic()
        with self.exchange.lock:
            self.exchange.routing.first_token(now, self.number)
        if self.exchange.trace.first_token is None:
            self.exchange.trace.first_token = now

    def succeeded(self, usage: Usage | None) -> None:
        exchange, now = self.exchange, monotonic()
        longest = self.watch.longest if self.watch is not None and self._job.stream else None
        tokens = usage.output_tokens if usage is not None else None
        with exchange.lock:
            exchange.routing.succeeded(now, self.number, longest=longest, tokens=tokens)
            exchange.routing.attempts[self.number - 1].usage = usage
            exchange.trace.answered(self.number, now)
        exchange.upstreams.worked(self._called())

    def failed(self, error: TsujiError) -> None:
        exchange = self.exchange
        self.name_target(error)
        if self._upstream is not None:
            exchange.upstreams.failed(exchange.config, self._upstream, error)
        with exchange.lock:
            exchange.routing.failed(error, monotonic(), exchange.delivered, self.number)

    def used(self, usage: Usage | None) -> None:
        """What it has reported so far."""
        self.exchange.routing.attempts[self.number - 1].usage = usage

    def dropped(self) -> None:
        """Another try was faster."""
        with self.exchange.lock:
            self.exchange.routing.dropped(monotonic(), self.number)

    def give_up(self) -> None:
        """The same, of one that runs in another thread."""
        self.dropped()
        if self.hold is not None:
            self.hold.close()

    def name_target(self, error: TsujiError) -> None:
        error.provider = error.provider or self.target.provider
        error.model = error.model or self.target.model or None

    def may_have_crashed(self, error: TsujiError) -> bool:
        """The driver then asks the engine, for a local model that dies takes its connection with it."""
        return self.endpoint is not None and isinstance(error, UpstreamConnectionError | StreamInterruptedError)

    def _called(self) -> Upstream:
        assert self._upstream is not None, "send() comes first"
        return self._upstream

    def _error(self, status: int, headers: Headers, body: bytes) -> TsujiError:
        upstream = self._called()
        if status < 400:
            where = _header(headers, b"location").decode("latin-1")
            return UpstreamProtocolError(
                f"the provider answered with status {status}{' to ' + where if where else ''}; redirects are not "
                f"followed, so correct the base URL {upstream.provider.base_url!r}"
            )
        if upstream.signer is not None:
            if upstream.signer.secret:  # AWS repeats it, where it explains what should have been signed
                body = body.replace(upstream.signer.secret.encode(), b"***")
            if status in _REFUSED:
                upstream.signer.refused()
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        return upstream.dialect.parse_error(status, named, body)


class Reading:
    """Bytes of a stream to canonical events."""

    __slots__ = ("_adapter", "_base_url", "_begun", "_model", "_parser")

    def __init__(self, parser: Any, adapter: Any, base_url: str, model: str) -> None:
        self._model = model
        self._parser = parser
        self._adapter = adapter
        self._base_url = base_url
        self._begun = False

    def feed(self, data: bytes) -> list[Any]:
        if not self._begun:
            self._begun = True
            if data.lstrip()[:1] == b"<":
                wrong = f"the answer is a web page, not a stream; is the base URL {self._base_url!r} right?"
                return [StreamFailed(UpstreamProtocolError(wrong))]
        events = self._parser.feed(data)
        if events and type(events[0]) is Started and not events[0].model:
            events[0] = msgspec.structs.replace(events[0], model=self._model)
        return events if self._adapter is None else self._adapter.feed(events)

    def close(self) -> list[Any]:
        """The body is over."""
        events = self._parser.close()
        return events if self._adapter is None else self._adapter.feed(events)


def _is_answer(status: int) -> bool:
    return 200 <= status < 300


def _header(headers: Headers, name: bytes) -> bytes:
    for key, value in headers:
        if key == name:
            return value
    return b""


def _call_headers(call: Call, instead: Mapping[str, str]) -> bytes:
    """What the dialect adds for this request, but for what the caller has set."""
    taken = {name.lower() for name in instead}
    return render_headers([pair for pair in call.headers if pair[0].lower() not in taken])


def _with_extra(body: bytes, extra: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(_merged(msgspec.json.decode(body) if body else {}, extra))
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"extra_body is not JSON: {error}", param="extra_body") from None


def _merged(base: Any, extra: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(extra, Mapping)):
        return extra
    both: dict[str, Any] = {**base}
    for name, value in cast("Mapping[str, Any]", extra).items():
        both[name] = _merged(both[name], value) if name in both else value
    return both
