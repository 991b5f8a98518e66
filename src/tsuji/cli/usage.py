"""`tsuji usage`: what was used, and what it cost."""

from enum import StrEnum
from pathlib import Path
from time import time
from typing import Annotated

import typer

from .options import AsJson, ConfigFile


class By(StrEnum):
    KEY = "key"
    USER = "user"
    TEAM = "team"
    ROUTE = "route"
    TARGET = "target"
    DAY = "day"


def usage(
    by: Annotated[By, typer.Option(help="What to add up by.")] = By.TARGET,
    since: Annotated[str, typer.Option(help="How far back: 12h, 7d, 4w.")] = "7d",
    contents: Annotated[
        str | None,
        typer.Option(metavar="REQUEST_ID", help="Show what was stored of one request instead.", show_default=False),
    ] = None,
    request: Annotated[
        str | None,
        typer.Option(metavar="REQUEST_ID", help="Show one request: what became of it, and why.", show_default=False),
    ] = None,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Add up the gateway's usage records: requests, tokens and cost."""
    if request is not None:
        _tell(request, config, json)
        return
    if contents is not None:
        _show(contents, config, json)
        return
    from tsuji.ledger.report import add_up
    from tsuji.ledger.requests import Which

    from .ledger import open_ledger, span
    from .terminal import console, print_json, print_table

    start = int((time() - span(since)) * 1e6)
    with open_ledger(config) as (_, engine):
        sums = add_up(engine, by.value, Which(since=start))
    if json:
        print_json([row._asdict() for row in sums])
        return
    if not sums:
        console(error=True).print(f"Nothing was asked for in the last {since}.", markup=False)
        return
    rows = [
        [row.name, *[f"{n:,}" for n in row[1:6]], _dollars(row.cost), f"{row.unpriced:,}" if row.unpriced else ""]
        for row in sums
    ]
    print_table("", [by.value, "requests", "failed", "refused", "tokens in", "out", "cost", "unknown"], rows)


def _tell(request_id: str, config: Path | None, json: bool) -> None:
    """What is recorded of a request. Raises NotFoundError."""
    from msgspec.structs import asdict

    from tsuji.ledger.requests import get

    from .explained import show
    from .ledger import iso, open_ledger
    from .terminal import console, print_json, print_table

    with open_ledger(config) as (_, engine):
        found = get(engine, request_id)
    tries = [asdict(one) | {"started": iso(one.started), "ended": iso(one.ended)} for one in found.attempts]
    facts = asdict(found) | {"time": iso(found.time), "attempts": tries}
    del facts["charges"]  # they are booked, and not kept with it
    if json:
        print_json(facts)
        return
    told = [[name.replace("_", " "), str(value)] for name, value in facts.items() if value not in (None, (), [])]
    print_table("", ["", ""], [row for row in told if row[0] not in ("attempts", "explain")])
    console().print()
    if found.explain is not None:
        show(found.explain)
    else:
        rows = [[str(at), one.target, one.error or "-"] for at, one in enumerate(found.attempts, 1)]
        print_table("", ["", "attempt", "error"], rows)


def _show(request_id: str, config: Path | None, json: bool) -> None:
    """The texts as they were stored. Raises InvalidRequestError where nothing was."""
    from msgspec.structs import asdict

    from tsuji.core.errors import InvalidRequestError
    from tsuji.ledger.contentstore import find
    from tsuji.ledger.database import explained

    from .ledger import iso, open_ledger
    from .terminal import console, print_json

    with open_ledger(config) as (_, engine), explained():
        found = find(engine, request_id)
    if found is None:
        raise InvalidRequestError(
            f"nothing is stored of {request_id!r}: its route stores nothing, its time is over, or there was none such"
        )
    if json:
        print_json(asdict(found) | {"time": iso(found.time), "expires": iso(found.expires)})
        return
    out = console()
    for name, text, size in (
        ("request", found.request, found.request_bytes),
        ("response", found.response, found.response_bytes),
    ):
        out.print(f"{name}, {size:,} bytes:" if size is not None else f"{name}: not stored", style="bold", markup=False)
        if text is not None:
            out.print(_tame(text), markup=False, highlight=False, soft_wrap=True)


def _tame(text: str) -> str:
    """What a terminal would obey is shown as a sign."""
    return "".join([letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text])


def _dollars(nano: int) -> str:
    dollars = nano / 1e9
    return f"${dollars:,.2f}" if dollars >= 100 or nano == 0 else f"${dollars:,.6f}"
