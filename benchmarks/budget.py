"""`make budget-run`: what a budget lets through when thousands of requests come at once, on SQLite and on PostgreSQL.

Four gateways, each a process of its own, share one database. Every request may cost a cent at most, and the budget is
for a hundred. Three columns say whether it held: what was served, what was spent, and whether that is what the usage
records add up to.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from tests.ledger.budget_run import CENT, Answers, Provider, Town, ask_at_once
from tests.ledger.postgres import Postgres

COLUMNS = ("database", "run", "requests", "served", "refused", "broken", "spent", "usage", "held", "longest")


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks.budget")
    options.add_argument("--requests", type=int, default=10_000)
    requests = options.parse_args().requests
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        held = _all("SQLite", lambda name: f"sqlite:///{folder}/{name}.db", Path(folder) / "sqlite", requests)
        try:
            server = Postgres()
        except pytest.skip.Exception as reason:
            print(f"PostgreSQL: not run, because {reason}")
            return 0 if held else 1
        try:
            held &= _all("PostgreSQL", lambda _: server.url(), Path(folder) / "postgresql", requests)
        finally:
            server.close()
    print("the bound held in every run" if held else "THE BOUND DID NOT HOLD")
    return 0 if held else 1


def _all(database: str, url: Callable[[str], str], folder: Path, requests: int) -> bool:
    held = _run(database, "cost = bound", url("whole"), folder / "whole", requests, 10)
    held &= _run(database, "cost = half of it", url("half"), folder / "half", requests, 5)
    return _killed(database, url("killed"), folder / "killed") and held


def _run(database: str, name: str, url: str, folder: Path, requests: int, tokens: int) -> bool:
    """tokens: that each request uses, of the ten that it may."""
    folder.mkdir(parents=True)
    provider = Provider(tokens)
    try:
        with Town(url, folder, provider) as town:
            budget = town.budget(100 * CENT)
            ports = [worker.port for worker in town.workers]
            found = ask_at_once(ports * (requests // len(ports)))
            books = town.books(budget)
    finally:
        provider.close()
    _print(database, name, found, books.spent, books.cost, books.held)
    most = 100 * 10 // tokens
    return books.spent == books.cost <= 100 * CENT and 100 <= found.statuses[200] <= most and books.held == 0


def _killed(database: str, url: str, folder: Path) -> bool:
    """A worker and its ledger's process are killed amid 2,000 requests; the next start finds what they left."""
    folder.mkdir(parents=True)
    provider = Provider()
    found: list[Answers] = []
    try:
        with Town(url, folder, provider) as town:
            budget = town.budget(100_000 * CENT)
            ports = [worker.port for worker in town.workers]
            asking = Thread(target=lambda: found.append(ask_at_once(ports * 500)))
            asking.start()
            while provider.asked < 300:
                time.sleep(0.001)
            town.workers[0].kill(all=True)
            asking.join()
            town.start()
            books = town.books(budget)
    finally:
        provider.close()
    _print(database, "kill -9 amid it", found[0], books.spent, books.cost, books.held)
    return books.spent == books.cost and books.held == 0 and books.requests >= found[0].statuses[200]


def _print(database: str, name: str, found: Answers, spent: int, cost: int, held: int) -> None:
    counts = [sum(found.statuses.values()), found.statuses[200], found.statuses[402], found.statuses[0]]
    money = [f"${amount / 1e9:.3f}" for amount in (spent, cost, held)]
    row = [database, name, *[f"{count:,}" for count in counts], *money, f"{found.longest:.1f} s"]
    print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
