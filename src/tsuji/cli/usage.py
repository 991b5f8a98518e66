"""`tsuji usage`: what was used, and what it cost."""

from enum import StrEnum
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
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Add up the gateway's usage records: requests, tokens and cost."""
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
        [row.name, *[f"{n:,}" for n in row[1:5]], _dollars(row.cost), f"{row.unpriced:,}" if row.unpriced else ""]
        for row in sums
    ]
    print_table("", [by.value, "requests", "failed", "tokens in", "out", "cost", "unknown"], rows)


def _dollars(nano: int) -> str:
    dollars = nano / 1e9
    return f"${dollars:,.2f}" if dollars >= 100 or nano == 0 else f"${dollars:,.6f}"
