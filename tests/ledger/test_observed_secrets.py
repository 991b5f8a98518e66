"""No key, prompt or answer in anything that is observed: logs, metrics, traces, records."""

import logging
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra 'otel' is not installed")

from tests import answers
from tests.gateway import asking
from tests.gateway.collecting import Collector
from tests.gateway.serving import config
from tests.ledger.test_virtual_keys import SECRET, made
from tests.scripted import CUT, Reply
from tsuji.config import LedgerConfig, Server, Telemetry
from tsuji.ledger.database import ready

CONFIGURED = "canary-configured-key-0123456789"


@pytest.mark.parametrize("answered", [True, False])
def test_canaries(answered: bool, serve: Any, scripted: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    engine = ready(str(tmp_path / "ledger.db"))
    shown, _ = made(engine, models=("up:*", "fast"), user_id="ann")
    engine.dispose()
    echo = answers.error("openai", 401, "upstream-key is no key; canary-answer")
    stream = answers.stream("openai", ["canary", "-answer"])
    assert isinstance(stream.body, list)
    good = [answers.chat("openai", "canary-answer"), stream]
    bad = [echo, Reply([*stream.body[:2], CUT], content_type=answers.SSE)]
    collector = Collector()
    log = tmp_path / "access.log"
    settings = config(
        {"up": ("openai", scripted(good if answered else bad).url)},
        {"fast": ["up:m"]},
        server=Server(port=0, keys=[CONFIGURED], secret=SECRET, access_log=log),
        ledger=LedgerConfig(folder=tmp_path),
        telemetry=Telemetry(otlp=collector.url),
    )
    gateway = serve(settings)
    key = {"Authorization": f"Bearer {shown}"}
    said = {"user": "canary-prompt"}
    gateway.ask(*asking.chat("openai", model="fast", **said), key)
    gateway.ask(*asking.chat("openai", model="fast", stream=True, **said), key)
    gateway.ask(*asking.chat("openai", model="other:m", **said), key)
    gateway.ask(*asking.chat("openai", model=shown, **said), key)
    gateway.ask(f"/v1beta/models/{shown}:generateContent?key={shown}", {"contents": "canary-prompt"})
    gateway.ask(f"/v1/models/{shown}", b"", key, "GET")
    gateway.ask("/v1/chat/completions", {"model": "fast", "messages": "canary-prompt"}, {"x-api-key": shown[:-1]})
    metrics = gateway.ask("/metrics", b"", {"x-api-key": CONFIGURED}, "GET")
    assert metrics.status == 200
    gateway.stop()
    collector.close()
    files = b"".join([file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()])
    outputs = {"files": files, "metrics": metrics.body, "traces": collector.raw, "log": caplog.text.encode()}
    assert log.read_text().count("\n") == 8 and collector.spans and b"tsuji_requests_total" in metrics.body
    for name, output in outputs.items():
        for secret in (shown, shown[:-1], CONFIGURED, "upstream-key", "canary-prompt", "canary-answer", SECRET):
            assert secret.encode() not in output, (name, secret)
