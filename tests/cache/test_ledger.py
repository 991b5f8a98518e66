"""What the ledger has of a request that the cache had a part in."""

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from tests import answers
from tests.cache.conftest import Cached
from tests.cache.test_flights import held, until, waiting
from tests.gateway import asking
from tests.scripted import CUT
from tsuji.config import LedgerConfig
from tsuji.ledger import tables


@pytest.fixture
def booked(cached: Any, tmp_path: Path) -> Any:
    return lambda *what, **more: cached(*what, ledger=LedgerConfig(folder=tmp_path), **more)


def rows(gateway: Cached, folder: Path) -> list[dict[str, Any]]:
    gateway.serving.stop()
    engine = create_engine(f"sqlite:///{folder}/ledger.db")
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(select(tables.usage).order_by("time", "id")).mappings()]
    engine.dispose()
    return found


WANTED = ("cache", "status", "cost", "input_tokens", "output_tokens", "target")


@pytest.mark.parametrize("stream", [False, True])
def test_a_hit_costs_nothing(stream: bool, booked: Any, tmp_path: Path) -> None:
    script = answers.stream("anthropic") if stream else answers.chat("anthropic")
    gateway = booked("anthropic", script)
    for headers in ({}, {}, {"x-tsuji-cache": "off"}):
        assert gateway.ask(*asking.chat("openai", "r", stream), headers).status == 200
        gateway.settle()
    found = rows(gateway, tmp_path)
    assert [tuple(row[name] for name in WANTED) for row in found] == [
        ("stored", "done", 60_000, 10, 5, "up:m"),
        ("hit", "done", 0, 0, 0, "up:m"),
        (None, "done", 60_000, 10, 5, "up:m"),
    ]
    assert [row["http_status"] for row in found] == [200] * 3
    assert all((row["first_token"] is not None) == stream for row in found)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_paid_once(stream: bool, booked: Any, tmp_path: Path) -> None:
    go = threading.Event()
    script = held("anthropic", go, after=1) if stream else answers.chat("anthropic")
    if not stream:
        script.before = [go]
    gateway = booked("anthropic", script)
    with ExitStack() as open_:
        clients = waiting(gateway, 3, open_, stream)
        go.set()
        assert [client.read().status for client in clients] == [200] * 3
    found = [tuple(row[name] for name in WANTED) for row in rows(gateway, tmp_path)]
    assert found == [("stored", "done", 60_000, 10, 5, "up:m")] + [("shared", "done", 0, 0, 0, "up:m")] * 2


def test_who_leaves_a_call_that_goes_on_has_paid_it(booked: Any, tmp_path: Path) -> None:
    go = threading.Event()
    gateway = booked("anthropic", held("anthropic", go, after=2))
    with ExitStack() as open_:
        clients = waiting(gateway, 3, open_, stream=True)
        clients[0].sock.close()
        clients[1].sock.close()
        until(lambda: len(gateway.serving.gateway.connections) == 1)
        go.set()
        assert clients[2].read().whole
    found = [tuple(row[name] for name in WANTED) for row in rows(gateway, tmp_path)]
    assert found == [
        ("stored", "done", 60_000, 10, 5, "up:m"),
        ("shared", "cancelled", 0, 0, 0, "up:m"),
        ("shared", "done", 0, 0, 0, "up:m"),
    ]


def test_a_cut_is_everyones(booked: Any, tmp_path: Path) -> None:
    go = threading.Event()
    script = held("anthropic", go, after=4)
    assert isinstance(script.body, list)
    script.body = [*script.body[:5], CUT]
    gateway = booked("anthropic", script)
    with ExitStack() as open_:
        clients = waiting(gateway, 2, open_, stream=True)
        go.set()
        assert [client.read().whole for client in clients] == [False] * 2
    found = rows(gateway, tmp_path)
    assert [(row["cache"], row["status"]) for row in found] == [(None, "cut"), ("shared", "cut")]
    assert found[0]["input_tokens"] == 10
    assert found[1]["cost"] == 0


def test_answers_are_not_in_the_ledger(booked: Any, tmp_path: Path) -> None:
    gateway = booked("openai", answers.chat("openai", "canary-answer"))
    for _ in range(2):
        gateway.ask(*asking.chat("openai", "r"))
        gateway.settle()
    assert len(rows(gateway, tmp_path)) == 2
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"canary-answer" not in file.read_bytes()
