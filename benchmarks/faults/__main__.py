"""`python -m benchmarks.faults`: plays all rows and writes docs/faults.md.

QUICK=1: without the rows that take more than 20 s, and nothing is written. PEERS=1: LiteLLM's proxy as well.
ROWS="8 9": only these.
"""

import asyncio
import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks import nginx
from benchmarks.machine import describe

from . import systems
from .callers import Async, Blocking, Caller, Through
from .provider import RIGHT
from .rows import Cell, Row
from .run import Found, cells, chosen, config, play, stop
from .table import page, report

QUICK = bool(os.environ.get("QUICK"))
PEERS = bool(os.environ.get("PEERS"))


async def ours(rows: list[Row], folder: Path) -> list[Found]:
    """One caller after the other: the machine has few cores, and rules on times are to hold on it."""
    found: list[Found] = []
    for name in ("blocking", "async", "gateway"):
        made = await cells(rows, 1.0)
        port = nginx.free_port()
        text = config(made, systems.HEAD.format(port=port))
        file = folder / f"{name}.toml"
        file.write_text(text)
        if name == "gateway":
            with systems.tsuji(folder, text, port):
                found += await _play(made, Through(name, port))
        else:
            found += await _play(made, Blocking(str(file)) if name == "blocking" else Async(str(file)))
        print(f"{name}: {_right(found, name)}", flush=True)
    return found


async def theirs(rows: list[Row], folder: Path) -> list[Found]:
    made = await cells(rows, 1.0)
    with systems.litellm(folder, made) as port:
        found = await _play(made, Through("LiteLLM", port))
    print(f"LiteLLM: {_right(found, 'LiteLLM')}", flush=True)
    return found


async def _play(made: list[Cell], caller: Caller) -> list[Found]:
    try:
        return await play(made, caller)
    finally:
        await caller.close()
        stop(made)


def _right(found: list[Found], name: str) -> str:
    mine = [one for one in found if one.caller == name]
    return f"{sum([not one.wrong for one in mine])} of {len(mine)} as required"


def main() -> None:
    only = os.environ.get("ROWS", "").split()
    rows = [row for row in chosen(quick=QUICK) if not only or row.number in only]
    peers = PEERS and systems.LITELLM.exists()
    if PEERS and not peers:
        print("LiteLLM: left out, because .venv-gateways has none (sh benchmarks/gateways/install.sh makes it)")
    assert len(RIGHT.split()) == 60
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(ours(rows, Path(folder)))
        if peers:
            found += asyncio.run(theirs(rows, Path(folder)))
    print(report(found))
    if not (QUICK or only):
        machine = describe(("tsuji", "openai", "uvloop"))
        version = _litellm_version() if peers else ""
        Path("docs/faults.md").write_text(page(found, machine, version), encoding="utf-8")


def _litellm_version() -> str:
    program = "from importlib.metadata import version; print(version('litellm'))"
    python = systems.LITELLM.with_name("python")
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
