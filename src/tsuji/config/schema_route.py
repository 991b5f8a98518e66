"""The tables of routes: their targets, timeouts, prices, cached and stored answers."""

from typing import Annotated, Literal

from msgspec import Meta

from .schema_experiment import ExperimentTable
from .table import Count, Dollars, Seconds, Table


class TimeoutsTable(Table, frozen=True):
    """Limits on one attempt at a target; what is left out falls to the next: target, route, provider, default."""

    connect: Annotated[Seconds | None, Meta(description="Seconds for DNS, TCP and TLS. Default 5.")] = None
    first_byte: Annotated[
        Seconds | None,
        Meta(description="Seconds until the answer begins. Default 60 for a stream; a whole answer has `total` alone."),
    ] = None
    idle: Annotated[Seconds | None, Meta(description="Seconds between two pieces of the answer. Default 30.")] = None
    total: Annotated[Seconds | None, Meta(description="Seconds for the whole attempt. Default 600.")] = None


class PriceTable(Table, frozen=True):
    """What a target costs, in US dollars. It stands in place of any known price; kinds left out are billed as whole."""

    input: Dollars | None = None
    output: Dollars | None = None
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None
    cache_write_1h: Dollars | None = None
    audio_input: Dollars | None = None
    audio_output: Dollars | None = None
    reasoning: Dollars | None = None
    per_request: Annotated[Dollars | None, Meta(description="US dollars per request.")] = None


class LimitsTable(Table, frozen=True):
    """What a target may be asked for."""

    rpm: Annotated[Count | None, Meta(description="Requests per minute.")] = None
    tpm: Annotated[Count | None, Meta(description="Tokens per minute.")] = None
    concurrent: Annotated[Count | None, Meta(description="Requests at one time.")] = None


class TargetTable(Table, frozen=True):
    """A target with more to say than its name."""

    model: Annotated[str, Meta(description="`provider:model`.")]
    weight: Annotated[float, Meta(ge=0, description="Its share where the strategy draws.")] = 1.0
    timeouts: TimeoutsTable | None = None
    price: PriceTable | None = None
    limits: LimitsTable | None = None


class SemanticTable(Table, frozen=True):
    """Answers are also given to a last user's text that means the same, where all else is identical."""

    model: Annotated[str, Meta(description="Of the embeddings: `provider:model`, such as `local:embed`, or a route.")]
    threshold: Annotated[
        float, Meta(gt=0, le=1, description="Cosine similarity from which two texts mean the same. Measure yours.")
    ] = 0.95
    max_entries: Annotated[Count, Meta(description="Texts that are compared with, in each worker.")] = 500


class RouteCacheTable(Table, frozen=True):
    """Whole answers are kept, and given again to who asks the same."""

    ttl: Annotated[Seconds, Meta(description="Seconds that an answer is good for.")] = 3600.0
    store: Annotated[
        Literal["memory", "sqlite", "redis"],
        Meta(description="Of this worker, of this machine, or of all that use the same Redis or Valkey."),
    ] = "memory"
    scope: Annotated[
        Literal["key", "user", "team", "all"],
        Meta(description="Who shares answers: requests with the same key, keys of one user or team, or everyone."),
    ] = "key"
    max_entry: Annotated[Count, Meta(description="Longest answer that is kept, in bytes.")] = 1_048_576
    tool_calls: Annotated[bool, Meta(description="Keep answers that call the client's tools, too.")] = False
    semantic: SemanticTable | None = None


class StoreTable(Table, frozen=True):
    """What of a route's requests is stored in the ledger, beside their usage."""

    prompts: Annotated[bool, Meta(description="Bodies of requests, as clients send them.")] = False
    answers: Annotated[bool, Meta(description="Bodies of answers, as clients get them.")] = False
    retention: Annotated[
        str, Meta(pattern=r"^\d{1,6}[smhdw]$", description="How long: `12h`, `30d`, `4w`; then they are deleted.")
    ] = "30d"
    redact: Annotated[
        tuple[str, ...], Meta(description="Regular expressions (RE2's); what they match is stored as `***`.")
    ] = ()


class RouteTable(Table, frozen=True):
    """A model name that clients ask for, and the targets that can answer."""

    targets: Annotated[
        tuple[str | TargetTable, ...], Meta(min_length=1, description="`provider:model`, or a table. Tried in order.")
    ]
    strategy: Annotated[Literal["priority", "experiment"], Meta(description="How a target is chosen.")] = "priority"
    timeouts: TimeoutsTable | None = None
    drop_params: Annotated[
        bool | None, Meta(description="Leave out what a target cannot say, instead of refusing the request.")
    ] = None
    cache: RouteCacheTable | None = None
    store: Annotated[StoreTable | None, Meta(description="Default: neither prompts nor answers are stored.")] = None
    guardrails: Annotated[tuple[str, ...], Meta(description="Names of [guardrails] that are in force on it.")] = ()
    refuse_unpriced: Annotated[
        bool, Meta(description="Gateway: skip targets whose price is not known; refuse where none is left.")
    ] = False
    experiment: ExperimentTable | None = None
