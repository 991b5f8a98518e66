"""Rows of the table of faults that can be played in seconds, with the limits of each route made small."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from benchmarks import nginx
from benchmarks.faults import systems
from benchmarks.faults.callers import Async, Blocking, Caller, Through
from benchmarks.faults.run import cells, chosen, config, play, stop

SCALE = 0.1
SOON = "[routes.{name}.timeouts]\nfirst_byte = 1.0\nfirst_token = 1.0\nidle = 1.0"
BY_THE_CLOCK = ("21a", "21b")
"""Rules on tenths of a second hold on a machine that does nothing else: `make faults`."""


async def _played(folder: Path, begin: Callable[[Path, str, int], Awaitable[Caller]]) -> None:
    made = await cells([row for row in chosen(quick=True) if row.number not in BY_THE_CLOCK], SCALE)
    port = nginx.free_port()
    text = config(made, systems.HEAD.format(port=port), SOON)
    file = folder / "tsuji.toml"
    file.write_text(text)
    caller = await begin(file, text, port)
    try:
        found = await play(made, caller)
    finally:
        await caller.close()
        stop(made)
    assert len(found) > 40
    assert [f"{one.row.number} {one.row.fault}, {one.stream=}: {one.wrong}" for one in found if one.wrong] == []


async def _blocking(file: Path, _text: str, _port: int) -> Caller:
    return Blocking(str(file))


async def _async(file: Path, _text: str, _port: int) -> Caller:
    return Async(str(file))


@pytest.mark.parametrize("begin", [_blocking, _async])
async def test_the_library_survives(begin: Callable[[Path, str, int], Awaitable[Caller]], tmp_path: Path) -> None:
    await _played(tmp_path, begin)


async def test_the_gateway_survives(tmp_path: Path) -> None:
    running = None

    async def through(file: Path, text: str, port: int) -> Caller:
        nonlocal running
        running = systems.tsuji(file.parent, text, port)
        running.__enter__()
        return Through("gateway", port)

    try:
        await _played(tmp_path, through)
    finally:
        if running is not None:
            running.__exit__(None, None, None)
