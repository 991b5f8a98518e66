"""What a request waits for: others who hold what it needs, a ledger that is down, and its own client."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import config, request
from tests.ledger.postgres import Postgres
from tests.ledger.test_down import stopped
from tests.ledger.test_spending import CENTS, PRICE, SECRET, Bank, bank
from tests.ledger.test_virtual_keys import now
from tsuji.config import LedgerConfig, Secret, Server
from tsuji.ledger import leases
from tsuji.ledger.asks import Ask
from tsuji.ledger.database import ready
from tsuji.ledger.limits import Limit

__all__ = ["bank", "stopped"]


def until(holds: Callable[[], bool]) -> None:
    began = time.perf_counter()
    while not holds():
        assert time.perf_counter() - began < 60
        time.sleep(0.01)


class Other:
    """Another worker, that holds all there is."""

    def __init__(self, engine: Engine, budget: Limit) -> None:
        self.engine, self.budget = engine, budget
        leases.beat(engine, "other", now())
        asked = Ask("theirs", budget.id, "", 0, need=budget.amount, least=1, fresh=True)
        (found,) = leases.ask(engine, "other", [asked])
        assert found.granted == budget.amount

    def is_asked(self) -> bool:
        return leases.wanted(self.engine, "other") == ["theirs"]

    def give_back(self) -> None:
        amount = self.budget.amount
        leases.ask(self.engine, "other", [Ask("theirs", self.budget.id, "", 0, amount, amount)])


def waiting(bank: Bank) -> int:
    spending = bank.serving.gateway.spending
    assert spending is not None
    return len(spending._waits)


def test_a_request_waits_for_what_others_give_back(bank: Any) -> None:
    gateway = bank()
    budget = gateway.set(amount=10 * CENTS)
    other = Other(gateway.engine, budget)
    with gateway.serving.client() as client:
        client.send(request(*asking.chat("openai", model="fast", max_tokens=10)))
        until(other.is_asked)
        assert gateway.provider.requests == []
        other.give_back()
        assert client.read().status == 200
    refused = gateway.ask(max_tokens=100)
    assert refused.status == 402


def test_a_request_is_refused_when_nobody_gives_any_back(bank: Any) -> None:
    gateway = bank()
    Other(gateway.engine, gateway.set(amount=10 * CENTS))
    assert gateway.ask().status == 402
    assert waiting(gateway) == 0


def test_a_client_that_leaves_waits_no_more(bank: Any) -> None:
    gateway = bank()
    budget = gateway.set(amount=10 * CENTS)
    other = Other(gateway.engine, budget)
    with gateway.serving.client() as client:
        client.send(request(*asking.chat("openai", model="fast", max_tokens=10)))
        until(lambda: waiting(gateway) == 1)
    until(lambda: waiting(gateway) == 0)
    other.give_back()
    assert [gateway.ask().status for _ in range(3)] == [200] * 3
    gateway.settled(budget, 3 * CENTS // 2)
    assert len(gateway.provider.requests) == 3


def test_the_ledgers_process_is_another(bank: Any) -> None:
    """What was leased from the one before is spent, and no more."""
    gateway = bank()
    budget = gateway.set(amount=5 * CENTS)
    assert gateway.ask().status == 200
    ledger = gateway.serving.gateway.ledger
    assert ledger is not None
    first = ledger._process
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: ledger._process is not first and not ledger.failure)
    statuses = [gateway.ask().status for _ in range(12)]
    assert statuses == [200] * 8 + [402] * 4
    assert gateway.ask(max_tokens=5).status == 200
    gateway.settled(budget, 5 * CENTS)
    assert gateway.cost() == 5 * CENTS


def _bank(serve: Any, scripted: Any, url: str, folder: Path, on_failure: str) -> Bank:
    provider = scripted(lambda _: answers.chat("openai"))
    settings = config(
        {"up": ("openai", provider.url)},
        {"fast": ["up:quick"]},
        server=Server(port=0, secret=SECRET),
        ledger=LedgerConfig(url=Secret(url), folder=folder / "home", on_failure=on_failure),
        prices={"up:quick": PRICE},
    )
    return Bank(serve(settings), provider, ready(url))


def test_requests_go_on_without_the_database_and_are_booked_later(
    stopped: Postgres, serve: Any, scripted: Any, tmp_path: Path
) -> None:
    gateway = _bank(serve, scripted, stopped.url(), tmp_path, "continue")
    budget = gateway.set(amount=2 * CENTS)
    assert gateway.ask().status == 200
    stopped.stop()
    ledger = gateway.serving.gateway.ledger
    assert ledger is not None
    until(lambda: ledger.failure == "database")
    assert [gateway.ask().status for _ in range(7)] == [200] * 7
    stopped.start()
    until(lambda: ledger.failure == "")
    gateway.engine.dispose()
    gateway.settled(budget, 4 * CENTS)
    assert gateway.ask().status == 402
    gateway.engine.dispose()


def test_requests_stop_without_the_database_where_that_is_wanted(
    stopped: Postgres, serve: Any, scripted: Any, tmp_path: Path
) -> None:
    gateway = _bank(serve, scripted, stopped.url(), tmp_path, "stop")
    gateway.set(amount=100 * CENTS)
    assert gateway.ask().status == 200
    stopped.stop()
    ledger = gateway.serving.gateway.ledger
    assert ledger is not None
    until(lambda: ledger.failure == "database")
    assert gateway.ask().status == 503
    gateway.engine.dispose()
