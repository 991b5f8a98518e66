"""One table: on the terminal, and in Markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .system import System

Result = TypeVar("Result")


@dataclass
class Section:
    """failed: why a system is not in the rows."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""
    failed: dict[str, str] = field(default_factory=dict)

    def table(self) -> Table:
        made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        made.add_column("")
        for column in self.columns:
            made.add_column(column, justify="right")
        for row in self.rows:
            made.add_row(*row)
        return made

    def remarks(self) -> list[str]:
        return [*([self.note] if self.note else []), *[f"{name} failed: {why}" for name, why in self.failed.items()]]

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


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"
