"""Spans: the request as a server's, each attempt at a target as a client's below it.

By the conventions for HTTP servers (https://opentelemetry.io/docs/specs/semconv/http/http-spans/) and for GenAI clients
(https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-spans.md). Never with a
prompt or an answer in them.
"""

import uuid

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from tsuji.ledger.record import Attempt, Record

from .exporter import Attempted, Orders, Seen
from .semantics import provider_and_model

_MICRO = 1_000_000
_NANO = 1_000_000_000
_QUEUE = 16_384
_SERVER_ERROR = 500

Attributes = dict[str, str | bool | int | float]


def resource(orders: Orders) -> Resource:
    return Resource.create(
        {
            "service.name": orders.service_name,
            "service.version": orders.version,
            "service.instance.id": str(uuid.uuid4()),
        }
    )


class Spans:
    """`add` what has ended, `close` in the end."""

    def __init__(self, orders: Orders, described: Resource) -> None:
        exporter = OTLPSpanExporter(endpoint=f"{orders.otlp}/v1/traces", headers=orders.headers)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=_QUEUE, schedule_delay_millis=1000)
        self._resource = described
        self._scope = InstrumentationScope("tsuji", orders.version)

    def add(self, seen: Seen) -> None:
        record = seen.record
        state = TraceState.from_header([seen.state]) if seen.state else TraceState()
        server = _context(seen.trace, seen.span, state)
        parent = _context(seen.trace, seen.parent, state, remote=True) if seen.parent else None
        failed = record.status in ("cut", "cancelled") or (record.http_status or 0) >= _SERVER_ERROR
        self._end(
            f"{seen.method} {seen.endpoint}",
            SpanKind.SERVER,
            server,
            parent,
            server_attributes(seen),
            (record.time * 1000, (record.time + record.latency) * 1000),
            failed,
        )
        sent = {attempt.number: attempt for attempt in seen.attempts}
        for number, attempt in enumerate(record.attempts, 1):
            one = sent.get(number)
            if one is None:
                continue  # it was never sent
            model = provider_and_model(attempt.target)[1]
            self._end(
                f"{record.operation} {model}",
                SpanKind.CLIENT,
                _context(seen.trace, one.span, state),
                server,
                attempt_attributes(seen, attempt, one),
                (attempt.started * 1000, attempt.ended * 1000),
                attempt.error is not None,
            )

    def close(self) -> None:
        self._processor.shutdown()

    def _end(
        self,
        name: str,
        kind: SpanKind,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Attributes,
        times: tuple[int, int],
        failed: bool,
    ) -> None:
        self._processor.on_end(
            ReadableSpan(
                name=name,
                context=context,
                parent=parent,
                resource=self._resource,
                attributes=attributes,
                kind=kind,
                status=Status(StatusCode.ERROR) if failed else Status(),
                start_time=times[0],
                end_time=times[1],
                instrumentation_scope=self._scope,
            )
        )


def server_attributes(seen: Seen) -> Attributes:
    record = seen.record
    found: dict[str, str | bool | int | float | None] = {
        "http.request.method": seen.method,
        "http.route": seen.endpoint,
        "url.path": seen.path,
        "url.scheme": "http",
        "client.address": seen.client or None,
        "http.response.status_code": record.http_status,
        "error.type": record.error or ("cancelled" if record.status == "cancelled" else None),
        "tsuji.request.id": record.id,
        "tsuji.route": record.route,
        "tsuji.target": record.target,
        "tsuji.dialect": record.dialect,
        "tsuji.status": record.status,
        "tsuji.attempts": len(record.attempts),
        "tsuji.cost": record.cost / _NANO if record.cost is not None else None,
        "tsuji.overhead": seen.spent,
        "tsuji.key.id": record.key_id,
        "tsuji.user": record.user_id,
        "tsuji.team": record.team_id,
        "tsuji.cache": record.cache,
    }
    return {name: value for name, value in found.items() if value is not None}


def attempt_attributes(seen: Seen, attempt: Attempt, sent: Attempted) -> Attributes:
    record = seen.record
    provider, model = provider_and_model(attempt.target)
    found: dict[str, str | bool | int | float | None] = {
        "gen_ai.operation.name": record.operation,
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.request.stream": True if record.stream else None,
        "server.address": sent.host,
        "server.port": sent.port or None,
        "error.type": attempt.error,
        "tsuji.attempt": sent.number,
        "tsuji.cost": attempt.cost / _NANO if attempt.cost is not None else None,
    }
    if sent.number == len(record.attempts) and record.status != "failed":
        found |= _answer(record, attempt, seen.model)
    return {name: value for name, value in found.items() if value is not None}


def _answer(record: Record, attempt: Attempt, model: str | None) -> dict[str, str | bool | int | float | None]:
    """What is known of the answer, of the attempt that it is of."""
    first = None
    if record.first_token is not None:
        first = max(record.time + record.first_token - attempt.started, 0) / _MICRO
    return {
        "gen_ai.response.model": model,
        "gen_ai.response.time_to_first_chunk": first,
        "gen_ai.usage.input_tokens": record.input_tokens,
        "gen_ai.usage.output_tokens": record.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cached_tokens,
        "gen_ai.usage.cache_creation.input_tokens": record.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": record.reasoning_tokens,
        "gen_ai.usage.audio.input_tokens": record.audio_input_tokens,
        "gen_ai.usage.audio.output_tokens": record.audio_output_tokens,
    }


def _context(trace: str, span: str, state: TraceState, *, remote: bool = False) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), remote, TraceFlags(TraceFlags.SAMPLED), state)
