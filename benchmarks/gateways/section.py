"""One table: on the terminal, and in Markdown; and what every table is made of, rounds by turns and their medians."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .system import System

Result = TypeVar("Result")
NOISE = 0.15
"""Rounds of one system that differ by more than this part of their median are named below the table."""


@dataclass
class Section:
    """failed: why a system is not in the rows. also: more remarks."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""
    failed: dict[str, str] = field(default_factory=dict)
    also: list[str] = field(default_factory=list)

    def table(self) -> Table:
        made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        made.add_column("")
        for column in self.columns:
            made.add_column(column, justify="right")
        for row in self.rows:
            made.add_row(*row)
        return made

    def remarks(self) -> list[str]:
        failed = [f"{name} failed: {why}" for name, why in self.failed.items()]
        return [*([self.note] if self.note else []), *self.also, *failed]

    def markdown(self) -> str:
        lines = ["| | " + " | ".join(self.columns) + " |", "|---|" + "---:|" * len(self.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([f"## {self.title}", "", *lines, "", *[f"{remark}\n" for remark in self.remarks()]])


def in_turns(
    systems: Sequence[System], rounds: int, measure: Callable[[System], Result]
) -> tuple[dict[str, list[Result]], dict[str, str]]:
    """A result of each round for each system, in turns; and why a system, for which there then are none, failed."""
    seen: dict[str, list[Result]] = {}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for system in systems:
            if system.name in failed:
                continue
            try:
                seen.setdefault(system.name, []).append(measure(system))
            except (RuntimeError, OSError) as error:
                failed[system.name] = str(error)
                del seen[system.name]
    return seen, failed


def ratio(seen: Mapping[str, Sequence[float]], name: str, other: str) -> str:
    """The median of name's result over other's in each round: what slows a round down slows both."""
    if name not in seen or other not in seen:
        return "-"
    return f"{median(ratios(seen, name, other)):.3g}"


def ratios(seen: Mapping[str, Sequence[float]], name: str, other: str) -> list[float]:
    return [one / two for one, two in zip(seen[name], seen[other], strict=True)]


def noise(seen: Mapping[str, Sequence[float]]) -> list[str]:
    """A remark, if there are systems whose rounds disagree."""
    spread = {name: (max(values) - min(values)) / median(values) for name, values in seen.items()}
    noisy = [f"{name} by {part:.0%}" for name, part in spread.items() if part > NOISE]
    return [f"Noisy: rounds differ, of {', '.join(noisy)} (more than {NOISE:.0%})."] if noisy else []


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"
