"""What is counted is what was asked, whoever of several workers was asked it."""

import json
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.scraping import Metrics, scrape
from tests.gateway.serving import Client, config, request
from tests.ledger.workers import Worker, configure
from tests.scripted import STALL, Reply
from tsuji.catalog.prices import Price
from tsuji.config import LedgerConfig, Server
from tsuji.gateway.observe import series
from tsuji.gateway.observe.counters import Counters
from tsuji.routing.retry import Retry

PRICE = Price(input=2_000_000_000, output=8_000_000_000)
"""10 tokens in and 5 out cost 60 000 nano-dollars."""
KEY = "a-key-of-the-configuration"


@pytest.fixture
def counted(serve: Any, scripted: Any) -> Any:
    """`counted(script)`: a gateway without a ledger, whose route "fast" leads to "up:m"."""

    def one(script: Any, **more: Any) -> Any:
        known = {"up": ("openai", scripted(script).url)}
        return serve(config(known, {"fast": ["up:m"]}, prices={"up:m": PRICE}, **more))

    return one


def test_what_was_asked_is_counted(counted: Any) -> None:
    gateway = counted(lambda asked: answers.stream("openai") if asked.json().get("stream") else answers.chat("openai"))
    for stream in (False, False, True):
        assert gateway.ask(*asking.chat("openai", model="fast", stream=stream)).status == 200
    assert gateway.ask(*asking.chat("anthropic", model="fast")).status == 200
    found = scrape(gateway.port)
    where = {"route": "fast", "target": "up:m", "operation": "chat"}
    assert found("tsuji_requests_total", **where, dialect="openai", status="done", code="200", error_type="") == 3
    assert found("tsuji_requests_total", **where, dialect="anthropic", status="done") == 1
    assert found("tsuji_tokens_total", **where, kind="input") == 40
    assert found("tsuji_tokens_total", **where, kind="output") == 20
    assert found("tsuji_cost_dollars_total", **where) == pytest.approx(4 * 60_000 / 1e9)
    model = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "up", "gen_ai_request_model": "m"}
    assert found("gen_ai_server_request_duration_seconds_count", route="fast", **model) == 4
    assert found("gen_ai_client_operation_duration_seconds_count", **model, error_type="") == 4
    assert found("gen_ai_server_time_to_first_token_seconds_count", **model) == 1
    assert found("gen_ai_client_token_usage_sum", **model, gen_ai_token_type="input") == 40
    assert found("gen_ai_client_token_usage_bucket", gen_ai_token_type="input", le="4.0") == 0
    assert found("gen_ai_client_token_usage_bucket", gen_ai_token_type="input", le="16.0") == 4
    assert found("tsuji_overhead_seconds_count", operation="chat") == 4
    assert 0 < found("tsuji_overhead_seconds_sum") < found("gen_ai_server_request_duration_seconds_sum")
    assert found("tsuji_build_info") == found("tsuji_workers") == 1


def test_tokens_by_kind(counted: Any) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2, "audio_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 5},
    }
    body = answers.chat("openai").body
    assert isinstance(body, bytes)
    gateway = counted(Reply(json.dumps(json.loads(body) | {"usage": usage}).encode()))
    gateway.ask(*asking.chat("openai", model="fast"))
    found = scrape(gateway.port)
    kinds = ("input", "output", "cached", "cache_write", "reasoning", "audio_input", "audio_output")
    assert [found("tsuji_tokens_total", kind=kind) for kind in kinds] == [100, 50, 1, 2, 4, 3, 5]


def test_attempts_and_their_errors(serve: Any, scripted: Any) -> None:
    script = [answers.error("openai", 429), answers.error("openai", 503), answers.chat("openai")]
    routes = {"r": ["up:a", "up:b", "up:m"]}
    gateway = serve(config({"up": ("openai", scripted(script).url)}, routes, retry=Retry(tries=3, backoff=0.01)))
    assert gateway.ask(*asking.chat("openai", model="r")).status == 200
    assert gateway.ask(*asking.chat("openai", model="r")).status == 599
    found = scrape(gateway.port)
    counts = {
        (model, error): found(
            "gen_ai_client_operation_duration_seconds_count", gen_ai_request_model=model, error_type=error
        )
        for model, error in (("a", "rate_limit"), ("b", "upstream_unavailable"), ("m", ""))
    }
    assert set(counts.values()) == {1}
    assert found("gen_ai_client_operation_duration_seconds_count") == 6
    assert found("tsuji_requests_total", status="done", target="up:m", route="r") == 1
    assert found("tsuji_requests_total", status="failed", code="599", error_type="upstream_error") == 1


def test_refusals_by_kind(counted: Any) -> None:
    gateway = counted(answers.chat("openai"), server=Server(port=0, keys=[KEY], max_body=2048))
    shown = {"Authorization": f"Bearer {KEY}"}
    assert gateway.ask(*asking.chat("openai", model="fast")).status == 401
    assert gateway.ask("/v1/chat/completions", b"{", shown).status == 400
    assert gateway.ask("/v1/chat/completions", b" " * 4096, shown).status == 413
    assert gateway.ask(*asking.chat("openai", model="nobody:m"), shown).status == 404
    assert gateway.ask("/nothing/here", b"", shown).status == 404
    found = scrape(gateway.port, shown)
    kinds = {"authentication": 1, "invalid_request": 1, "request_too_large": 1, "model_not_found": 1, "not_found": 1}
    assert {kind: found("tsuji_requests_total", status="refused", error_type=kind) for kind in kinds} == kinds
    assert found("gen_ai_client_operation_duration_seconds_count") == 0


def test_names_that_clients_choose_are_not_labels(counted: Any) -> None:
    gateway = counted(answers.chat("openai"))
    for number in range(5):
        assert gateway.ask(*asking.chat("openai", model=f"up:canary-{number}")).status == 200
        assert gateway.ask(*asking.chat("openai", model=f"canary-{number}:m")).status == 404
    found = scrape(gateway.port)
    assert found("tsuji_requests_total", route="*", target="up:*", status="done") == 5
    assert found("tsuji_requests_total", route="*", target="", status="refused") == 5
    assert not any("canary" in value for sample in found.samples for value in sample.labels.values())


def test_there_is_an_end_to_sets_of_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.ledger.records import record

    monkeypatch.setattr(series, "MAX_SERIES", 10)
    routes = {f"r{number}": 1 for number in range(100)}
    seen = Counters(routes)
    for route in routes:
        seen.add(record("x", route=route, cache="hit"), 1)
    sums = seen.sums()
    assert len(sums.series) <= 11
    assert len(sums.events) <= 11
    assert sum(series.count for series in sums.series) == sum(sums.events.values()) == 100


def test_cache_and_guardrails_are_counted() -> None:
    from tests.ledger.records import record

    seen = Counters({"fast": 1})
    for cache in ("hit", "hit", "stored", None):
        seen.add(record("x", cache=cache, guarded=("pii:redact", "secrets:block") if cache else ()), 1)
    hits = {("cache", "fast", "hit"): 2, ("cache", "fast", "stored"): 1}
    actions = {("guarded", "fast", "pii:redact"): 3, ("guarded", "fast", "secrets:block"): 3}
    assert seen.sums().events == hits | actions


def test_what_is_open_now(counted: Any, tmp_path: Path) -> None:
    whole = answers.stream("openai")
    assert isinstance(whole.body, list)
    script = [whole, Reply([*whole.body[:2], STALL], content_type=answers.SSE)]
    gateway = counted(script, ledger=LedgerConfig(folder=tmp_path))
    with gateway.client() as asks:
        asks.send(request(*asking.chat("openai", model="fast", stream=True)))
        assert asks.read().status == 200
        assert scrape(gateway.port)("tsuji_streams_open") == 0
        asks.send(request(*asking.chat("openai", model="fast", stream=True)))
        asks.piece()
        found = scrape(gateway.port)
        assert found("tsuji_streams_open") == 1
        assert found("tsuji_connections_open") == 2
        assert found("tsuji_ledger_up") == 1
        assert found("tsuji_spool_held_bytes") == 0


@pytest.mark.parametrize(
    ("metrics", "with_key", "without"), [("keyed", 200, 401), ("open", 200, 200), ("off", 404, 401)]
)
def test_who_may_read_them(metrics: str, with_key: int, without: int, counted: Any) -> None:
    gateway = counted(answers.chat("openai"), server=Server(port=0, keys=[KEY], metrics=metrics))
    shown = {"Authorization": f"Bearer {KEY}"}
    assert gateway.ask("/metrics", b"", shown, "GET").status == with_key
    assert gateway.ask("/metrics", b"", None, "GET").status == without
    assert gateway.ask("/v1/models", b"", None, "GET").status == 401


def test_openmetrics_for_who_asks_for_it(counted: Any) -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    gateway = counted(answers.chat("openai"))
    gateway.ask(*asking.chat("openai", model="fast"))
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    answer = gateway.ask("/metrics", b"", accept, "GET")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert "tsuji_requests" in {family.name for family in text_string_to_metric_families(answer.body.decode())}


def test_promtool_finds_nothing_wrong(counted: Any) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    gateway = counted(lambda asked: answers.stream("openai") if asked.json().get("stream") else answers.chat("openai"))
    for stream in (False, True):
        gateway.ask(*asking.chat("openai", model="fast", stream=stream))
    text = gateway.ask("/metrics", b"", None, "GET").body
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


# Several workers.


def _file(folder: Path, url: str) -> Path:
    file = configure(folder, openai=url + "/v1")
    file.write_text(file.read_text() + '[routes.fast]\ntargets = ["openai:m"]\n')
    return file


def _ask(port: int, times: int) -> None:
    with Client(port) as client:
        for _ in range(times):
            client.send(request(*asking.chat("openai", model="fast")))
            assert client.read().status == 200


def _asked(found: Metrics) -> float:
    return found("tsuji_requests_total", route="fast", target="openai:m", status="done", code="200")


def test_workers_are_summed(scripted: Any, tmp_path: Path) -> None:
    file = _file(tmp_path, scripted(lambda _: answers.chat("openai")).url)
    with Worker(file) as one, Worker(file) as two:
        _ask(one.port, 30)
        _ask(two.port, 12)
        found = scrape(two.port)  # whose news of the other may be a second old
        assert 12 <= _asked(found) <= 42
        found = scrape(one.port)
        assert _asked(found) == 42
        assert found("tsuji_tokens_total", kind="input") == 420
        assert found("tsuji_workers") == 2
        assert _asked(scrape(two.port)) == 42
        two.kill()
        found = scrape(one.port)
        assert _asked(found) == 42
        assert two.stop is not None
        assert one.stop() == 0
    with Worker(file) as three:  # and what is past is not forgotten
        _ask(three.port, 1)
        assert _asked(scrape(three.port)) == 43
        three.stop()


def test_no_counter_falls_while_workers_die(scripted: Any, tmp_path: Path) -> None:
    """Scraped from two workers in turn, while others come, work and are killed."""
    file = _file(tmp_path, scripted(lambda _: answers.chat("openai")).url)
    over, falls, told = threading.Event(), list[tuple[float, float]](), [0.0]
    with Worker(file) as one, Worker(file) as two:

        def watch() -> None:
            while not over.is_set():
                for worker in (one, two):
                    now = _asked(scrape(worker.port))
                    if now < told[-1]:
                        falls.append((told[-1], now))
                    told.append(now)

        watching = threading.Thread(target=watch)
        watching.start()
        for number in range(4):
            with Worker(file) as dying:
                _ask(dying.port, 20)
                _ask((one, two)[number % 2].port, 5)
                _asked(scrape(dying.port))  # what it has told is known to the others
                dying.kill(all=True)
        deadline = time.monotonic() + 20
        while list((tmp_path / "home" / "metrics").glob("*.metrics")).__len__() > 2 and time.monotonic() < deadline:
            time.sleep(0.1)  # until the dead ones are folded
        over.set()
        watching.join()
        assert not falls
        assert len(list((tmp_path / "home" / "metrics").glob("*.metrics"))) == 2
        assert _asked(scrape(one.port)) >= _asked(scrape(two.port)) - 10
        assert _asked(scrape(one.port)) == 4 * 25
