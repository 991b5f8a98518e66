"""What is recorded of a request that no target was tried for, and of attempts that failed."""

from pathlib import Path
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Answer, config
from tests.ledger.test_gateway import PRICE, Booked, booked
from tests.scripted import CUT, Reply
from tsuji.config import LedgerConfig, Server
from tsuji.ledger import tables
from tsuji.ledger.database import ready
from tsuji.ledger.keys import Hasher, Key, Scopes, new_key
from tsuji.ledger.keystore import check_secret, create
from tsuji.ledger.place import FILE
from tsuji.routing import Route, Target
from tsuji.routing.retry import Retry

__all__ = ["booked"]
SECRET = "the-secret-of-the-tests"


def _told(answer: Answer) -> tuple[str | None, ...]:
    names = ("x-tsuji-attempts", "x-tsuji-cost", "x-tsuji-error")
    return tuple([answer.headers.get(name) for name in names])


@pytest.mark.parametrize(
    ("body", "status", "route", "error"),
    [
        (b"{", 400, "", "invalid_request"),
        (b"\xff", 400, "", "invalid_request"),
        ({"messages": []}, 400, "", "invalid_request"),
        ({"model": "nothing:m"}, 404, "nothing:m", "model_not_found"),
        ({"model": "x" * 600}, 400, "", "invalid_request"),
        ({"model": "tsuji-" + "x" * 43}, 404, "***", "model_not_found"),
        (b" " * 4096, 413, "", "request_too_large"),
    ],
)
def test_refused_requests_are_recorded(
    body: Any, status: int, route: str, error: str, serve: Any, tmp_path: Path
) -> None:
    settings = config({}, server=Server(port=0, max_body=2048), ledger=LedgerConfig(folder=tmp_path))
    gateway = Booked(serve(settings), tmp_path)
    answer = gateway.ask("/v1/chat/completions", body)
    assert (answer.status, *_told(answer)) == (status, "0", "0.000000000", error)
    row = gateway.row()
    expected = {"status": "refused", "http_status": status, "error": error, "cost": 0, "target": None, "route": route}
    assert {name: row[name] for name in expected} == expected
    assert (row["id"], row["dialect"], row["operation"]) == (answer.headers["x-tsuji-request-id"], "openai", "chat")
    assert gateway.rows(tables.attempts, "number") == []


def test_what_asks_no_model_is_not_recorded(booked: Any) -> None:
    gateway = booked(openai=answers.chat("openai"))
    gateway.ask("/v1/models", b"", method="GET")
    gateway.ask("/nothing", b"{}")
    gateway.ask("/v1/chat/completions", b"{}", method="GET")
    gateway.ask("/v1/chat/completions", b"{}", {"Host": "rebound.example"})
    assert gateway.rows() == []


def _keyed(folder: Path, **more: Any) -> str:
    """Makes a virtual key; what a client shows."""
    shown = new_key()
    engine = ready(str(folder / FILE))
    hasher = Hasher(SECRET.encode())
    check_secret(engine, hasher.check())
    create(engine, Key(id="k_1", digest=hasher.digest(shown.encode()), name="n", created=1, user_id="ann", **more))
    engine.dispose()
    return shown


def test_a_key_that_is_not_for_it(serve: Any, scripted: Any, tmp_path: Path) -> None:
    shown = _keyed(tmp_path, scopes=Scopes(models=("fast",), operations=("chat",)), tags=("search",))
    provider = scripted(lambda _: answers.chat("openai"))
    server = Server(port=0, secret=SECRET)
    settings = config({"up": ("openai", provider.url)}, server=server, ledger=LedgerConfig(folder=tmp_path))
    gateway = Booked(serve(settings), tmp_path)
    key = {"Authorization": f"Bearer {shown}"}
    assert gateway.ask(*asking.chat("openai", model="up:m"), key).status == 403
    assert gateway.ask("/v1/embeddings", {"model": "up:m", "input": "x"}, key).status == 403
    assert gateway.ask(*asking.chat("openai", model="up:m"), {"Authorization": "Bearer tsuji-no"}).status == 401
    assert provider.requests == []
    rows = gateway.rows()
    assert [(r["status"], r["error"], r["operation"], r["key_id"], r["user_id"], r["tags"]) for r in rows] == [
        ("refused", "permission_denied", "chat", "k_1", "ann", ["search"]),
        ("refused", "permission_denied", "embeddings", "k_1", "ann", ["search"]),
    ]
    assert [row["route"] for row in rows] == ["up:m", ""]


def test_an_ended_key_leaves_no_record(serve: Any, tmp_path: Path) -> None:
    shown = _keyed(tmp_path, expires=2)
    settings = config({}, server=Server(port=0, secret=SECRET), ledger=LedgerConfig(folder=tmp_path))
    gateway = Booked(serve(settings), tmp_path)
    assert gateway.ask(*asking.chat("openai"), {"Authorization": f"Bearer {shown}"}).status == 401
    assert gateway.rows() == []


@pytest.mark.parametrize("last", ["answers", "fails"])
def test_a_failed_attempt_that_used_something(last: str, booked: Any) -> None:
    """It began to stream, said what the prompt used, and broke off before anything had reached the client."""
    begun = answers.stream("anthropic").body
    assert isinstance(begun, list)
    broken = Reply([begun[0], CUT], content_type=answers.SSE)
    script = [broken, answers.stream("anthropic") if last == "answers" else broken]
    targets = Target("anthropic", "m"), Target("anthropic", "n")
    gateway = booked({"r": Route("r", targets, retry=Retry(tries=2))}, anthropic=script)
    gateway.serving.gateway.config.prices["anthropic:n"] = PRICE
    answer = gateway.ask(*asking.chat("openai", model="r", stream=True))
    row = gateway.row()
    first, second = gateway.rows(tables.attempts, "number")
    assert first["cost"] == 28_000  # 10 tokens in, and the one out that Anthropic begins with
    if last == "answers":
        assert (answer.status, row["status"], row["cost"], second["cost"]) == (200, "done", 60_000, 60_000)
    else:
        assert (row["status"], row["cost"], row["input_tokens"]) == ("failed", None, None)
        assert second["cost"] == first["cost"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_attempt_has_the_cost_that_is_billed(stream: bool, booked: Any) -> None:
    script = [answers.error("openai", 503), answers.stream("openai") if stream else answers.chat("openai")]
    gateway = booked({"r": ["openai:x", "openai:m"]}, openai=script)
    assert gateway.ask(*asking.chat("openai", model="r", stream=stream)).status == 200
    assert gateway.row()["cost"] == 60_000
    assert [attempt["cost"] for attempt in gateway.rows(tables.attempts, "number")] == [None, 60_000]
