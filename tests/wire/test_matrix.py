"""docs/dialects.md says of every field and pair of dialects what the code does."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "dialect_matrix.py"


def _run(option: str) -> str:
    done = subprocess.run([sys.executable, SCRIPT, option], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tables_are_what_the_code_does() -> None:
    assert _run("--check") == "the tables are what the code does\n"


def test_a_pair_is_what_its_two_cells_say() -> None:
    """What one dialect says is kept, left out or refused by another as that one's cell tells, whoever says it."""
    assert _run("--pairs") == ""
