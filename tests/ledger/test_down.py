"""The disk full, the database down, the ledger's process gone: requests go on or stop, and nothing recorded is lost."""

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Answer, Serving, config
from tests.ledger.postgres import Postgres
from tests.ledger.test_virtual_keys import SECRET, made, now
from tsuji.config import LedgerConfig, Secret, Server
from tsuji.core.errors import LedgerError
from tsuji.ledger import keystore, spool, tables
from tsuji.ledger.database import ready


class Placed:
    """What the tests below ask of a gateway."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    def ask(self, shown: str | None = None) -> Answer:
        return self.serving.ask(*asking.chat("openai"), {"x-api-key": shown} if shown else {})

    def ledger(self) -> Any:
        return self.serving.ask("/readyz", b"", method="GET").json()["ledger"]

    def until(self, holds: Callable[[], bool]) -> None:
        began = time.perf_counter()
        while not holds():
            assert time.perf_counter() - began < 60
            time.sleep(0.02)


@pytest.fixture
def place(serve: Any, scripted: Any, tmp_path: Path) -> Callable[..., Placed]:
    def one(url: str | None = None, on_failure: str = "continue", **server: Any) -> Placed:
        provider = scripted(answers.chat("openai"))
        ledger = LedgerConfig(url=Secret(url) if url else None, folder=tmp_path / "home", on_failure=on_failure)
        server = {"port": 0, "secret": SECRET, **server}
        return Placed(serve(config({"up": ("openai", provider.url)}, server=Server(**server), ledger=ledger)))

    return one


def recorded(url: str) -> list[str]:
    engine = ready(url)
    with engine.connect() as connection:
        ids = connection.execute(select(tables.usage.c.id).order_by("time")).scalars().all()
    engine.dispose()
    return list(ids)


@pytest.fixture
def stopped(postgres: Postgres) -> Iterator[Postgres]:
    """To be stopped by the test; it runs again afterwards."""
    yield postgres
    postgres.stop()
    postgres.start()


def test_requests_go_on_while_the_database_is_down(stopped: Postgres, place: Any, caplog: Any) -> None:
    url = stopped.url()
    engine = ready(url)
    shown, key = made(engine)
    gateway = place(url)
    asked = [gateway.ask(shown)]
    stopped.stop()
    gateway.until(lambda: gateway.ledger()["down"] == "database")
    asked += [gateway.ask(shown) for _ in range(5)]
    assert [answer.status for answer in asked] == [200] * 6
    assert gateway.ask("tsuji-unknown").status == 401  # the last known keys stay
    assert gateway.serving.ask("/readyz", b"", method="GET").status == 200
    stopped.start()
    gateway.until(lambda: gateway.ledger()["down"] is None)
    engine.dispose()
    keystore.revoke(engine, key.id, now())
    gateway.until(lambda: gateway.ask(shown).status == 401)
    gateway.serving.stop()
    assert set(recorded(url)) >= {answer.headers["x-tsuji-request-id"] for answer in asked}
    assert caplog.text.count("the ledger is down") == 1
    assert caplog.text.count("the ledger is up again") == 1
    assert "canary" not in caplog.text
    engine.dispose()


def test_requests_stop_where_that_is_wanted(stopped: Postgres, place: Any) -> None:
    url = stopped.url()
    gateway = place(url, "stop")
    assert gateway.ask().status == 200
    stopped.stop()
    gateway.until(lambda: gateway.ask().status == 503)
    answer = gateway.ask()
    assert (answer.headers["x-tsuji-fault"], answer.headers["x-tsuji-error"]) == ("gateway", "ledger")
    assert gateway.serving.ask("/readyz", b"", method="GET").status == 503
    stopped.start()
    gateway.until(lambda: gateway.ask().status == 200)


def test_a_start_while_the_database_is_down(stopped: Postgres, place: Any) -> None:
    """Until the keys are known nobody is let in who may need one, not even on loopback."""
    url = stopped.url()
    engine = ready(url)
    shown, _ = made(engine)
    engine.dispose()
    stopped.stop()
    with pytest.raises(LedgerError, match="database is down"):
        place(url, "stop")
    gateway = place(url, keys=["configured"])
    other = place(url)
    assert [gateway.ask(key).status for key in ("configured", shown, None)] == [200, 503, 503]
    assert [other.ask(key).status for key in (shown, None)] == [503, 503]
    stopped.start()
    gateway.until(lambda: gateway.ask(shown).status == 200)
    other.until(lambda: other.ask().status == 401)
    gateway.serving.stop()
    assert len(recorded(url)) >= 2


def test_what_waits_when_the_gateway_stops_is_moved_on_by_the_next(stopped: Postgres, place: Any) -> None:
    url = stopped.url()
    gateway = place(url)
    stopped.stop()
    asked = [gateway.ask() for _ in range(3)]
    gateway.serving.stop()
    stopped.start()
    place(url).serving.stop()
    assert recorded(url) == [answer.headers["x-tsuji-request-id"] for answer in asked]


@pytest.fixture
def full_disk(monkeypatch: Any) -> Iterator[Callable[[bool], None]]:
    """`full_disk(True)`: the spool's disk takes nothing."""

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def switch(full: bool) -> None:
        monkeypatch.undo()
        if full:
            monkeypatch.setattr(spool.Spool, "_write", fail)

    yield switch
    monkeypatch.undo()


def test_a_full_disk(place: Any, full_disk: Any, tmp_path: Path, caplog: Any) -> None:
    gateway = place()
    full_disk(True)
    asked = [gateway.ask() for _ in range(4)]
    assert [answer.status for answer in asked] == [200] * 4
    state = gateway.ledger()
    assert state["down"] == "disk"
    assert state["unwritten_bytes"] > 0
    full_disk(False)
    gateway.until(lambda: gateway.ledger() == {"down": None, "unwritten_bytes": 0})
    gateway.serving.stop()
    assert recorded(f"sqlite:///{tmp_path}/home/ledger.db") == [a.headers["x-tsuji-request-id"] for a in asked]
    assert caplog.text.count("usage cannot be written") == 1


def test_a_full_disk_stops_requests_where_that_is_wanted(place: Any, full_disk: Any) -> None:
    gateway = place(on_failure="stop")
    full_disk(True)
    assert [gateway.ask().status for _ in range(2)] == [200, 503]  # what was asked for is answered
    full_disk(False)
    gateway.until(lambda: gateway.ask().status == 200)


def test_nothing_is_asked_for_that_could_not_be_recorded(place: Any, full_disk: Any, monkeypatch: Any) -> None:
    gateway = place()
    full_disk(True)
    assert gateway.ask().status == 200
    monkeypatch.setattr(spool, "MAX_HELD", 10)
    assert gateway.ask().status == 503


def test_the_ledgers_process_is_started_again(place: Any, tmp_path: Path) -> None:
    gateway = place()
    first = gateway.serving.gateway.ledger._process
    asked = [gateway.ask()]
    os.kill(first.pid, signal.SIGKILL)
    gateway.until(lambda: gateway.ledger()["down"] == "database")
    asked.append(gateway.ask())
    gateway.until(lambda: gateway.ledger()["down"] is None)
    assert gateway.serving.gateway.ledger._process is not first
    gateway.serving.stop()
    assert recorded(f"sqlite:///{tmp_path}/home/ledger.db") == [a.headers["x-tsuji-request-id"] for a in asked]


def test_a_ledger_that_can_never_be_used(serve: Any, tmp_path: Path) -> None:
    from tsuji.core.errors import ConfigError

    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"set server\.secret or ledger\.folder"):
        serve(config({}, ledger=LedgerConfig(folder=tmp_path / "file" / "x")))
    with pytest.raises(ConfigError, match="must be of sqlite"):
        serve(config({}, ledger=LedgerConfig(url=Secret("mysql://h/d"), folder=tmp_path)))
