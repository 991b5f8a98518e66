"""The sums of all workers as Prometheus reads them.

Names are those of the OpenTelemetry GenAI conventions where they have one for it, as Prometheus spells them
(https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/); else `tsuji_*`, with units.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder

from tsuji import __version__

from .semantics import OPERATIONS, provider_and_model
from .series import DURATION, FIRST_TOKEN, OVERHEAD, PARTS, TOKENS, Calls, Histogram, Labels, Series, plus
from .snapshots import Everyone

MICRO = 1_000_000
NANO = 1_000_000_000
_GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
_REQUEST = ("route", "target", "dialect", "operation", "status", "code", "error_type")
_WHERE = ("route", "target", "operation")


def render(everyone: Everyone, accept: str) -> tuple[bytes, str]:
    """The text and its content type. accept: the scraper's header, which may ask for OpenMetrics."""
    encoder, content_type = choose_encoder(accept)
    collector: Any = _Collector(everyone)
    return encoder(collector), content_type


class _Collector:
    def __init__(self, everyone: Everyone) -> None:
        self._everyone = everyone

    def collect(self) -> Iterator[object]:
        sums = self._everyone.sums
        asked = [series for series in sums.series if series.labels.operation in OPERATIONS]
        yield _requests(sums.series)
        yield from _durations(asked, sums.calls)
        yield from _tokens(asked)
        yield from _costs(asked)
        yield from _events(sums.events)
        yield from self._gauges()

    def _gauges(self) -> Iterator[object]:
        live = self._everyone.gauges
        up = [gauges.ledger_up for gauges in live if gauges.ledger_up is not None]
        yield GaugeMetricFamily("tsuji_workers", "Worker processes that live.", value=len(live))
        connections = sum(gauges.connections for gauges in live)
        yield GaugeMetricFamily("tsuji_connections_open", "Connections of clients.", value=connections)
        streams = sum(gauges.streams for gauges in live)
        yield GaugeMetricFamily("tsuji_streams_open", "Streams that are being sent.", value=streams)
        held = sum(gauges.spool_held for gauges in live)
        yield GaugeMetricFamily(
            "tsuji_spool_held_bytes", "Usage records in memory only, because the disk takes none.", value=held
        )
        if up:
            yield GaugeMetricFamily(
                "tsuji_ledger_up", "1: every worker can record usage and reach the database.", value=int(all(up))
            )
        yield InfoMetricFamily("tsuji_build", "The version that answers.", value={"version": __version__})


def _requests(series: Iterable[Series]) -> CounterMetricFamily:
    family = CounterMetricFamily("tsuji_requests", "Requests that have ended, refused ones included.", labels=_REQUEST)
    for one in series:
        family.add_metric(_request(one.labels), one.count)
    return family


def _request(labels: Labels) -> tuple[str, ...]:
    code = str(labels.http_status) if labels.http_status else ""
    return labels.route, labels.target, labels.dialect, labels.operation, labels.status, code, labels.error


def _durations(asked: list[Series], calls: list[Calls]) -> Iterator[HistogramMetricFamily]:
    yield _histogram(
        "gen_ai_server_request_duration_seconds",
        "From a complete request to the end of its answer.",
        ("route", *_GEN_AI, "error_type"),
        [((one.labels.route, *_gen_ai(one.labels), one.labels.error), one.latency) for one in asked],
        DURATION,
        MICRO,
    )
    yield _histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "From a complete request to the first part of a streamed answer.",
        ("route", *_GEN_AI),
        [((one.labels.route, *_gen_ai(one.labels)), one.first_token) for one in asked],
        FIRST_TOKEN,
        MICRO,
    )
    yield _histogram(
        "gen_ai_client_operation_duration_seconds",
        "Of attempts at a target.",
        (*_GEN_AI, "error_type"),
        [((one.operation, *provider_and_model(one.target), one.error), one.duration) for one in calls],
        DURATION,
        MICRO,
    )
    yield _histogram(
        "tsuji_overhead_seconds",
        "The gateway's own part of a request, up to the head of its answer.",
        ("dialect", "operation"),
        [((one.labels.dialect, one.labels.operation), one.overhead) for one in asked],
        OVERHEAD,
        MICRO,
    )


def _tokens(asked: list[Series]) -> Iterator[object]:
    told = [(_gen_ai(one.labels), one) for one in asked]
    yield _histogram(
        "gen_ai_client_token_usage",
        "Tokens per request, as the provider counts them.",
        (*_GEN_AI, "gen_ai_token_type"),
        [((*where, "input"), one.inputs) for where, one in told]
        + [((*where, "output"), one.outputs) for where, one in told],
        TOKENS,
        1,
    )
    family = CounterMetricFamily(
        "tsuji_tokens",
        "Tokens by kind: input and output are whole, the others are parts of them.",
        labels=(*_WHERE, "kind"),
    )
    kinds: dict[tuple[str, ...], int] = {}
    for one in asked:
        labels = one.labels
        for kind, count in zip(("input", "output", *PARTS), (one.inputs[-1], one.outputs[-1], *one.parts), strict=True):
            if count:
                key = (labels.route, labels.target, labels.operation, kind)
                kinds[key] = kinds.get(key, 0) + count
    for key, count in kinds.items():
        family.add_metric(key, count)
    yield family


def _costs(asked: list[Series]) -> Iterator[CounterMetricFamily]:
    spent: dict[tuple[str, ...], list[int]] = {}
    for one in asked:
        if one.labels.target:
            where = (one.labels.route, one.labels.target, one.labels.operation)
            plus(spent.setdefault(where, [0, 0]), [one.cost, one.unpriced])
    cost = CounterMetricFamily("tsuji_cost_dollars", "US dollars, of answers whose cost is known.", labels=_WHERE)
    unpriced = CounterMetricFamily("tsuji_unpriced_requests", "Answers whose cost is unknown.", labels=_WHERE)
    for where, (dollars, times) in spent.items():
        cost.add_metric(where, dollars / NANO)
        unpriced.add_metric(where, times)
    yield cost
    yield unpriced


def _events(events: dict[tuple[str, str, str], int]) -> Iterator[CounterMetricFamily]:
    for what, name, text, labels in (
        ("cache", "tsuji_cache_requests", "What the cache had to do with a request.", ("route", "result")),
        ("guarded", "tsuji_guardrail_actions", "What guardrails did.", ("route", "guardrail", "action")),
        ("dropped", "tsuji_telemetry_dropped", "What an output could not take in time.", ("output",)),
    ):
        family = CounterMetricFamily(name, text, labels=labels)
        for (kind, route, which), times in events.items():
            if kind == what:
                family.add_metric(_event(what, route, which), times)
        yield family


def _event(what: str, route: str, which: str) -> tuple[str, ...]:
    if what == "guarded":
        guardrail, _, action = which.rpartition(":")
        return route, guardrail, action
    return (which,) if what == "dropped" else (route, which)


def _gen_ai(labels: Labels) -> tuple[str, str, str]:
    return labels.operation, *provider_and_model(labels.target)


def _histogram(
    name: str,
    text: str,
    labels: tuple[str, ...],
    seen: list[tuple[tuple[str, ...], Histogram]],
    bounds: tuple[int, ...],
    scale: int,
) -> HistogramMetricFamily:
    """seen: with labels that may repeat. scale: what a bound is divided by."""
    added: dict[tuple[str, ...], Histogram] = {}
    for key, numbers in seen:
        if any(numbers):
            plus(added.setdefault(key, [0] * len(numbers)), numbers)
    edges = [*[_number(bound, scale) for bound in bounds], "+Inf"]
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, numbers in added.items():
        buckets = list(zip(edges, accumulate(numbers[:-1]), strict=True))
        family.add_metric(key, buckets, numbers[-1] / scale)
    return family


def _number(bound: int, scale: int) -> str:
    return repr(float(bound) if scale == 1 else bound / scale)
