"""What was used: sums, records, and what was changed by whom."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tsuji.ledger import audit, report, requests
from tsuji.ledger.keys import moment
from tsuji.ledger.record import Record

from .call import Call
from .shapes import Body, Cursor, Limit, Page, Paged, Text, Time, cursor, micro, position

RequestId = Annotated[Text, Meta(description="As `x-tsuji-request-id` says it.")]


class Filter(Body, frozen=True, kw_only=True):
    """Which requests; what is left out is not looked at. until: not included."""

    since: Time | None = None
    until: Time | None = None
    key_id: Text | None = None
    user_id: Text | None = None
    team_id: Text | None = None
    route: Text | None = None
    target: Text | None = None
    status: Literal["done", "failed", "refused", "cut", "cancelled"] | None = None
    tag: Annotated[Text, Meta(description="One that the client or the key gave.")] | None = None


class SumQuery(Filter, frozen=True, kw_only=True):
    by: Annotated[Literal["key", "user", "team", "route", "target", "day"], Meta(description="What to add up by.")] = (
        "target"
    )
    limit: Limit = 100


class RecordQuery(Filter, frozen=True, kw_only=True):
    limit: Limit = 100
    after: Cursor | None = None


class AuditQuery(Paged, frozen=True, kw_only=True):
    object: Annotated[Text, Meta(description="The id of what was changed.")] | None = None


class SumFacts(msgspec.Struct, frozen=True):
    """name: of the key (its id and name), user and so on; of a day its date, UTC. failed: that did not end well.

    refused: for which no target was tried; they are none of the failed.
    cost: nano-dollars, of those requests whose cost is known; unpriced: how many of the others there are.
    """

    name: str
    requests: int
    failed: int
    refused: int
    input_tokens: int
    output_tokens: int
    cost: int
    unpriced: int


class Sums(msgspec.Struct, frozen=True):
    """The dearest first, days in order. omitted: how many there are beyond these."""

    items: list[SumFacts]
    omitted: int


class AttemptFacts(msgspec.Struct, frozen=True):
    """One try at a target. cost: nano-dollars; null: unknown."""

    target: str
    started: datetime
    ended: datetime
    error: str | None
    cost: int | None


class AssignedFacts(msgspec.Struct, frozen=True):
    """Its part in an experiment. unit: hash of the user's or session's name, "" where each request is its own. share:
    the probability of the arm. shadow_of: the request that it mirrors.
    """

    experiment: str
    arm: str
    unit: str
    share: float
    shadow_of: str | None


class RecordFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as docs/ledger.md describes it. latency, first_token: microseconds. cost: nano-dollars. What is not
    known is null. attempts, explain: where one record was asked for, else null. explain: which targets there were to
    choose among, what removed others, scores, the draw, and the attempts; null also where the first target was tried
    and nothing else.
    """

    id: str
    time: datetime
    key_id: str | None
    user_id: str | None
    team_id: str | None
    route: str
    target: str | None
    dialect: str
    provider_dialect: str | None
    operation: str
    stream: bool
    status: str
    http_status: int | None
    error: str | None
    latency: int
    first_token: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    reasoning_tokens: int | None
    audio_input_tokens: int | None
    audio_output_tokens: int | None
    cost: int | None
    price_source: str | None
    price_version: str | None
    service_tier: str | None
    tags: tuple[str, ...]
    trace: str | None
    cache: str | None
    guarded: tuple[str, ...]
    explain: dict[str, Any] | None
    assigned: AssignedFacts | None
    attempts: list[AttemptFacts] | None


class ChangeFacts(msgspec.Struct, frozen=True):
    """who: "cli", or the id of an admin token. object: the id of what was changed. details: what it was changed to."""

    id: int
    time: datetime
    who: str
    action: str
    object: str
    details: dict[str, Any]


def sum_usage(call: Call, query: SumQuery) -> Sums:
    """Add up requests, tokens and cost."""
    sums = report.add_up(call.engine, query.by, _which(query))
    return Sums([SumFacts(**one._asdict()) for one in sums[: query.limit]], max(len(sums) - query.limit, 0))


def list_records(call: Call, query: RecordQuery) -> Page[RecordFacts]:
    """List the records of requests, newest first."""
    before = position(query.after)
    records, end = requests.page(call.engine, _which(query), before=before, limit=query.limit)
    return Page([_facts(record, None) for record in records], cursor(end))


def get_record(call: Call, id: RequestId) -> RecordFacts:
    """Show the record of a request, with its attempts."""
    record = requests.get(call.engine, id)
    attempts = [AttemptFacts(a.target, moment(a.started), moment(a.ended), a.error, a.cost) for a in record.attempts]
    return _facts(record, attempts)


def list_changes(call: Call, query: AuditQuery) -> Page[ChangeFacts]:
    """List what was changed, when and by whom, newest first."""
    before = position(query.after)
    found, end = audit.changes(
        call.engine, before=None if before is None else before[0], object=query.object, limit=query.limit
    )
    facts = [ChangeFacts(one.id, moment(one.time), one.who, one.action, one.object, one.details) for one in found]
    return Page(facts, cursor(None if end is None else (end, "")))


def _which(query: Filter) -> requests.Which:
    given: dict[str, Any] = {name: getattr(query, name) for name in Filter.__struct_fields__}
    times: dict[str, Any] = {name: None if given[name] is None else micro(given[name]) for name in ("since", "until")}
    return requests.Which(**{**given, **times})


def _facts(record: Record, attempts: list[AttemptFacts] | None) -> RecordFacts:
    names = [name for name in RecordFacts.__struct_fields__ if name not in ("time", "attempts", "assigned")]
    values = {name: getattr(record, name) for name in names}
    part = AssignedFacts(**msgspec.structs.asdict(record.assigned)) if record.assigned is not None else None
    return RecordFacts(**values, time=moment(record.time), attempts=attempts, assigned=part)
