"""Traces and metrics, at a collector that takes what the official SDK sends."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra 'otel' is not installed")

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests import answers
from tests.gateway import asking
from tests.gateway.collecting import Collector, plain
from tests.gateway.scraping import scrape
from tests.gateway.serving import Serving, config, request
from tests.scripted import CUT, STALL, Reply, Scripted
from tsuji.catalog.prices import Price
from tsuji.config import Secret, Server, Telemetry
from tsuji.core.errors import ConfigError
from tsuji.gateway import Gateway
from tsuji.gateway.observe import tracing

PRICE = Price(input=2_000_000_000, output=8_000_000_000)
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TOLD = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=x"}
KEY = "canary-key-of-the-configuration"
SHOWN = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.close()


@pytest.fixture
def traced(serve: Any, scripted: Any, collector: Collector) -> Any:
    """`traced(script) -> (gateway, provider)`, whose route "fast" leads to "up:x", then "up:m"."""

    def one(script: Any, **more: Any) -> tuple[Serving, Scripted]:
        provider = scripted(script)
        settings = config(
            {"up": ("openai", provider.url)},
            {"fast": ["up:x", "up:m"]},
            server=Server(port=0, keys=[KEY]),
            prices={"up:m": PRICE},
            telemetry=Telemetry(**{"otlp": collector.url, "headers": {"x-token": Secret("canary-token")}, **more}),
        )
        return serve(settings), provider

    return one


def ended(gateway: Serving) -> None:
    """What there is to send has been sent."""
    gateway.stop()


def test_a_request_and_its_attempts(traced: Any, collector: Collector) -> None:
    gateway, provider = traced([answers.error("openai", 503), answers.chat("openai")])
    path, body = asking.chat("anthropic", model="fast")
    answer = gateway.ask(path, body, SHOWN | TOLD)
    assert answer.status == 200
    ended(gateway)
    server, first, second = sorted(collector.spans, key=lambda span: (span.kind, span.start_time_unix_nano))
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert (server.parent_span_id.hex(), server.kind, server.name) == (
        PARENT,
        Span.SPAN_KIND_SERVER,
        "POST /v1/messages",
    )
    assert first.parent_span_id == second.parent_span_id == server.span_id
    assert [asked.headers["traceparent"] for asked in provider.requests] == [
        f"00-{TRACE}-{span.span_id.hex()}-01" for span in (first, second)
    ]
    assert {asked.headers["tracestate"] for asked in provider.requests} == {"vendor=x"}
    told = plain(server.attributes)
    expected = {
        "http.request.method": "POST",
        "http.route": "/v1/messages",
        "http.response.status_code": 200,
        "client.address": "127.0.0.1",
        "tsuji.request.id": answer.headers["x-tsuji-request-id"],
        "tsuji.route": "fast",
        "tsuji.target": "up:m",
        "tsuji.attempts": 2,
        "tsuji.cost": 0.00006,
        "tsuji.key.id": "server.keys",
    }
    assert {name: told[name] for name in expected} == expected
    common = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "up", "server.address": "127.0.0.1"}
    port = {"server.port": int(provider.url.rsplit(":", 1)[1])}
    failed = {"gen_ai.request.model": "x", "error.type": "upstream_unavailable", "tsuji.attempt": 1}
    assert plain(first.attributes) == common | port | failed
    assert (first.name, first.kind, first.status.code) == ("chat x", Span.SPAN_KIND_CLIENT, Status.STATUS_CODE_ERROR)
    used = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5, "tsuji.cost": 0.00006, "tsuji.attempt": 2}
    expected = common | port | used | {"gen_ai.request.model": "m"}
    found = plain(second.attributes)
    assert {name: found[name] for name in expected} == expected
    assert second.status.code == server.status.code == Status.STATUS_CODE_UNSET
    assert server.start_time_unix_nano <= first.start_time_unix_nano <= first.end_time_unix_nano
    assert first.end_time_unix_nano <= second.start_time_unix_nano <= second.end_time_unix_nano
    assert second.end_time_unix_nano <= server.end_time_unix_nano + 5_000_000
    (resource,) = collector.resources
    assert resource["service.name"] == "tsuji"
    assert all(headers["x-token"] == "canary-token" for headers in collector.headers)


@pytest.mark.parametrize("client", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_relayed_and_translated(client: str, stream: bool, traced: Any, collector: Collector) -> None:
    script = answers.stream("openai") if stream else answers.chat("openai")
    gateway, _ = traced(script)
    assert gateway.ask(*asking.chat(client, model="up:m", stream=stream), SHOWN).status == 200
    ended(gateway)
    server, call = sorted(collector.spans, key=lambda span: span.kind)
    found = plain(call.attributes)
    assert server.parent_span_id == b""
    assert found["gen_ai.response.model"]
    assert found["gen_ai.usage.output_tokens"] == 5
    assert found.get("gen_ai.request.stream", False) is stream
    assert ("gen_ai.response.time_to_first_chunk" in found) is stream


def test_refused_cut_and_cancelled(traced: Any, collector: Collector) -> None:
    begun = answers.stream("openai").body
    assert isinstance(begun, list)
    replies = iter([Reply([*begun[:2], end], content_type=answers.SSE) for end in (CUT, STALL)])
    gateway, _ = traced(lambda _: next(replies))
    assert gateway.ask(*asking.chat("openai", model="nobody:m"), SHOWN).status == 404
    assert gateway.ask(*asking.chat("openai", model="fast")).status == 401
    gateway.ask("/healthz", b"", None, "GET")
    gateway.ask(*asking.chat("openai", model="up:m", stream=True), SHOWN)
    with gateway.client() as client:
        client.send(request(*asking.chat("openai", model="up:m", stream=True), SHOWN))
        client.piece()
    while gateway.gateway.connections:
        time.sleep(0.001)
    ended(gateway)
    servers = [span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER]
    told = [(plain(span.attributes).get("error.type"), span.status.code) for span in servers]
    error, unset = Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET
    assert sorted(told, key=str) == [
        ("authentication", unset),
        ("cancelled", error),
        ("model_not_found", unset),
        ("stream_interrupted", error),
    ]
    assert len(collector.spans) == 4 + 2


@pytest.mark.parametrize(
    ("sample", "flag", "sampled"), [(1.0, "00", False), (0.0, "01", True), (0.0, "", False), (1.0, "", True)]
)
def test_who_decides_what_is_traced(sample: float, flag: str, sampled: bool, traced: Any, collector: Collector) -> None:
    gateway, provider = traced(answers.chat("openai"), sample=sample)
    told = {"traceparent": f"00-{TRACE}-{PARENT}-{flag}"} if flag else {}
    gateway.ask(*asking.chat("openai", model="up:m"), SHOWN | told)
    ended(gateway)
    assert bool(collector.spans) is sampled
    assert provider.requests[0].headers["traceparent"].endswith("-01" if sampled else "-00")
    assert "gen_ai.server.request.duration" in collector.metrics()


@pytest.mark.parametrize(
    "parent", ["", "00-" + "0" * 32 + "-" + PARENT + "-01", "ff-" + TRACE + "-" + PARENT + "-01", "x"]
)
def test_a_parent_that_is_none(parent: str, traced: Any, collector: Collector) -> None:
    gateway, provider = traced(answers.chat("openai"), propagate=bool(parent))
    gateway.ask(*asking.chat("openai", model="up:m"), SHOWN | {"traceparent": parent})
    ended(gateway)
    server = next(span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)
    assert server.parent_span_id == b"" and server.trace_id.hex() != TRACE and any(server.trace_id)
    assert ("traceparent" in provider.requests[0].headers) is bool(parent)


def test_metrics(traced: Any, collector: Collector) -> None:
    gateway, _ = traced(
        lambda asked: answers.error("openai", 429) if asked.json()["model"] == "x" else answers.chat("openai")
    )
    for _ in range(3):
        assert gateway.ask(*asking.chat("openai", model="fast"), SHOWN).status == 200
    gateway.ask(*asking.chat("openai", model="up:canary"), SHOWN)
    ended(gateway)
    found = collector.metrics()
    calls = {
        (told["gen_ai.request.model"], told.get("error.type")): point.count
        for point in found["gen_ai.client.operation.duration"].histogram.data_points
        for told in [plain(point.attributes)]
    }
    assert calls == {("x", "rate_limit"): 1, ("m", None): 3, ("*", None): 1}  # who limits is left alone for a while
    duration = found["gen_ai.server.request.duration"]
    assert duration.unit == "s"
    assert sum(point.count for point in duration.histogram.data_points) == 4
    assert duration.histogram.data_points[0].explicit_bounds[:2] == [0.01, 0.02]
    tokens = {
        (told["tsuji.route"], told["gen_ai.token.type"]): point.sum
        for point in found["gen_ai.client.token.usage"].histogram.data_points
        for told in [plain(point.attributes)]
    }
    assert tokens == {("fast", "input"): 30, ("fast", "output"): 15, ("*", "input"): 10, ("*", "output"): 5}
    (cost,) = found["tsuji.cost"].sum.data_points
    assert cost.as_double == pytest.approx(0.00018)


def test_neither_keys_nor_prompts_nor_answers(traced: Any, collector: Collector) -> None:
    script = [answers.error("openai", 401, "upstream-key is wrong"), answers.chat("openai", "canary-answer")]
    gateway, _ = traced([*script, answers.stream("openai", ["canary", "-answer"])])
    gateway.ask(*asking.chat("openai", model="fast", user="canary-user"), SHOWN)
    gateway.ask(*asking.chat("openai", model="up:m", stream=True), SHOWN)
    gateway.ask(*asking.chat("openai", model="tsuji-" + "k" * 43), SHOWN)
    gateway.ask("/v1/chat/completions?key=" + KEY, b"{}")
    ended(gateway)
    assert len(collector.spans) == 7
    for secret in (b"canary", b"upstream-key", b"kkkk"):
        assert secret not in collector.raw


def test_a_collector_that_is_not_there(traced: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway, _ = traced(lambda _: answers.chat("openai"), otlp=f"http://127.0.0.1:{listener.getsockname()[1]}")
    for _ in range(20):
        assert gateway.ask(*asking.chat("openai", model="up:m"), SHOWN).status == 200


def test_its_process_dies_and_another_takes_over(
    traced: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_AGAIN_SECONDS", 0.0)
    gateway, _ = traced(lambda _: answers.chat("openai"))
    tracer = gateway.gateway.tracer
    tracer._process.kill()
    tracer._process.wait()
    deadline = time.monotonic() + 20
    while tracer._process.poll() is not None:
        assert gateway.ask(*asking.chat("openai", model="up:m"), SHOWN).status == 200
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert gateway.ask(*asking.chat("openai", model="up:m"), SHOWN).status == 200
    assert scrape(gateway.port, SHOWN)("tsuji_telemetry_dropped_total", output="telemetry") >= 1
    ended(gateway)
    assert collector.spans


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'tsuji\[otel\]'"):
        Gateway(config({}, telemetry=Telemetry(otlp="http://127.0.0.1:4318")))


def test_a_header_that_is_not_there() -> None:
    headers = {"authorization": Secret("env:NOBODY_HAS_SET_THIS")}
    with pytest.raises(ConfigError, match="NOBODY_HAS_SET_THIS"):
        Gateway(config({}, telemetry=Telemetry(otlp="http://127.0.0.1:4318", headers=headers)))
