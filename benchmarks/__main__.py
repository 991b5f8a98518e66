"""`make bench`: measures, prints, and says on what."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import gateway, library, nginx, pairs

PEERS = ("tsuji", "openai", "any-llm-sdk", "litellm", "msgspec", "httptools", "uvloop")


def machine() -> str:
    """The processor, its cores, the system and the versions of everything measured."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = named[0].split(":", 1)[1].strip() if named else name
    peers = ", ".join(f"{peer} {version(peer)}" for peer in PEERS)
    server = subprocess.run([nginx.program() or "nginx", "-v"], capture_output=True, text=True).stderr.strip()
    return (
        f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; {peers}; {server.removeprefix('nginx version: ')}"
    )


def table(title: str, unit: str, rows: dict[str, float], against: str) -> Table:
    made = Table(title=title, title_justify="left")
    made.add_column("")
    made.add_column(unit, justify="right")
    made.add_column(f"x {against}", justify="right")
    for name, value in rows.items():
        made.add_row(name, f"{value:,.1f}" if value < 1000 else f"{value:,.0f}", f"{value / rows[against]:.3g}")
    return made


def pairs_table(seen: dict[str, dict[str, float]]) -> Table:
    """Beside each figure its ratio to the same dialect on both sides, where the body passes."""
    made = Table(
        title="Dialects, client -> provider: request and answer, by prompt size; a stream", title_justify="left"
    )
    columns = list(next(iter(seen.values())))
    made.add_column("")
    for column in columns:
        made.add_column(column if "/s" in column else f"us, {column}", justify="right")
        made.add_column("x passed", justify="right")
    for pair, row in seen.items():
        provider = pair.partition(" -> ")[2]
        passed = seen[f"{provider} -> {provider}"]
        cells = [(f"{row[c]:,.0f}", f"{row[c] / passed[c]:.3g}") for c in columns]
        made.add_row(pair, *[text for cell in cells for text in cell])
    return made


def main() -> int:
    out = Console()
    if nginx.program() is None:
        out.print("nginx is not installed, and everything here is measured against it: nothing was measured")
        return 1
    out.print(machine(), highlight=False)
    out.print("python -m benchmarks; medians; client or gateway on core 0, server and load on core 1", highlight=False)
    seen = library.measure()
    out.print(table("Import", "ms", seen["import"], "any-llm"))
    out.print(table("First call done, in a new process", "ms", seen["first call"], "http.client + json"))
    out.print(table("Per call, kept process", "us", seen["per call"], "http.client + json"))
    out.print(pairs_table(pairs.measure()))
    title = f"Gateway: 400-byte chat, {gateway.CONNECTIONS} connections, key checked, model rewritten, usage recorded"
    try:
        out.print(table(title, "requests/s", gateway.measure(), "nginx, plain reverse proxy"))
    except RuntimeError as error:
        out.print(f"gateway not measured: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
