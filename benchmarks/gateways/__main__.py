"""`make bench-gateway`: measures, prints, and writes docs/benchmarks.md; with --quick it prints only."""

import argparse
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console

from .. import machine, nginx
from .memory import SPARE, allow_files
from .plan import QUICK, Plan
from .run import Run
from .section import Section
from .world import take_core_1

PAGE = Path("docs/benchmarks.md")
PACKAGES = ("tsuji", "msgspec", "httptools", "uvloop", "sqlalchemy")


def _plan() -> tuple[Plan, bool, str]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateways", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, in a few minutes; no page")
    parser.add_argument("--streams", type=int, nargs="+", metavar="N", help="how many at once; default 200 and 1000")
    given = parser.parse_args()
    plan = QUICK if given.quick else Plan()
    plan = replace(plan, streams=tuple(given.streams)) if given.streams else plan
    options = [
        *(["--quick"] if given.quick else []),
        *(["--streams", *map(str, given.streams)] if given.streams else []),
    ]
    return plan, not given.quick, " ".join(["python -m benchmarks.gateways", *options])


def _how(plan: Plan, pinned: bool) -> str:
    cores = (
        "One worker of each system on core 0 (taskset; with Tsuji's its ledger process), the load generator and the "
        "upstream on core 1, loopback only."
        if pinned and shutil.which("taskset")
        else "Nothing was pinned to a core: this machine has one core, or no taskset."
    )
    rounds = f"Medians of {plan.rounds} rounds" if plan.rounds > 1 else "One round"
    return (
        f"{cores} Times are taken by the client. {rounds}, the systems by turns. "
        "A system of which one request failed is reported as failed."
    )


def _what(run: Run) -> list[str]:
    return [f"{system.name}: {system.on}." for system in run.systems]


def _left_out(run: Run) -> list[str]:
    return [f"{name}: {why}." for name, why in run.left_out.items()]


def _ledger(run: Run) -> str:
    records, priced = run.recorded
    return f"Tsuji's ledger held {records:,} records of this run's requests afterwards, {priced:,} of them with a cost."


def _page(run: Run, sections: list[Section], command: str, how: str) -> str:
    bullets = {"What was on": _what(run), "Left out": _left_out(run)}
    parts = [
        "# Benchmarks of the gateway",
        "Written by `make bench-gateway`, which measures all of it anew; no figure here is typed by hand.",
        f"{datetime.now(UTC):%Y-%m-%d}, `{command}`. {machine.describe(PACKAGES)}.",
        how,
        *[f"## {title}\n\n" + "\n".join([f"- {line}" for line in lines]) for title, lines in bullets.items()],
        _ledger(run),
        *[section.markdown().strip() for section in sections],
    ]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    out = Console(width=min(Console().width, 80))
    absent = [name for name in ("nginx", "wrk") if not (nginx.program() if name == "nginx" else shutil.which(name))]
    if absent:
        out.print(f"not installed: {' and '.join(absent)}; nothing was measured")
        return 1
    plan, writes, command = _plan()
    start, pinned, run, sections = perf_counter(), take_core_1(), Run(plan), list[Section]()
    allow_files(plan.idle_connections + max(plan.streams) + SPARE)
    how = _how(plan, pinned)
    out.print(machine.describe(PACKAGES), how, "", sep="\n", highlight=False)
    with out.status("") as status:
        for section in run.sections(lambda what: status.update(f"measuring: {what}")):
            sections.append(section)
            out.print(section.title, style="bold", highlight=False)
            out.print(section.table())
            for remark in section.remarks():
                out.print(remark, highlight=False, markup=False)
            out.print()
    out.print("What was on", *_what(run), "", "Left out", *_left_out(run), "", _ledger(run), sep="\n", highlight=False)
    if writes:
        PAGE.write_text(_page(run, sections, command, how))
        out.print(f"wrote {PAGE}, {perf_counter() - start:.0f} s")
    failed = [name for section in sections for name in section.failed]
    return 1 if any(name.startswith(("Tsuji", "nginx", "direct")) for name in failed) else 0


if __name__ == "__main__":
    sys.exit(main())
