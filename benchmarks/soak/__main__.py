"""`make soak MINUTES=20`: load with faults and operations, then the account of it; writes docs/soak.md."""

import argparse
import asyncio
import http.client
import json
import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from tests.ledger.postgres import Postgres

from tsuji.ledger.spool import segments

from .. import machine, processes
from ..gateways.memory import allow_files
from ..gateways.section import Section
from ..gateways.world import take_core_1
from .account import account, copied
from .gateway import PRICES, budget, has_limits, prepared, upstream
from .load import MOST, Load, log_in
from .operations import Operations
from .page import Figures, sections
from .watch import Look, Watch

PAGE, POSTGRES_PAGE = Path("docs/soak.md"), Path("docs/soak-postgresql.md")
PACKAGES = ("tsuji", "msgspec", "httptools", "uvloop", "sqlalchemy")
SHARE = 0.1
CONNECTIONS = 500
WARM_SECONDS, FLAT_OUT_SECONDS = 5.0, 10.0
SETTLE_SECONDS = 3.0
STARTS = 5
"""Of the gateway after its end, as long as something is left for one in the spool."""
_BUGS = ("Traceback (most recent call last)", "unexpected error")


class Soak:
    """minutes: of load. rate: requests a second; None: half of what can be. database: of the ledger; None: SQLite."""

    def __init__(self, minutes: float, rate: float | None, database: Postgres | None) -> None:
        self._minutes, self._rate, self._database = minutes, rate, database

    def run(self, folder: Path) -> Figures:
        url = self._database.url() if self._database is not None else None
        with upstream() as port, log_in(folder) as log:
            gateway = prepared(folder, port, url)
            load = Load(gateway.port, gateway.key, 0.0, log)
            with gateway.running() as pid:
                operations = Operations(pid, gateway.port, gateway.config, self._database)
                most, looks = _with_loop(self._ask(load, pid, operations))
            made = _made(port)
        left = len(segments(gateway.home / "spool"))
        for _ in range(STARTS):
            if segments(gateway.home / "spool"):
                with gateway.running():
                    time.sleep(SETTLE_SECONDS)
        ledger = gateway.home / "ledger.db" if url is None else copied(url, folder / "copied.db")
        lines = (folder / "gateway.log").read_text(errors="replace").splitlines()
        return Figures(
            seconds=self._minutes * 60,
            most=most,
            rate=self._rate or most / 2,
            asked=load.asked,
            held=load.held,
            most_open=load.most_open,
            made=made,
            account=account(folder / "outcomes.tsv", ledger, load.steady, PRICES),
            budget=budget(gateway.config) if has_limits() else None,
            operations=operations,
            looks=looks,
            left=left,
            stuck=len(segments(gateway.home / "spool")),
            log=[line for line in lines if any(bug in line for bug in _BUGS)],
        )

    async def _ask(self, load: Load, pid: int, operations: Operations) -> tuple[float, list[Look]]:
        most = await load.flat_out(CONNECTIONS, WARM_SECONDS, FLAT_OUT_SECONDS)
        if not most:
            raise RuntimeError(
                f"no request was answered in {FLAT_OUT_SECONDS:g} s: this machine has too much else to do"
            )
        await asyncio.sleep(SETTLE_SECONDS)
        seconds, over = self._minutes * 60, threading.Event()
        watch = Watch(pid, lambda: load.asked)
        watch.look()
        watching = asyncio.create_task(watch.every(min(60.0, seconds / 4)))
        operating = asyncio.create_task(asyncio.to_thread(operations.run, min(15.0, seconds / 20), over))
        load.share = SHARE
        await load.at_rate(self._rate or most / 2, seconds)
        over.set()
        await operating
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        load.close()
        await asyncio.sleep(SETTLE_SECONDS)
        watch.look()
        return most, watch.looks


def _with_loop(work: "asyncio.coroutines.Coroutine") -> tuple[float, list[Look]]:  # type: ignore[type-arg]
    try:
        from uvloop import new_event_loop
    except ImportError:
        from asyncio import new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def _made(port: int) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/made")
    made = json.loads(connection.getresponse().read())
    connection.close()
    return made


def _intro(pinned: bool, database: str) -> str:
    cores = (
        "The gateway and its ledger's process on core 0, the rest on core 1" if pinned else "Nothing pinned to a core"
    )
    return (
        f"{cores}; loopback only. {SHARE:.0%} of the requests have a fault of one kind, made by the upstream or by the "
        "client; which one is in the request, so each outcome is judged by what its own fault explains. Requests come "
        "at a steady rate, whatever becomes of those before; 40% are streams; clients speak OpenAI's, Anthropic's and "
        f"the Responses dialect, the upstream OpenAI's. The ledger ({database}) is compared with what clients saw, id "
        "by id: with the tokens that the upstream said, their cost, and the number of attempts."
    )


def _told(out: Console, sections: list[Section]) -> None:
    for section in sections:
        out.print(section.title, style="bold", highlight=False)
        out.print(section.table())
        for remark in section.remarks():
            out.print(remark, highlight=False, markup=False)
        out.print()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, help="requests a second; by default half of what can be")
    parser.add_argument("--postgres", action="store_true", help="the ledger in PostgreSQL, which crashes now and then")
    parser.add_argument("--quick", action="store_true", help="print only; no page")
    return parser.parse_args()


def main() -> int:
    given, out = _arguments(), Console(width=max(Console().width, 110))
    if not processes.AVAILABLE:
        out.print("this system has no /proc to read memory from; nothing was done")
        return 1
    try:
        database = Postgres() if given.postgres else None
    except pytest.skip.Exception as missing:
        out.print(f"{missing}; nothing was done")
        return 1
    pinned, start = take_core_1(), time.monotonic()
    allow_files(4 * MOST)
    about, intro = f"{machine.describe(PACKAGES)}.", _intro(pinned, "PostgreSQL" if given.postgres else "SQLite")
    out.print(about, intro, "", sep="\n", highlight=False)
    try:
        with tempfile.TemporaryDirectory() as folder, out.status(f"{given.minutes:g} minutes of load"):
            seen = Soak(given.minutes, given.rate, database).run(Path(folder))
    finally:
        if database is not None:
            database.close()
    made = sections(seen)
    _told(out, made)
    if not given.quick:
        page = POSTGRES_PAGE if given.postgres else PAGE
        written = "Written by `make soak`, which does all of it anew; no figure here is typed by hand."
        options = [f"--minutes {given.minutes:g}", *([f"--rate {given.rate:g}"] if given.rate else [])]
        command = " ".join(["python -m benchmarks.soak", *options, *(["--postgres"] if given.postgres else [])])
        parts = ["# Soak", written, f"{datetime.now(UTC):%Y-%m-%d}, `{command}`. {about}", intro]
        page.write_text("\n\n".join([*parts, *[section.markdown().strip() for section in made]]) + "\n")
        out.print(f"wrote {page}, {time.monotonic() - start:.0f} s")
    out.print("nothing lost, nothing unexplained" if seen.is_clean else "NOT CLEAN: see above")
    return 0 if seen.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
