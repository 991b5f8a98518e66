"""What the gateway writes down of each request."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, select

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Answer, Serving, config, request
from tests.scripted import CUT, STALL, Reply
from tsuji.catalog.prices import Price
from tsuji.config import LedgerConfig
from tsuji.gateway import driver
from tsuji.gateway.server import Connection
from tsuji.ledger import tables
from tsuji.ledger.spool import Spool

PRICE = Price(input=2_000_000_000, output=8_000_000_000)
"""Nano-dollars per million tokens: 10 in and 5 out cost 60 000."""


class Booked:
    """A gateway with a ledger. rows: stops it, and gives what it recorded, oldest first."""

    def __init__(self, serving: Serving, folder: Path) -> None:
        self.serving = serving
        self.folder = folder

    def ask(self, *what: Any, **more: Any) -> Answer:
        return self.serving.ask(*what, **more)

    def rows(self, table: Any = tables.usage, by: str = "time") -> list[dict[str, Any]]:
        self.serving.stop()
        engine = create_engine(f"sqlite:///{self.folder}/ledger.db")
        with engine.connect() as connection:
            found = [dict(row) for row in connection.execute(select(table).order_by(by)).mappings()]
        engine.dispose()
        return found

    def row(self) -> dict[str, Any]:
        (found,) = self.rows()
        return found


@pytest.fixture
def booked(serve: Any, scripted: Any, tmp_path: Path) -> Callable[..., Booked]:
    """`booked(up=script, ...)`: providers by their dialect's name."""

    def one(routes: Any = None, **providers: Any) -> Booked:
        known = {name: (name, scripted(script).url) for name, script in providers.items()}
        prices = {f"{name}:m": PRICE for name in known}
        return Booked(serve(config(known, routes, ledger=LedgerConfig(folder=tmp_path), prices=prices)), tmp_path)

    return one


@pytest.mark.parametrize("provider", asking.DIALECTS)
@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_every_pair_of_dialects(client: str, provider: str, stream: bool, booked: Any) -> None:
    gateway = booked(**{provider: answers.stream(provider) if stream else answers.chat(provider)})
    came = time.time() * 1e6
    answer = gateway.ask(*asking.chat(client, model=f"{provider}:m", stream=stream))
    assert answer.status == 200
    row = gateway.row()
    assert row["id"] == answer.headers["x-tsuji-request-id"]
    told = {"status": "done", "http_status": 200, "error": None, "stream": stream, "operation": "chat", "cost": 60_000}
    tokens = {"input_tokens": 10, "output_tokens": 5}
    names = {"route": f"{provider}:m", "target": f"{provider}:m", "dialect": client, "provider_dialect": provider}
    expected = told | tokens | names | {"price_source": "config", "key_id": None, "tags": None}
    assert {name: row[name] for name in expected} == expected
    assert 0 <= row["time"] - came < 60e6
    assert 0 < row["latency"] < 60e6
    assert (row["first_token"] is not None) == stream


def test_embeddings(booked: Any) -> None:
    body = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "m"}
    script = Reply(msgspec.json.encode(body | {"usage": {"prompt_tokens": 10, "total_tokens": 10}}))
    gateway = booked(openai=script)
    assert gateway.ask("/v1/embeddings", {"model": "openai:m", "input": "x"}).status == 200
    row = gateway.row()
    assert (row["operation"], row["input_tokens"], row["status"]) == ("embeddings", 10, "done")


def test_tokens_by_kind(booked: Any) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2, "audio_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 5},
    }
    body = answers.chat("openai").body
    assert isinstance(body, bytes)
    script = Reply(msgspec.json.encode(msgspec.json.decode(body) | {"usage": usage, "service_tier": "flex"}))
    gateway = booked(openai=script)
    gateway.ask(*asking.chat("openai", model="openai:m", service_tier="auto"))
    row = gateway.row()
    kinds = ("input", "output", "cached", "cache_write", "cache_write_1h", "reasoning", "audio_input", "audio_output")
    assert [row[f"{kind}_tokens"] for kind in kinds] == [100, 50, 1, 2, None, 4, 3, 5]
    assert (row["service_tier"], row["price_source"], row["price_version"]) == ("flex", "config", None)


def test_a_clients_words_are_no_service_tier(booked: Any) -> None:
    body = answers.chat("openai").body
    assert isinstance(body, bytes)
    said = msgspec.json.decode(body)
    del said["service_tier"]
    gateway = booked(openai=Reply(msgspec.json.encode(said)))
    assert gateway.ask(*asking.chat("openai", model="openai:m", service_tier="canary " * 9)).status == 200
    assert gateway.row()["service_tier"] is None


def test_attempts(booked: Any) -> None:
    script = [answers.error("openai", 429), answers.error("openai", 503), answers.chat("openai")]
    gateway = booked({"r": ["openai:a", "openai:b", "openai:m"]}, openai=script)
    assert gateway.ask(*asking.chat("openai", model="r")).status == 200
    row = gateway.row()
    tries = gateway.rows(tables.attempts, "number")
    assert (row["route"], row["target"], row["status"]) == ("r", "openai:m", "done")
    assert [(t["request_id"], t["number"], t["target"], t["error"]) for t in tries] == [
        (row["id"], 1, "openai:a", "rate_limit"),
        (row["id"], 2, "openai:b", "upstream_unavailable"),
        (row["id"], 3, "openai:m", None),
    ]
    times = [at for t in tries for at in (t["started"], t["ended"])]
    assert times == sorted(times)
    assert row["time"] <= times[0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_fails(stream: bool, booked: Any) -> None:
    gateway = booked(openai=answers.error("openai", 429))
    assert gateway.ask(*asking.chat("openai", model="openai:m", stream=stream)).status == 429
    row = gateway.row()
    assert (row["status"], row["http_status"], row["error"], row["cost"]) == ("failed", 429, "rate_limit", None)


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_a_stream_that_is_cut_is_billed_what_came(client: str, booked: Any) -> None:
    begun = answers.stream("anthropic").body
    assert isinstance(begun, list)
    gateway = booked(anthropic=Reply([*begun[:4], CUT], content_type=answers.SSE))
    answer = gateway.ask(*asking.chat(client, model="anthropic:m", stream=True))
    assert not answer.whole
    row = gateway.row()
    assert (row["status"], row["http_status"], row["error"]) == ("cut", 200, "stream_interrupted")
    assert row["input_tokens"] == 10
    assert row["cost"] is not None


@pytest.mark.parametrize("client", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves(client: str, stream: bool, booked: Any, scripted: Any) -> None:
    begun = answers.stream("anthropic").body
    assert isinstance(begun, list)
    script = Reply([*begun[:4], STALL], content_type=answers.SSE) if stream else Reply(before=[STALL])
    gateway = booked(anthropic=script)
    with gateway.serving.client() as asks:
        asks.send(request(*asking.chat(client, model="anthropic:m", stream=stream)))
        if stream:
            asks.piece()
        else:
            time.sleep(0.1)
    while gateway.serving.gateway.connections:
        time.sleep(0.001)
    row = gateway.row()
    assert (row["status"], row["http_status"], row["error"]) == ("cancelled", None, None)
    assert row["input_tokens"] == (10 if stream else None)


def test_a_request_that_is_open_when_the_gateway_stops(booked: Any) -> None:
    gateway = booked(openai=Reply(before=[STALL]))
    with gateway.serving.client() as asks:
        asks.send(request(*asking.chat("openai", model="openai:m")))
        time.sleep(0.1)
        gateway.serving.stop(0.1)
        assert gateway.row()["status"] == "cancelled"


def test_what_the_client_says_of_itself(booked: Any) -> None:
    gateway = booked(openai=answers.chat("openai"))
    said = {
        "x-tsuji-tags": " search, team=a ,,b",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    gateway.ask(*asking.chat("openai", model="openai:m"), said)
    row = gateway.row()
    assert (row["tags"], row["trace"]) == (["search", "team=a", "b"], "4bf92f3577b34da6a3ce929d0e0e4736")


@pytest.mark.parametrize("tags", [",".join("abcdefghij" * 4), "x" * 129, "a\x85b"])
def test_more_tags_than_are_kept(tags: str, booked: Any) -> None:
    gateway = booked(openai=answers.chat("openai"))
    answer = gateway.ask(*asking.chat("openai", model="openai:m"), {"x-tsuji-tags": tags})
    assert answer.status == 400
    row = gateway.row()
    assert (row["status"], row["tags"]) == ("refused", None)


@pytest.mark.parametrize("parent", ["", "00-xyz-1-01", "00-" + "A" * 32 + "-" + "b" * 16 + "-01"])
def test_a_trace_that_is_none(parent: str, booked: Any) -> None:
    gateway = booked(openai=answers.chat("openai"))
    gateway.ask(*asking.chat("openai", model="openai:m"), {"traceparent": parent})
    assert gateway.row()["trace"] is None


@pytest.mark.parametrize("stream", [False, True])
def test_prompts_answers_and_provider_keys_are_not_kept(stream: bool, booked: Any) -> None:
    script = answers.stream("openai", ["canary", "-answer"]) if stream else answers.chat("openai", "canary-answer")
    gateway = booked(openai=script)
    assert gateway.ask(*asking.chat("openai", model="openai:m", stream=stream, user="canary-user")).status == 200
    gateway.rows()
    kept = b"".join([file.read_bytes() for file in gateway.folder.rglob("*") if file.is_file()])
    for canary in (b"canary", b"upstream-key", b'"hi"'):
        assert canary not in kept
    assert b"openai:m" in kept


END_MARKS = {
    "openai": b"data: [DONE]",
    "anthropic": b"message_stop",
    "responses": b"response.completed",
    "ollama": b'"done":true',
}


@pytest.mark.skipif(driver.__file__.endswith(".so"), reason="what is compiled cannot be replaced by a test")
@pytest.mark.parametrize("provider", END_MARKS)
@pytest.mark.parametrize("client", END_MARKS)
def test_a_stream_is_recorded_before_its_end_mark_is_sent(
    client: str, provider: str, booked: Any, monkeypatch: Any
) -> None:
    """The provider's end mark has come, but its body has not ended: a client may already be content."""
    whole, go, happened = answers.stream(provider).body, threading.Event(), list[bytes]()
    assert isinstance(whole, list)

    def write(self: Spool, data: bytes, real: Any = Spool.write) -> None:
        happened.append(b"recorded")
        real(self, data)

    def send(self: Connection, data: bytes, real: Any = Connection.send) -> None:
        happened.append(data.replace(b" ", b"") if client == "ollama" else data)
        real(self, data)

    monkeypatch.setattr(Spool, "write", write)
    monkeypatch.setattr(Connection, "send", send)
    gateway = booked(**{provider: Reply([*whole, go], content_type=answers.stream_type(provider))})
    with gateway.serving.client() as asks:
        asks.send(request(*asking.chat(client, model=f"{provider}:m", stream=True)))
        while not any(END_MARKS[client] in piece for piece in happened):
            asks.piece()
        go.set()
    marked = next(at for at, piece in enumerate(happened) if END_MARKS[client] in piece)
    assert happened.index(b"recorded") < marked
    row = gateway.row()
    assert (row["status"], row["output_tokens"]) == ("done", 5)
