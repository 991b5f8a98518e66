"""Feedback: what is taken, from whom it counts, and that none is lost."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import config
from tests.ledger.records import record
from tests.ledger.test_gateway import Booked
from tests.ledger.workers import Worker, configure
from tsuji.config import LedgerConfig, Server
from tsuji.ledger import feedback, outcomes, tables
from tsuji.ledger.drain import drain
from tsuji.ledger.feedback import Feedback
from tsuji.ledger.opinions import forget
from tsuji.ledger.record import Assigned, Attempt, encode
from tsuji.ledger.spool import Spool
from tsuji.routing.experiment import Arm, Experiment, FeedbackScale

PATH = "/v1/feedback"
ID = "0123456789ab00000001"
EXPERIMENT = Experiment(
    "june",
    (Arm("one", 0), Arm("two", 1)),
    metrics=("feedback", "judge", "error", "cost", "latency"),
    feedback=FeedbackScale(values={"good": 1.0, "bad": 0.0}),
)


def spooled(folder: Path, *frames: bytes) -> None:
    spool = Spool(folder, lambda work: work())
    for frame in frames:
        spool.write(frame)
    spool.close()


def used(id: str, **more: Any) -> bytes:
    return encode(record(id, assigned=Assigned("june", "one", "", 0.5), cost=2_000_000_000, **more))


def said(id: str, time: int, value: float | None = None, choice: str | None = None, **more: Any) -> bytes:
    fields = {"source": "client", "key_id": "", "time": time, "value": value, "choice": choice}
    return feedback.encode(Feedback(**{"request_id": id, **fields, **more}))


def test_the_last_one_counts_and_only_of_the_requests_key(engine: Engine, tmp_path: Path) -> None:
    """On SQLite and PostgreSQL, in whichever order it comes, and however often it is moved on."""
    folder = tmp_path / "spool"
    folder.mkdir()
    spooled(
        folder,
        said("a", 5, 1.0),
        used("a", key_id="k_1"),
        said("a", 7, 0.0, key_id="k_1"),
        said("a", 6, 1.0, key_id="k_1"),
    )
    spooled(folder, used("b"), said("b", 1, None, "good"), said("b", 2, 0.25, source="judge"))
    assert drain(engine, folder) == 7
    spooled(folder, said("a", 3, 0.5, key_id="k_1"), said("b", 3, None, "bad", comment="no\N{SNOWMAN}"), used("b"))
    assert drain(engine, folder) == 3
    rows = list(outcomes.rows(engine, EXPERIMENT))
    assert [row.values for row in rows] == [(0.0, None, 0.0, 2.0, 0.001), (0.0, 0.25, 0.0, 2.0, 0.001)]
    with engine.connect() as connection:
        table = tables.feedback.c
        kept = connection.execute(select(table.comment).where(table.request_id == "b", table.source == "client"))
        assert kept.scalar_one() == "no\N{SNOWMAN}"


def test_what_each_metric_is_made_of(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    other = [Attempt("up:m", 1, 2, "upstream"), Attempt("down:m", 2, 3)]
    spooled(
        folder,
        used("a", time=1),
        used("b", time=2, target="down:m", attempts=other),
        used("c", time=3, status="failed"),
        used("d", time=4, status="cancelled"),
        encode(record("e", time=5)),
    )
    drain(engine, folder)
    found = [row.values for row in outcomes.rows(engine, EXPERIMENT)]
    none = (None, None)
    assert found == [
        (*none, 0.0, 2.0, 0.001),
        (*none, 1.0, 2.0, 0.001),
        (*none, 1.0, 2.0, None),
        (*none, None, 2.0, None),
    ]
    (summary,) = outcomes.summaries(engine)
    assert summary == ("june", "one", 4, 0, 1, 4, 8_000_000_000)


def test_feedback_on_nothing_is_forgotten(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    spooled(folder, said("stray", 5, 1.0), said("young", 50, 1.0), said("a", 5, 1.0), used("a"))
    drain(engine, folder)
    assert forget(engine, 20) == 1
    with engine.connect() as connection:
        assert set(connection.execute(select(tables.feedback.c.request_id)).scalars()) == {"young", "a"}


@pytest.fixture
def keyed(serve: Any, scripted: Any, tmp_path: Path) -> Callable[..., Booked]:
    def one(**server: Any) -> Booked:
        known = {"openai": ("openai", scripted(answers.chat("openai")).url)}
        return Booked(
            serve(config(known, ledger=LedgerConfig(folder=tmp_path), server=Server(port=0, **server))), tmp_path
        )

    return one


def test_what_is_taken_and_what_is_not(keyed: Any) -> None:
    gateway = keyed()
    good: list[dict[str, Any]] = [{"value": 4.5}, {"value": True}, {"choice": "good", "comment": "x\0y"}, {"value": -3}]
    for number, body in enumerate(good):
        answer = gateway.ask(PATH, {"request_id": f"{ID}{number}", **body})
        assert (answer.status, answer.json()) == (202, {"object": "feedback", "request_id": f"{ID}{number}"})
    bad: list[Any] = [b"", b"[]", b"{", b'{"request_id": "\xff"}', {}, {"request_id": "no id", "value": 1}]
    bad += [{"request_id": ID, **more} for more in ({}, {"value": 1, "choice": "a"}, {"value": 1e300}, {"choice": ""})]
    bad += [
        {"request_id": ID, **more}
        for more in ({"choice": "x" * 65}, {"value": 1, "comment": "x" * 2001}, {"value": "1"})
    ]
    bad += [{"request_id": ID, "value": 1, "stars": 3}]
    for body in bad:
        answer = gateway.ask(PATH, body)
        assert answer.status == 400, (body, answer.body)
        assert answer.json()["error"]["type"]
    assert gateway.ask(PATH, {"request_id": ID, "value": 1, "comment": "x" * 20_000}).status == 413
    assert gateway.ask(PATH, b"", method="GET").status == 405
    rows = gateway.rows(tables.feedback, "request_id")
    assert [(row["value"], row["choice"], row["comment"]) for row in rows] == [
        (4.5, None, None),
        (1.0, None, None),
        (None, "good", "x\N{REPLACEMENT CHARACTER}y"),
        (-3.0, None, None),
    ]
    assert {row["source"] for row in rows} == {"client"}


def test_a_key_is_asked_for_and_kept(keyed: Any) -> None:
    gateway = keyed(keys=("configured-key",))
    body = {"request_id": ID, "value": 1}
    assert gateway.ask(PATH, body).status == 401
    assert gateway.ask(PATH, body, {"authorization": "Bearer configured-key"}).status == 202
    (row,) = gateway.rows(tables.feedback)
    assert row["key_id"] == "server.keys"


def test_kill_9_loses_no_feedback_and_doubles_none(scripted: Any, tmp_path: Path) -> None:
    """Of the worker and its ledger process at once, right after the answers."""
    file = configure(tmp_path, openai=scripted(answers.chat("openai")).url + "/v1")
    with Worker(file) as worker:
        from tests.gateway.serving import Client, request

        with Client(worker.port) as client:
            client.send(request(*asking.chat("openai", model="openai:m")))
            id = client.read().headers["x-tsuji-request-id"]
            for value in (1, 0, 1, 0.5):
                client.send(request(PATH, {"request_id": id, "value": value}))
                assert client.read().status == 202
        worker.kill()
    with Worker(file) as worker:
        until = time.monotonic() + 15
        engine = outcomes_engine(tmp_path)
        while time.monotonic() < until:
            with engine.connect() as connection:
                found = connection.execute(select(tables.feedback.c.request_id, tables.feedback.c.value)).all()
            if found:
                break
            time.sleep(0.1)
        engine.dispose()
    assert [tuple(row) for row in found] == [(id, 0.5)]


def outcomes_engine(folder: Path) -> Engine:
    from tsuji.ledger.database import ready

    return ready(f"sqlite:///{folder}/home/ledger.db")
