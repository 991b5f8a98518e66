"""Metrics of the GenAI conventions, and money.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md
"""

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from .exporter import Orders, Seen
from .semantics import provider_and_model
from .series import DURATION, FIRST_TOKEN, OTHER, TOKENS

_MICRO = 1_000_000
_NANO = 1_000_000_000
_SECONDS = [bound / _MICRO for bound in DURATION]


class Meters:
    """`add` what has ended, `close` in the end."""

    def __init__(self, orders: Orders, described: Resource) -> None:
        exporter = OTLPMetricExporter(endpoint=f"{orders.otlp}/v1/metrics", headers=orders.headers)
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=orders.interval * 1000)
        self._provider = MeterProvider(metric_readers=[reader], resource=described)
        self._routes = frozenset(orders.routes)
        meter = self._provider.get_meter("tsuji", orders.version)

        def seconds(name: str, text: str, bounds: list[float]) -> Histogram:
            return meter.create_histogram(name, "s", text, explicit_bucket_boundaries_advisory=bounds)

        self._request = seconds("gen_ai.server.request.duration", "Requests of clients.", _SECONDS)
        self._first = seconds(
            "gen_ai.server.time_to_first_token", "Streams of clients.", [bound / _MICRO for bound in FIRST_TOKEN]
        )
        self._call = seconds("gen_ai.client.operation.duration", "Attempts at targets.", _SECONDS)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens per request.",
            explicit_bucket_boundaries_advisory=list(TOKENS),
        )
        self._cost = meter.create_counter("tsuji.cost", "{USD}", "US dollars, of answers whose cost is known.")

    def add(self, seen: Seen) -> None:
        record = seen.record
        known = record.route in self._routes
        where = {"tsuji.route": record.route if known else OTHER, **self._model(record.operation, record.target, known)}
        error = {"error.type": record.error} if record.error is not None else {}
        self._request.record(record.latency / _MICRO, where | error)
        if record.first_token is not None:
            self._first.record(record.first_token / _MICRO, where)
        for kind, tokens in (("input", record.input_tokens), ("output", record.output_tokens)):
            if tokens is not None:
                self._tokens.record(tokens, where | {"gen_ai.token.type": kind})
        if record.cost:
            self._cost.add(record.cost / _NANO, where)
        for attempt in record.attempts:
            failed = {"error.type": attempt.error} if attempt.error is not None else {}
            call = self._model(record.operation, attempt.target, known)
            self._call.record((attempt.ended - attempt.started) / _MICRO, call | failed)

    def close(self) -> None:
        self._provider.shutdown()

    def _model(self, operation: str, target: str | None, known: bool) -> dict[str, str]:
        """known: the target is the configuration's; else a client has chosen its model."""
        if target is None:
            return {"gen_ai.operation.name": operation}
        provider, model = provider_and_model(target)
        return {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model if known else OTHER,
        }
