"""How far off the memory estimates are, against llama.cpp's dry runs and logs of loads; part of `make bench-fit`."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tsuji.hardware.memory_rows import estimate_rows

Pair = tuple[float, float]
"""MiB: estimated, measured."""
GOAL_SHARE, GOAL_MIB = 0.03, 150.0
DEVICES_GIB = (4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128)
"""Sizes that a load is asked of, whether it fits."""
MARGIN = 0.03
"""Of a device, that the planner leaves free."""
PART_LOADED = 0.9
"""Below this share of the file, a peak is of a load that was not whole (it came in parts, or failed)."""


def main(folder: Path) -> int:
    out = Console(width=min(Console().width, 110))
    dry, logs = folder / "llamacpp_dry_run_memory.csv", folder / "measured_memory.csv"
    absent = [str(file) for file in (dry, logs) if not file.is_file()]
    if absent:
        out.print(f"not there, and so not measured: {', '.join(absent)}")
        return 0
    out.print(_table("Memory against llama.cpp's dry run (CPU backend)", _dry_runs(_read(dry))))
    rows = _read(logs)
    groups, unsaid = _logs(rows)
    out.print(_table("Memory against logs of loads (older builds, two engines)", groups))
    out.print(f"Not estimated: {unsaid} of {len(rows)} rows, because their model, context or placement is not said.")
    wrong_fits, wrong_not = _fits(groups["whole load, peak"])
    wrong = f'false "fits" {wrong_fits:.1%}, false "does not fit" {wrong_not:.1%}'
    out.print(f"On devices of {DEVICES_GIB} GiB: {wrong}.")
    return 0


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as source:
        return list(csv.DictReader(source))


def _dry_runs(rows: Sequence[dict[str, str]]) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {}
    for row, made in zip(rows, estimate_rows(rows), strict=True):
        if made["median"] is None:
            continue
        attention = "with" if row["flash_attn"] == "on" else "without"
        found.setdefault("KV cache", []).append((made["median"], float(row["kv_mib"])))
        pair = made["inputs"]["compute_median"], float(row["compute_mib"])
        found.setdefault(f"compute buffer, {attention} flash attention", []).append(pair)
    return found


def _logs(rows: Sequence[dict[str, str]]) -> tuple[dict[str, list[Pair]], int]:
    found: dict[str, list[Pair]] = {}
    unsaid = 0
    for row, made in zip(rows, estimate_rows(rows), strict=True):
        if made["median"] is None:
            unsaid += 1
            continue
        found.setdefault(_group(row), []).append((made["median"], float(row["mib"])))
    return found, unsaid


def _group(row: dict[str, Any]) -> str:
    component = row["component"].partition("[")[0].partition("(")[0]
    if component.startswith("peak"):
        whole = float(row["mib"]) > PART_LOADED * 1024 * float(row["file_size_gib"])
        return "whole load, peak" if whole else "part of a load, peak"
    return component.replace("_", " ")


def _fits(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Of all loads that do not fit, those said to; of all that do, those said not to."""
    said = [(made <= gib * 1024 * (1 - MARGIN), real <= gib * 1024) for made, real in pairs for gib in DEVICES_GIB]
    wrong_fits = [made for made, real in said if not real]
    wrong_not = [not made for made, real in said if real]
    return sum(wrong_fits) / max(len(wrong_fits), 1), sum(wrong_not) / max(len(wrong_not), 1)


def _table(title: str, groups: dict[str, list[Pair]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for column in ("what", "rows", "median error", "p90", f"within max({GOAL_SHARE:.0%}, {GOAL_MIB:g} MiB)"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, pairs in sorted(groups.items()):
        errors = sorted(abs(made / real - 1) for made, real in pairs if real)
        near = sum(abs(made - real) <= max(GOAL_SHARE * real, GOAL_MIB) for made, real in pairs)
        ninth = errors[min(len(errors) * 9 // 10, len(errors) - 1)]
        table.add_row(name, str(len(pairs)), f"{median(errors):.1%}", f"{ninth:.0%}", f"{near / len(pairs):.0%}")
    return table


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
