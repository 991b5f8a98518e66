"""The gateway that the other clients' tests use, and the table of what held."""

import os
from typing import Any

from tests.clients.conftest import gateway, upstream
from tests.conftest import scripted

__all__ = ["gateway", "scripted", "upstream"]

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the internet for prices when it is imported
os.environ["ANY_LLM_UNIFIED_EXCEPTIONS"] = "1"

LETTERS = {"ollama": "L"}
"""Of the dialects in the table, where it is not the first one."""

Cell = tuple[str, str, str]


class _Seen:
    """What became of the tests of each (client, feature, dialect of the provider)."""

    def __init__(self, stats: dict[str, list[Any]]) -> None:
        self.cells: dict[Cell, set[str]] = {}
        self.lost: dict[str, None] = {}
        for outcome in ("passed", "failed", "skipped"):
            for report in stats.get(outcome, ()):
                said = dict(getattr(report, "user_properties", ()))
                if "cell" in said:
                    self.cells.setdefault(said["cell"], set()).add(outcome)
                if "lost" in said:
                    self.cells[said["cell"]].add("skipped")
                    self.lost[f"{said['cell'][0]}: {said['lost']}"] = None

    def letter(self, cell: Cell) -> str:
        became = self.cells.get(cell, {"skipped"})
        letter = LETTERS.get(cell[2], cell[2][0].upper())
        if "failed" in became or "passed" not in became:
            return "." if "failed" in became else "-"
        return letter.lower() if "skipped" in became else letter


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints (client x feature x dialect of the provider)."""
    seen = _Seen(terminalreporter.stats)
    peers, features, dialects = (list(dict.fromkeys([cell[at] for cell in seen.cells])) for at in range(3))
    if not peers:
        return
    write = terminalreporter.write_line
    legend = ", ".join([f"{LETTERS.get(name, name[0].upper())} {name}" for name in dialects])
    write(
        f"\nHeld, by dialect of the provider: {legend}. Lower case: in part; - the client has no such thing; . failed"
    )
    write(" " * 25 + "".join([f"{feature:<12}" for feature in features]))
    for peer in peers:
        row = ["".join([seen.letter((peer, feature, name)) for name in dialects]) for feature in features]
        write(f"{peer:<25}" + "".join([f"{letters:<12}" for letters in row]))
    for line in seen.lost:
        write(f"thinking in part with {line}")
