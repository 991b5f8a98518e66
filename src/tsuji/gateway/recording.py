"""What the ledger is told of a request, from what the driver knows when it ends."""

import re
from functools import lru_cache
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from tsuji.core.errors import (
    AuthenticationError,
    ContentFilterError,
    InvalidRequestError,
    LedgerError,
    PermissionDeniedError,
    TsujiError,
)
from tsuji.core.usage import Usage
from tsuji.ledger.keys import MICRO
from tsuji.ledger.record import CONFIGURED, Attempt, Record, encode
from tsuji.routing.learned.drift import served

from .endpoints import dialect_of
from .explaining import kept
from .faults import ours
from .observe.semantics import OPERATIONS

if TYPE_CHECKING:
    from .driver import Driver
    from .gateway import Gateway
    from .request import Request
    from .sink import Sink

DONE, FAILED, CUT, CANCELLED, REFUSED = "done", "failed", "cut", "cancelled", "refused"
TAGS = b"x-tsuji-tags"
_MAX_TAGS = 32
_MAX_TAG = 128
_MAX_TIER = 32
"""Letters of a service tier, which may be the client's own word."""
_NOTHING = Usage()
MAX_MODEL = 512
_BLANK: dict[str, Any] = dict.fromkeys(Record.__struct_fields__)
_KEYS = re.compile(r"\b(?:tsuji-|sk-|AIza)[0-9A-Za-z_-]{16,}")
"""What looks like a key, of ours or of a provider's: clients write them where they do not belong, too."""
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def record(
    driver: "Driver", sink: "Sink | None", status: str, http_status: int | None, error: TsujiError | None
) -> Record:
    """sink: of the last try. http_status: that the client has seen or is about to; None: nothing."""
    request, now, began, first = driver.request, perf_counter(), driver.began, driver.first_token
    usage, price, cost, upstream, tier = _NOTHING, None, None, None, None
    if sink is not None:
        upstream = sink.destination.upstream
        if status != FAILED or _is_kept_back(driver, error):
            usage, tier = sink.usage or _NOTHING, sink.tier
            price, cost = sink.billed or sink.bill()
    key_id, user_id, team_id, tags = _whose(request, driver.tags)
    parent = request.headers.get(b"traceparent")
    attempts = _attempts(driver, now, cost, sink)
    if driver.also_billed and cost is not None:
        cost += driver.also_billed
    return Record(  # in the order of its fields: by their names it takes three times as long
        driver.id,
        int(driver.came * MICRO),
        key_id,
        user_id,
        team_id,
        driver.model,
        _target(driver, sink, status),
        driver.dialect.name,
        upstream.dialect.name if upstream is not None else None,
        driver.operation,
        driver.stream,
        status,
        http_status,
        error.kind if error is not None else None,
        int((now - began) * MICRO),
        int((first - began) * MICRO) if first is not None else None,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.reasoning_tokens,
        usage.audio_input_tokens,
        usage.audio_output_tokens,
        cost,
        price.source if price is not None else None,
        (price.version or None) if price is not None else None,
        tier if tier is not None and len(tier) <= _MAX_TIER and tier.isprintable() else None,
        tags,
        trace(parent) if parent is not None else None,
        attempts,
    )


def kept_record(
    driver: "Driver", sink: "Sink | None", status: str, http_status: int | None, error: TsujiError | None
) -> bytes | None:
    """The record for the ledger; None where there is one already, or none is wanted."""
    ledger, observer, reservation = driver.gateway.ledger, driver.gateway.observer, driver.reservation
    if driver.recorded or (ledger is None and observer is None):
        return None
    driver.recorded = True
    try:
        made = record(driver, sink, status, http_status, error)
        if driver.visit is not None:
            driver.visit.note(made)
        if driver.trial is not None:
            driver.trial.note(made)
        if driver.routing.route.learned is not None and status == DONE:
            _remember(driver, made)
        if driver.guard is not None:
            made.guarded = tuple(driver.guard.acted)
        if ledger is not None:
            made.explain = kept(driver)
        if reservation is not None:
            reservation.settle(made, sink)
            driver.reservation = None  # it knows the driver: without the cycle both go at once
        if observer is not None:
            observer.saw(made, driver.request, driver.connection, driver.spent, driver.trace)
        if ledger is not None and driver.tape is not None:
            driver.tape.keep(made, ledger.spool)
        return encode(made) if ledger is not None else None
    except Exception as bug:  # who waits for the answer would wait for ever
        ours(bug)
        if reservation is not None:
            reservation.drop()
            driver.reservation = None
        return None


def _remember(driver: "Driver", made: Record) -> None:
    """Feedback may come on it."""
    routing = driver.routing
    answer = served(routing.route, routing.choice, made.target, made.key_id or "")
    if answer is not None:
        driver.gateway.drift.remember(made.id, answer)


def _target(driver: "Driver", sink: "Sink | None", status: str) -> str | None:
    """That answered, or was the last to be tried."""
    if sink is not None and status != FAILED:
        return sink.destination.target.name
    tried = driver.routing.attempts
    return tried[-1].target.name if tried else None


def _is_kept_back(driver: "Driver", error: TsujiError | None) -> bool:
    """An answer that a guardrail kept back is paid for. What failed otherwise is not: its attempt says what it cost."""
    return driver.guard is not None and isinstance(error, ContentFilterError)


def undriven(
    gateway: "Gateway", request: "Request", driver: "Driver | None", http_status: int, error: TsujiError | None
) -> Record:
    """Of a request that no target was tried for. driver: that refused it, where it came so far."""
    endpoint = request.endpoint
    operation = endpoint.operation if endpoint is not None else "unknown"
    key_id, user_id, team_id, tags = _whose(request, driver.tags if driver is not None else ())
    parent = request.headers.get(b"traceparent")
    model = (driver.model if driver is not None else "") or request.model or ""
    told: dict[str, Any] = {
        "id": gateway.id(request),
        "time": int(time() * MICRO),
        "key_id": key_id,
        "user_id": user_id,
        "team_id": team_id,
        "route": redact(model) if len(model) <= MAX_MODEL and model.isprintable() else "",
        "dialect": endpoint.dialect if endpoint is not None else dialect_of(request.path),
        "operation": operation,
        "stream": endpoint is not None and bool(endpoint.stream),
        "status": REFUSED if error is not None else DONE,
        "http_status": http_status,
        "error": error.kind if error is not None else None,
        "latency": int((perf_counter() - driver.began) * MICRO) if driver is not None else 0,
        "cost": 0 if operation in OPERATIONS else None,
        "tags": tags,
        "trace": trace(parent) if parent is not None else None,
        "attempts": [],
        "guarded": tuple(driver.guard.acted) if driver is not None and driver.guard is not None else (),
        "charges": (),
    }
    return Record(**_BLANK | told)


def is_kept(request: "Request", error: TsujiError) -> bool:
    """A refused request leaves a record: who asked had a key, or needed none, and asked a model something."""
    if request.endpoint is None or request.endpoint.operation not in OPERATIONS:
        return False
    if isinstance(error, AuthenticationError | LedgerError):
        return False
    return request.grant is not None or not isinstance(error, PermissionDeniedError)


def _whose(request: "Request", told: tuple[str, ...]) -> tuple[str | None, str | None, str | None, tuple[str, ...]]:
    """Key, user, team and tags. told: the client's tags."""
    grant = request.grant
    if grant is None:
        return CONFIGURED if request.configured else None, None, None, told
    key = grant.key
    return key.id, key.user_id, key.team_id, (*key.tags, *told)


def _attempts(driver: "Driver", now: float, cost: int | None, sink: "Sink | None") -> list[Attempt]:
    """With the wall clock's times: the driver's clock is another, and both were read when the request began.

    cost: of the one that answered, the sink's, where the request is billed for it.
    """
    offset, failed = driver.came - driver.began, driver.failed_costs
    tried = driver.routing.attempts
    billed = sink.number if sink is not None and cost is not None else 0
    return [
        Attempt(
            attempt.target.name,
            int((attempt.started + offset) * MICRO),
            int(((attempt.ended or now) + offset) * MICRO),
            attempt.error.kind if attempt.error is not None else None,
            cost if attempt.number == billed else failed.get(attempt.number),
        )
        for attempt in tried
    ]


@lru_cache(1024)
def redact(text: str) -> str:
    """Without what looks like a key."""
    return _KEYS.sub("***", text)


def read_tags(value: bytes) -> tuple[str, ...]:
    """The tags of a header, split at commas. Raises InvalidRequestError for more than will be kept."""
    text = value.decode("utf-8", "replace")
    tags = tuple([tag for piece in text.split(",") if (tag := piece.strip())])
    if len(tags) > _MAX_TAGS or any(len(tag) > _MAX_TAG or not tag.isprintable() for tag in tags):
        raise InvalidRequestError(
            f"x-tsuji-tags takes {_MAX_TAGS} tags of {_MAX_TAG} printable letters at most, split by commas",
            param="x-tsuji-tags",
        )
    return tags


def trace(parent: bytes) -> str | None:
    """The trace's id (https://www.w3.org/TR/trace-context/#traceparent-header)."""
    found = _TRACE.fullmatch(parent)
    return found[1].decode() if found is not None else None
