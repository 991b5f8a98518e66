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
_MAX_TIER = 32
"""Letters of a service tier, which may be the client's own word."""
_NOTHING = Usage()
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def record(
    driver: "Driver", sink: "Sink | None", status: str, http_status: int | None, error: TsujiError | None
) -> Record:
    """sink: of the last try. http_status: that the client has seen or is about to; None: nothing."""
    request, now, began, first = driver.request, perf_counter(), driver.began, driver.first_token
    usage, price, cost, upstream, tier = _NOTHING, None, None, None, None
    if sink is not None:
        usage, upstream, tier = sink.usage or _NOTHING, sink.destination.upstream, sink.tier
        price, cost = sink.billed or sink.bill()
    key_id, user_id, team_id, tags = _whose(driver)
    parent = request.headers.get(b"traceparent")
    attempts = _attempts(driver, now)
    made = Record(  # in the order of its fields: by their names it takes three times as long
        driver.id,
        int(driver.came * MICRO),
        key_id,
        user_id,
        team_id,
        driver.model,
        attempts[-1].target if attempts else None,
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
    if driver.guard is not None:
        made.guarded = tuple(driver.guard.acted)
    return made


def _whose(driver: "Driver") -> tuple[str | None, str | None, str | None, tuple[str, ...]]:
    """Key, user, team and tags."""
    grant = driver.request.grant
    if grant is None:
        return CONFIGURED if driver.request.configured else None, None, None, driver.tags
    key = grant.key
    return key.id, key.user_id, key.team_id, (*key.tags, *driver.tags)


def _attempts(driver: "Driver", now: float) -> list[Attempt]:
    """With the wall clock's times: the driver's clock is another, and both were read when the request began."""
    offset = driver.came - driver.began
    return [
        Attempt(
            attempt.target.name,
            int((attempt.started + offset) * MICRO),
            int(((attempt.ended or now) + offset) * MICRO),
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


def trace(parent: bytes) -> str | None:
    """The trace's id (https://www.w3.org/TR/trace-context/#traceparent-header)."""
    found = _TRACE.fullmatch(parent)
    return found[1].decode() if found is not None else None
