"""The bound of a budget, over four workers that are real processes."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.ledger.budget_run import CENT, Answers, Provider, Town, ask_at_once

REQUESTS = 10_000
PAID = 100


@pytest.fixture
def provider() -> Iterator[Provider]:
    one = Provider()
    yield one
    one.close()


def test_ten_thousand_requests_at_once_for_a_budget_of_a_hundred(url: str, provider: Provider, tmp_path: Path) -> None:
    """Each costs what it may cost at most, so that a hundred are served, and not one more or less."""
    with Town(url, tmp_path, provider) as town:
        budget = town.budget(PAID * CENT)
        ports = [worker.port for worker in town.workers] * (REQUESTS // 4)
        found = ask_at_once(ports)
        assert found.statuses == {200: PAID, 402: REQUESTS - PAID}
        assert provider.asked == PAID
        books = town.books(budget)
        assert (books.spent, books.cost, books.held) == (PAID * CENT, PAID * CENT, 0)


def test_none_is_refused_while_money_is_free(url: str, provider: Provider, tmp_path: Path) -> None:
    """A hundred requests, most of them at one worker, after each has leased some: all are served."""
    with Town(url, tmp_path, provider) as town:
        budget = town.budget((PAID + 8) * CENT)
        ports = [worker.port for worker in town.workers]
        assert ask_at_once(ports * 2).statuses == {200: 8}
        assert ask_at_once([ports[1]] * (PAID - 3) + [ports[0], ports[2], ports[3]]).statuses == {200: PAID}
        assert ask_at_once(ports).statuses == {402: 4}
        assert town.books(budget).spent == (PAID + 8) * CENT


@pytest.mark.parametrize("all", [False, True], ids=["a worker", "with its ledger's process"])
def test_the_books_balance_after_kill_9(all: bool, url: str, provider: Provider, tmp_path: Path) -> None:
    with Town(url, tmp_path, provider) as town:
        budget = town.budget(100_000 * CENT)
        ports = [worker.port for worker in town.workers]
        found: list[Answers] = []
        asking = Thread(target=lambda: found.append(ask_at_once(ports * 300)))
        asking.start()
        while provider.asked < 200:
            time.sleep(0.001)
        town.workers[0].kill(all=all)
        asking.join()
        served = found[0].statuses[200]
        assert served + found[0].statuses[0] == 1200
        if all:
            town.start()  # what was in the spool is its
            time.sleep(2)
            town.expire()
        books = town.books(budget)
        assert (books.spent, books.held) == (books.cost, 0)
        assert served <= books.requests <= provider.asked


def test_a_worker_that_stops_gives_back_what_it_held(url: str, provider: Provider, tmp_path: Path) -> None:
    """At once, while another one lives: its run is not waited for."""
    with Town(url, tmp_path, provider, count=2) as town:
        budget = town.budget(1000 * CENT)
        ports = [worker.port for worker in town.workers]
        assert ask_at_once(ports).statuses == {200: 2}
        assert town.workers[0].stop() == 0
        books = town.books(budget)
        assert (books.spent, books.cost, books.held) == (2 * CENT, 2 * CENT, 0)
