"""What the ledger is told of a request, from what the driver knows when it ends."""

import re
from time import perf_counter
from typing import TYPE_CHECKING

from tsuji.core.errors import InvalidRequestError, TsujiError
from tsuji.core.usage import Usage
from tsuji.ledger.keys import MICRO
from tsuji.ledger.record import CONFIGURED, Attempt, Record

if TYPE_CHECKING:
    from .driver import Driver
    from .sink import Sink

DONE, FAILED, CUT, CANCELLED = "done", "failed", "cut", "cancelled"
TAGS = b"x-tsuji-tags"
_MAX_TAGS = 32
_MAX_TAG = 128
_NOTHING = Usage()
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def record(
    driver: "Driver", sink: "Sink | None", status: str, http_status: int | None, error: TsujiError | None
) -> Record:
    """sink: of the last try. http_status: that the client has seen or is about to; None: nothing."""
    request, grant, now = driver.request, driver.request.grant, perf_counter()
    key = grant.key if grant is not None else None
    usage = price = cost = upstream = None
    if sink is not None:
        usage, upstream = sink.usage, sink.destination.upstream
        price, cost = sink.billed or sink.bill()
    used = usage or _NOTHING
    attempts = _attempts(driver, now)
    return Record(
        id=request.id.decode(),
        time=int(driver.came * MICRO),
        key_id=key.id if key is not None else CONFIGURED if request.configured else None,
        user_id=key.user_id if key is not None else None,
        team_id=key.team_id if key is not None else None,
        route=driver.model,
        target=attempts[-1].target if attempts else None,
        dialect=driver.dialect.name,
        provider_dialect=upstream.dialect.name if upstream is not None else None,
        operation=driver.operation,
        stream=driver.stream,
        status=status,
        http_status=http_status,
        error=error.kind if error is not None else None,
        latency=int((now - driver.began) * MICRO),
        first_token=int((driver.first_token - driver.began) * MICRO) if driver.first_token is not None else None,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cached_tokens=used.cached_tokens,
        cache_write_tokens=used.cache_write_tokens,
        cache_write_1h_tokens=used.cache_write_1h_tokens,
        reasoning_tokens=used.reasoning_tokens,
        audio_input_tokens=used.audio_input_tokens,
        audio_output_tokens=used.audio_output_tokens,
        cost=cost,
        price_source=price.source if price is not None else None,
        price_version=(price.version or None) if price is not None else None,
        service_tier=sink.tier if sink is not None else None,
        tags=(*key.tags, *driver.tags) if key is not None else driver.tags,
        trace=trace(request.headers.get(b"traceparent")),
        attempts=attempts,
    )


def _attempts(driver: "Driver", now: float) -> list[Attempt]:
    """With the wall clock's times: the driver's clock is another, and both were read when the request began."""
    offset = driver.came - driver.began
    return [
        Attempt(
            attempt.target.name,
            int((attempt.started + offset) * MICRO),
            int(((now if attempt.ended is None else attempt.ended) + offset) * MICRO),
            attempt.error.kind if attempt.error is not None else None,
        )
        for attempt in driver.routing.attempts
    ]


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


def trace(parent: bytes | None) -> str | None:
    """The trace's id (https://www.w3.org/TR/trace-context/#traceparent-header)."""
    found = _TRACE.fullmatch(parent) if parent is not None else None
    return found[1].decode() if found is not None else None
