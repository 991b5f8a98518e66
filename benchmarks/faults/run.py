"""Plays rows: providers on their ports, the configuration that leads to them, and all cells of a caller at one time."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from .callers import Caller
from .provider import Provider
from .rows import ROWS, Cell, Row, expired, once

PROVIDER = """
[providers.{name}]
dialect = "openai"
base_url = "{url}"
api_key = "upstream-key"
"""
ROUTE = """
[routes.{name}]
targets = [{{ model = "{name}-bad:bad"{bad} }}, {{ model = "{name}-good:good"{good} }}]
{more}
"""


@dataclass
class Found:
    """wrong: "" where what is required held. seen: what was."""

    caller: str
    row: Row
    stream: bool
    wrong: str
    seen: str


async def cells(rows: Iterable[Row], scale: float) -> list[Cell]:
    """With their providers, which listen."""
    made: list[Cell] = []
    for row in rows:
        for stream in (False, True):
            if row.stream if stream else row.plain:
                bad = Provider(row.bad(scale), expired() if row.expired else None)
                cell = Cell(row, stream, scale, bad, Provider(row.good))
                await cell.good.start()
                if not row.url:
                    await cell.bad.start()
                made.append(cell)
    return made


def url_of(cell: Cell) -> str:
    scheme = "https" if cell.row.expired else "http"
    return cell.row.url or f"{scheme}://127.0.0.1:{cell.bad.port}/v1"


def config(made: Iterable[Cell], head: str = "", route: str = "") -> str:
    """A configuration of ours. head: more of it. route: more lines of every route."""
    out = [head]
    for cell in made:
        row, name = cell.row, cell.name
        good = f"http://127.0.0.1:{cell.good.port}/v1"
        out.append(PROVIDER.format(name=f"{name}-bad", url=url_of(cell)))
        out.append(PROVIDER.format(name=f"{name}-good", url=good))
        more = ", prefill = true" if row.prefill else ""
        window = (", context = 1000", ", context = 100000") if row.window else ("", "")
        hedge = f"[routes.{name}.hedge]" if row.hedge else ""
        lines = f"{route.format(name=name)}\n{hedge}"
        out.append(ROUTE.format(name=name, bad=window[0], good=more + window[1], more=lines))
    return "\n".join(out)


async def play(made: Iterable[Cell], caller: Caller) -> list[Found]:
    return await asyncio.gather(*[_one(cell, caller) for cell in made])


async def _one(cell: Cell, caller: Caller) -> Found:
    row, stream = cell.row, cell.stream
    if row.leaves and not caller.leaves[0 if stream else 1]:
        return Found(caller.name, row, stream, "", "not to be had: a blocking call cannot be left")
    if row.number == "21b" and caller.name == "blocking":
        return Found(caller.name, row, stream, "", "not to be had: a blocking call cannot be left")
    await (row.play or once)(
        cell, lambda: caller.ask(cell.name, stream), lambda seconds: caller.leave(cell.name, stream, seconds)
    )
    wrong = row.judge(cell)
    return Found(caller.name, row, stream, wrong, wrong or _seen(cell))


def _seen(cell: Cell) -> str:
    tries = f"tries {len(cell.bad.tries)}+{len(cell.good.tries)}"
    if not cell.outcomes:
        return f"closed, {tries}"
    right = sum([outcome.right for outcome in cell.outcomes])
    slowest = max([outcome.seconds for outcome in cell.outcomes])
    if len(cell.outcomes) > 1:
        return f"{right} of {len(cell.outcomes)} whole, slowest {slowest:.1f} s, {tries}"
    return f"{cell.outcomes[0]}, {tries}"


def stop(made: Iterable[Cell]) -> None:
    for cell in made:
        cell.bad.stop()
        cell.good.stop()


def chosen(*, quick: bool) -> list[Row]:
    return [row for row in ROWS if not (quick and row.waits)]
