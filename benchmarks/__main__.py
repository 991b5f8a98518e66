"""`make bench`: measures, prints, and says on what."""

import sys
from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from . import gateway, library, machine, nginx, pairs

PEERS = ("tsuji", "openai", "any-llm-sdk", "litellm", "msgspec", "httptools", "uvloop")


def table(title: str, unit: str, rows: dict[str, float], against: str) -> Table:
    made = Table(title=title, title_justify="left")
    made.add_column("")
    made.add_column(unit, justify="right")
    made.add_column(f"x {against}", justify="right")
    for name, value in rows.items():
        made.add_row(name, f"{value:,.1f}" if value < 1000 else f"{value:,.0f}", f"{value / rows[against]:.3g}")
    return made


def pair_tables(seen: dict[str, dict[str, float]]) -> Iterator[Table]:
    """One for each measure: a line for each client's dialect, a column for each provider's."""
    names = list(dict.fromkeys([pair.partition(" -> ")[0] for pair in seen]))
    for measure in next(iter(seen.values())):
        what = "a stream, thousand chunks/s" if "/s" in measure else f"request and answer, {measure} prompt, us"
        made = Table(
            title=f"Dialects: {what}; client below, provider across",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 0, 0, 1),
        )
        made.add_column("")
        for name in names:
            made.add_column(name, justify="right")
        for client in names:
            row = [seen[f"{client} -> {provider}"][measure] for provider in names]
            made.add_row(client, *[f"{value / 1000 if '/s' in measure else value:,.0f}" for value in row])
        yield made


def main() -> int:
    out = Console()
    if nginx.program() is None:
        out.print("nginx is not installed, and everything here is measured against it: nothing was measured")
        return 1
    out.print(machine.describe(PEERS), highlight=False)
    out.print("python -m benchmarks; medians; client or gateway on core 0, server and load on core 1", highlight=False)
    seen = library.measure()
    out.print(table("Import", "ms", seen["import"], "any-llm"))
    out.print(table("First call done, in a new process", "ms", seen["first call"], "http.client + json"))
    out.print(table("Per call, kept process", "us", seen["per call"], "http.client + json"))
    for made in pair_tables(pairs.measure()):
        out.print(made)
    out.print("Where both are one dialect, the body passes undecoded.", highlight=False)
    title = f"Gateway: 400-byte chat, {gateway.CONNECTIONS} connections, key checked, model rewritten, usage recorded"
    try:
        out.print(table(title, "requests/s", gateway.measure(), "nginx, plain reverse proxy"))
    except RuntimeError as error:
        out.print(f"gateway not measured: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
