"""What the ledger is told of guardrails."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from tests import answers
from tests.gateway.guard.guarding import guardrails
from tests.gateway.guard.test_guardrails import ask, lettered
from tests.gateway.serving import Serving, config
from tests.scripted import Scripted
from tsuji.catalog.prices import Price
from tsuji.config import Guardrail, LedgerConfig
from tsuji.ledger import tables

PRICE = Price(input=2_000_000_000, output=8_000_000_000)
COST = 60_000  # of 10 tokens in and 5 out, in nano-dollars


@pytest.fixture
def rows(serve: Callable[..., Serving], scripted: Callable[..., Scripted], tmp_path: Path) -> Any:
    """`rows(script, guards, *asked)`: asks, stops, and gives the records, oldest first. asked: (text, stream)."""

    def one(script: Any, guards: dict[str, Guardrail], *asked: tuple[str, bool], judge: Any = None) -> list[Any]:
        known = {"up": ("openai", scripted(script).url)}
        if judge is not None:
            known["judge"] = ("openai", scripted(judge).url)
        prices = {f"{name}:m": PRICE for name in known}
        ledger = LedgerConfig(folder=tmp_path)
        serving = serve(config(known, guardrails=guards, ledger=ledger, prices=prices))
        for text, stream in asked:
            ask(serving, "openai", text, stream)
        serving.stop()
        engine = create_engine(f"sqlite:///{tmp_path}/ledger.db")
        with engine.connect() as connection:
            found = list(connection.execute(select(tables.usage).order_by("time")))
        engine.dispose()
        return found

    return one


def guarded(row: Any) -> list[str]:
    return json.loads(row.guarded) if isinstance(row.guarded, str) else list(row.guarded or ())


def test_what_was_done_is_recorded_and_nothing_of_what_was_found(rows: Any, tmp_path: Path) -> None:
    one, two, three = rows(
        answers.chat("openai"),
        guardrails("pii", on="input") | {"log": Guardrail("log", "words", action="log", everywhere=True, deny=("hm",))},
        ("ann@example.com", False),
        ("hm", False),
        ("nothing", False),
    )
    assert guarded(one) == ["g:block"]
    assert (one.status, one.http_status, one.error, one.target, one.cost) == (
        "refused",
        400,
        "content_filter",
        None,
        0,
    )
    assert guarded(two) == ["log:log"]
    assert (two.status, two.cost) == ("done", COST)
    assert guarded(three) == []
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"ann@example.com" not in file.read_bytes()


def test_an_answer_that_is_not_let_pass_is_paid_for(rows: Any) -> None:
    (row,) = rows(answers.chat("openai", "ann@example.com"), guardrails("pii", on="output"), ("hi", False))
    assert (row.status, row.error, row.target, row.cost) == ("failed", "content_filter", "up:m", COST)
    assert guarded(row) == ["g:block"]


def test_a_stream_that_is_stopped_is_cut(rows: Any) -> None:
    reply = lettered("openai", "well, ask ann@example.com about it")
    (row,) = rows(reply, guardrails("pii", on="output"), ("hi", True))
    assert (row.status, row.error) == ("cut", "content_filter")
    assert guarded(row) == ["g:block"]


def test_a_judging_model_has_a_record_of_its_own(rows: Any) -> None:
    guards = guardrails("model", on="input", model="judge:m", prompt="Is it rotten?")
    judged, asked = sorted(
        rows(answers.chat("openai"), guards, ("good", False), judge=answers.chat("openai", "no")),
        key=lambda row: row.route,
    )
    assert (judged.route, judged.target, judged.cost, judged.key_id) == ("judge:m", "judge:m", COST, None)
    tags = json.loads(judged.tags) if isinstance(judged.tags, str) else list(judged.tags)
    assert tags == ["guardrail:g", f"request:{asked.id}"]
    assert (asked.route, asked.cost) == ("up:m", COST)
    assert judged.id != asked.id
