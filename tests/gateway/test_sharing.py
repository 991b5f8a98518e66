"""What one worker has found out of a target the others know, and one that is started in the place of one that died."""

import os
import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Client, request
from tests.ledger.workers import Worker, configure, until
from tests.scripted import Scripted
from tsuji.core.errors import RateLimitError, UpstreamConnectionError
from tsuji.gateway.sharing import Shared
from tsuji.routing import Circuit, Health, Target

A, B = Target("a", "m"), Target("b", "m")
CIRCUIT = Circuit()
ROUTES = """
[providers.broken]
dialect = "openai"
base_url = "https://127.0.0.1:{port}/v1"
api_key = "k"
[routes.r]
targets = ["broken:m", "openai:m"]
circuit = {{ open = 100, max_open = 100 }}
"""


def test_news_are_told_once_and_not_passed_on() -> None:
    one, two = Health(), Health()
    for health in (one, two):
        health.of(A).started(0.0)
    assert one.news(0.0) == {}
    one.of(A).failed(UpstreamConnectionError("refused"), 1.0, CIRCUIT, 0.5)
    news = one.news(1.0)
    assert list(news) == ["a:m"]
    assert one.news(1.5) == {}
    two.learn(news, 101.0)
    assert two.of(A).state(101.0) == "open"
    assert two.news(101.0) == {}


def test_a_recovery_is_news() -> None:
    one, two = Health(), Health()
    for health in (one, two):
        health.of(A).started(0.0)
    one.of(A).failed(UpstreamConnectionError("refused"), 1.0, CIRCUIT, 0.5)
    two.learn(one.news(1.0), 1.0)
    two.of(A).succeeded(2.0)
    one.learn(two.news(2.0), 2.0)
    assert one.of(A).state(2.0) == "closed"


def test_what_was_heard_of_a_target_counts_when_it_is_first_asked_for() -> None:
    one, two = Health(), Health()
    one.of(A).started(0.0)
    one.of(A).failed(RateLimitError("slow down", retry_after=20.0), 1.0, CIRCUIT, 0.5)
    two.learn(one.news(1.0), 50.0)
    assert two.of(A).rest_until == pytest.approx(70.0)
    assert two.of(B).rest_until == 0.0


def test_a_parent_keeps_what_is_still_so(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr("tsuji.gateway.sharing.monotonic", lambda: now[0])
    shared, health = Shared(), Health()
    health.of(A).started(0.0)
    health.of(A).failed(RateLimitError("slow down", retry_after=20.0), 1.0, CIRCUIT, 0.5)
    shared.hear(health.news(1.0))
    now[0] = 15.0
    assert shared.now()["a:m"]["rests_for"] == pytest.approx(15.0)
    now[0] = 31.0
    assert shared.now() == {}


def test_workers_share_an_open_circuit_also_with_those_to_come(
    scripted: Callable[..., Scripted], tmp_path: Path
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)  # whom nobody trusts
    well = scripted(lambda _: answers.chat("openai"))
    file = configure(tmp_path, "enabled = false", "workers = 2", openai=well.url + "/v1")
    with Scripted(tls=tls) as broken:
        file.write_text(file.read_text() + ROUTES.format(port=broken.port))
        _play(file, broken)


def _play(file: Path, broken: Scripted) -> None:
    with Worker(file) as parent:
        assert _ask(parent.port, 1) == ["openai:m"]
        assert broken.connections == 1
        time.sleep(0.8)
        assert _ask(parent.port, 20) == ["openai:m"] * 20
        assert broken.connections == 1
        for worker in parent.children():
            known = parent.children()
            os.kill(worker, signal.SIGKILL)
            until(lambda known=known: len(set(parent.children()) - set(known)) == 1, parent.log)
        assert _ask(parent.port, 20) == ["openai:m"] * 20
        assert broken.connections == 1
        assert parent.stop() == 0


def _ask(port: int, times: int) -> list[str]:
    """The targets of so many requests, each on a connection of its own."""
    found: list[str] = []
    for _ in range(times):
        with Client(port) as client:
            client.send(request(*asking.chat("openai", model="r")))
            found.append(client.read().headers["x-tsuji-target"])
    return found
