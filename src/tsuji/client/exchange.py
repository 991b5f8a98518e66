"""One call, step by step, with no I/O of its own: the blocking and the asyncio client are its two drivers.

advance()          the next target, or the error of the whole call
use(endpoint)      only for the local engine: where the model listens
send()             what goes on the wire; or a future to wait for, and then to send() again
answer(...)        a whole answer came
stream(...)        a stream began: a Reading takes its bytes
failed(error)      this target is lost; advance() again
"""

from collections.abc import Mapping
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

import msgspec

from tsuji.config import Config
from tsuji.core.errors import (
    InvalidRequestError,
    StreamInterruptedError,
    TsujiError,
    UpstreamConnectionError,
    UpstreamProtocolError,
)
from tsuji.core.events import Started, StreamFailed
from tsuji.core.timeouts import Timeouts
from tsuji.http.message import Headers, render_headers
from tsuji.http.url import Origin
from tsuji.routing import Fail, Route, Routing, Target, Wait
from tsuji.wire.dialect import Call, Losses

from .jobs import ChatJob, Job
from .trace import Trace
from .upstream import Upstream
from .upstreams import Upstreams

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.engine.endpoint import Endpoint

Answer = TypeVar("Answer")
LOCAL = "local"
_REFUSED = (401, 403)


class Send(NamedTuple):
    """The arguments of a pool's `request`."""

    method: bytes
    origin: Origin
    target: bytes
    headers: bytes
    body: bytes
    timeouts: Timeouts


class Exchange(Generic[Answer]):
    """settings: the fields of options.Target that the call gave, its client's defaults filled in."""

    __slots__ = (
        "_config",
        "_drop",
        "_job",
        "_routing",
        "_settings",
        "_timeouts",
        "_unadapt",
        "_upstream",
        "_upstreams",
        "endpoint",
        "target",
        "trace",
    )

    def __init__(
        self, config: Config, upstreams: Upstreams, job: Job[Answer], route: Route, settings: Mapping[str, Any]
    ) -> None:
        if len(route.targets) > 1:
            for name in ("api_key", "api_base"):
                if settings.get(name):
                    raise InvalidRequestError(
                        f"{name} fits one provider, and route {route.name!r} has {len(route.targets)} targets; set it "
                        f"in the configuration of each provider",
                        param=name,
                    )
        now = monotonic()
        self._config = config
        self._upstreams = upstreams
        self._job = job
        self._settings = settings
        self._routing = Routing(route, now)
        self.trace = Trace(self._routing, config, now)
        drop = settings.get("drop_params")
        if drop is None:
            drop = config.drop_params if route.drop_params is None else route.drop_params
        self._drop: bool = drop
        self._timeouts = route.timeouts
        self._upstream: Upstream | None = None
        self._unadapt: Any = None
        self.target: Target = Target("", "")
        self.endpoint: Endpoint | None = None

    @property
    def is_local(self) -> bool:
        return self.target.provider == LOCAL

    def advance(self) -> None:
        """Moves on to the next target. Raises the error of the call where none is left."""
        action = self._routing.next(monotonic())
        while isinstance(action, Wait):
            sleep(max(action.until - monotonic(), 0.0))
            action = self._routing.next(monotonic())
        if isinstance(action, Fail):
            self.trace.ended = monotonic()
            raise self._told(action.error)
        self.target = action.target
        timeouts = timeouts_of(self._settings.get("timeout"), action.timeouts)
        self._timeouts = timeouts.streaming() if self._job.stream else timeouts
        self._upstream = self.endpoint = self._unadapt = None

    def _told(self, error: TsujiError) -> TsujiError:
        """With what was tried, where that was more than one thing."""
        tries = [f"{a.target.name} ({a.error.kind})" for a in self.trace.attempts if a.error is not None]
        if len(tries) > 1:
            error.add_note(f"Tried in this order: {', '.join(tries)}")
        return error

    @property
    def operation(self) -> str:
        """As Provider.endpoints names it."""
        return self._job.operation

    def use(self, endpoint: "Endpoint") -> None:
        self.endpoint = endpoint

    def send(self) -> "Send | Future[None]":
        """A future where credentials have to be had first. Raises TsujiError where this target cannot be asked this."""
        settings = self._settings
        if self.endpoint is not None:
            if settings.get("api_base"):
                raise InvalidRequestError(
                    "a local model has no address of its own; leave out api_base, or name the server as a provider",
                    param="api_base",
                )
            upstream = self._upstreams.local(self._config.provider(LOCAL), self.endpoint)
            model = self.endpoint.model
        else:
            upstream = self._upstreams.hosted(self._config, self.target.provider, settings, self._job.prefer)
            model = self.target.model
            if not isinstance(upstream, Upstream):
                return upstream
        self._upstream = upstream
        losses = Losses(upstream.dialect.name, self._drop, self._job.names)
        call = self._adapted().render(upstream, model, losses)
        self.trace.dropped = losses.dropped
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
        return Send(method, upstream.origin, target, headers, body, self._timeouts)

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
        self.trace.service_tier = getattr(answer, "service_tier", None)  # of a chat; vectors and lists have none
        self.succeeded()
        return answer

    def stream(self, status: int) -> "Reading | None":
        """What reads the body; None where the status says that it is an error, for `answer` to read."""
        if not _is_answer(status):
            return None
        upstream = self._called()
        adapter = self._unadapt.events() if self._unadapt is not None else None
        parser = upstream.dialect.stream_parser(upstream.provider.quirks)
        return Reading(parser, adapter, upstream.provider.base_url, self.target.model)

    def succeeded(self) -> None:
        now = monotonic()
        self._routing.succeeded(now)
        self.trace.ended = now

    def failed(self, error: TsujiError, *, sent: bool = False) -> None:
        """sent: part of the answer has reached the caller; then there is no next target."""
        self.name_target(error)
        self._routing.failed(error, monotonic(), "fixed" if sent else "nothing")

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


def timeouts_of(given: float | Timeouts | None, otherwise: Timeouts) -> Timeouts:
    """A number is the limit of the whole attempt, and of waiting for anything in it."""
    if given is None:
        return otherwise
    if isinstance(given, Timeouts):
        return given
    if isinstance(given, bool) or not _is_positive(given):
        raise InvalidRequestError(f"timeout must be a positive number of seconds, not {given!r}", param="timeout")
    return Timeouts(connect=min(otherwise.connect, given), first_byte=given, idle=given, total=given)


def _is_answer(status: int) -> bool:
    return 200 <= status < 300


def _is_positive(given: Any) -> bool:
    return isinstance(given, int | float) and given > 0


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
