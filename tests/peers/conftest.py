"""The gateway that the other clients' tests use, and the table of what held."""

import os
from collections.abc import Iterator
from typing import Any

from tests.clients.conftest import gateway, upstream

__all__ = ["gateway", "upstream"]

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the internet for prices when it is imported
os.environ["ANY_LLM_UNIFIED_EXCEPTIONS"] = "1"

Cell = tuple[str, str, str]


def _cells(reports: list[Any]) -> Iterator[Cell]:
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == "cell":
                yield value


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """(client x feature x dialect of the provider): the letter of a dialect where all its tests held."""
    stats = terminalreporter.stats
    ran = {kind: list(_cells(stats.get(kind, []))) for kind in ("passed", "failed", "skipped")}
    peers = list(dict.fromkeys(cell[0] for cells in ran.values() for cell in cells))
    features = list(dict.fromkeys(cell[1] for cells in ran.values() for cell in cells))
    if not peers:
        return
    write = terminalreporter.write_line
    write("")
    write("Held, by dialect of the provider: openai, Anthropic, Gemini, oLlama, Responses; . failed, - no such thing")
    write(" " * 24 + "".join(f"{f:>17}" for f in features))
    failed, passed = set(ran["failed"]), set(ran["passed"])
    for peer in peers:
        row = f"{peer:<24}"
        for feature in features:
            said = ""
            for dialect, letter in (
                ("openai", "o"),
                ("anthropic", "A"),
                ("gemini", "G"),
                ("ollama", "L"),
                ("responses", "R"),
            ):
                cell = (peer, feature, dialect)
                said += "." if cell in failed else letter if cell in passed else "-"
            row += f"{said:>17}"
        write(row)
