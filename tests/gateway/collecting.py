"""An OpenTelemetry collector: takes OTLP over HTTP, and keeps what it was sent as the official types."""

import gzip
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def plain(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one) for one in attributes}


def _value(one: KeyValue) -> Any:
    kind = one.value.WhichOneof("value")
    return getattr(one.value, kind) if kind else None


class Collector:
    """url: for `telemetry.otlp`. raw: all bodies and headers that came."""

    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.sent_metrics: list[ExportMetricsServiceRequest] = []
        self.raw = b""
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.raw += body
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                if self.path == "/v1/traces":
                    collector.traces.append(ExportTraceServiceRequest.FromString(body))
                elif self.path == "/v1/metrics":
                    collector.sent_metrics.append(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200 if self.path in ("/v1/traces", "/v1/metrics") else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in list(self.traces)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [plain(one.resource.attributes) for request in self.traces for one in request.resource_spans]

    def metrics(self) -> dict[str, Any]:
        """By name, as they were sent last."""
        found: dict[str, Any] = {}
        for request in self.sent_metrics:
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    found |= {metric.name: metric for metric in scope.metrics}
        return found

    def until(self, done: Callable[[Self], object]) -> None:
        deadline = time.monotonic() + 30
        while not done(self):
            assert time.monotonic() < deadline, "the collector has not been sent it in time"
            time.sleep(0.02)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
