"""The tables of routes: their targets, timeouts, prices, cached and stored answers."""

from typing import Annotated, Literal

from msgspec import Meta

from .schema_experiment import ExperimentTable
from .table import Count, Dollars, Rate, Seconds, Share, Table


class TimeoutsTable(Table, frozen=True):
    """Limits on one attempt at a target; what is left out falls to the next: target, route, provider, default."""

    connect: Annotated[Seconds | None, Meta(description="Seconds for DNS, TCP and TLS. Default 5.")] = None
    first_byte: Annotated[
        Seconds | None,
        Meta(description="Seconds until the answer begins. Default 60 for a stream; a whole answer has `total` alone."),
    ] = None
    idle: Annotated[Seconds | None, Meta(description="Seconds between two pieces of the answer. Default 30.")] = None
    total: Annotated[Seconds | None, Meta(description="Seconds for the whole attempt. Default 600.")] = None
    first_token: Annotated[
        Seconds | None,
        Meta(
            description="Seconds until a stream's first content. Default none; with another target left, a learned one."
        ),
    ] = None
    rate: Annotated[
        Rate | None,
        Meta(
            description="Pieces (about tokens) a second that a stream keeps up. Default none; 0.2 with another target."
        ),
    ] = None


class RetryTable(Table, frozen=True):
    """How a request insists where targets fail."""

    tries: Annotated[Count, Meta(description="Of one request, at all targets together.")] = 6
    burst: Annotated[Count, Meta(description="Tries in any 3 seconds.")] = 4
    backoff: Annotated[Seconds, Meta(description="Seconds before a target is tried again; doubled, jittered.")] = 0.25
    max_backoff: Annotated[Seconds, Meta(description="Longest such wait.")] = 8.0
    patience: Annotated[
        float, Meta(ge=0, description="Seconds that a request may wait in all where no target can take it at once.")
    ] = 20.0
    total: Annotated[Seconds | None, Meta(description="Seconds for the request. Default: `timeouts.total`.")] = None
    limits: Annotated[bool, Meta(description="Learned, narrower timeouts while another target is left.")] = True


class HedgeTable(Table, frozen=True):
    """A second target is asked as well when the first is slower than usual."""

    quantile: Annotated[float, Meta(gt=0, lt=1, description="Of the first's times to the first token.")] = 0.95
    share: Annotated[float, Meta(gt=0, le=1, description="Of requests that may be hedged.")] = 0.05
    samples: Annotated[Count, Meta(description="Requests after which a target's times are known.")] = 20


class CircuitTable(Table, frozen=True):
    """When a target that fails is passed over."""

    failures: Annotated[Count, Meta(description="Within half a minute, and half of its tries.")] = 3
    open: Annotated[Seconds, Meta(description="Seconds until one request may probe it; doubled if that fails.")] = 5.0
    max_open: Annotated[Seconds, Meta(description="Longest such time.")] = 15.0


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
    """What a target may be asked for. One that is at a limit is passed over; each worker keeps its share."""

    rpm: Annotated[Count | None, Meta(description="Requests per minute.")] = None
    tpm: Annotated[Count | None, Meta(description="Tokens per minute.")] = None
    concurrent: Annotated[Count | None, Meta(description="Requests at one time.")] = None


class StickyTable(Table, frozen=True):
    """Requests of one unit stay with one target, while it can take them."""

    by: Annotated[
        Literal["user", "session", "conversation"],
        Meta(description="Whose: `user` or key; header `x-tsuji-session` or `prompt_cache_key`; how prompts begin."),
    ]
    ttl: Annotated[
        Seconds, Meta(description="Seconds for which it is remembered; `weighted` knows it without remembering.")
    ] = 3600.0


class AffinityTable(Table, frozen=True):
    """Requests that begin alike go to the target that has their beginning in its cache."""

    prefix: Annotated[Count, Meta(description="Characters of the beginning that are compared, at most.")] = 4096
    load: Annotated[
        float, Meta(ge=1, description="No target gets more than this many times its share of the requests under way.")
    ] = 1.25


class TargetTable(Table, frozen=True):
    """A target with more to say than its name."""

    model: Annotated[str, Meta(description="`provider:model`.")]
    weight: Annotated[float, Meta(ge=0, description="Its share where the strategy draws.")] = 1.0
    timeouts: TimeoutsTable | None = None
    prefill: Annotated[
        bool | None,
        Meta(description="It goes on from an assistant's message at the end. Default: what the catalogue knows."),
    ] = None
    price: PriceTable | None = None
    limits: LimitsTable | None = None
    tags: Annotated[
        tuple[str, ...], Meta(description="Words that a route, a key or a request may require, such as a region.")
    ] = ()
    data: Annotated[
        tuple[Literal["no_training", "local_only"], ...],
        Meta(description="What holds for what is sent there, by your word. The local engine's models have both."),
    ] = ()
    context: Annotated[
        Count | None, Meta(description="Tokens of its window. Default: what the price data says, if it says it.")
    ] = None
    capabilities: Annotated[
        tuple[Literal["tools", "images", "audio", "documents", "json_schema", "thinking"], ...] | None,
        Meta(description="All that it has: a request that needs more goes elsewhere. Default: not known, not checked."),
    ] = None


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
        tuple[str | TargetTable, ...],
        Meta(min_length=1, description="`provider:model`, or a table. In the order of `priority`."),
    ]
    strategy: Annotated[
        Literal["priority", "weighted", "latency", "least_busy", "cost", "learned", "experiment"],
        Meta(description="How a target is chosen."),
    ] = "priority"
    policy: Annotated[
        str | None,
        Meta(description="Strategy `learned`: file that `tsuji router train` wrote; its path from this file's folder."),
    ] = None
    tolerance: Annotated[
        Share | None,
        Meta(
            description="Strategy `learned`: of predicted quality, below the best. Default 0.02; 0 with `max_cost`.",
        ),
    ] = None
    max_cost: Annotated[
        Dollars | None, Meta(description="Strategy `learned`: US dollars that a request may be expected to cost.")
    ] = None
    explore: Annotated[
        Share | None,
        Meta(description="Strategy `learned`: of requests, to others within the tolerance. Default 0.05."),
    ] = None
    require: Annotated[
        tuple[str, ...],
        Meta(description="What a target must be: tags, `no_training` or `local_only`. Others are never asked."),
    ] = ()
    sticky: StickyTable | None = None
    affinity: AffinityTable | None = None
    timeouts: TimeoutsTable | None = None
    retry: RetryTable | None = None
    hedge: Annotated[HedgeTable | None, Meta(description="Default: no request is hedged.")] = None
    circuit: CircuitTable | None = None
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
