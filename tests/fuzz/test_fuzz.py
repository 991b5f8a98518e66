"""A short run of the fuzzer over everything, and what it has found before; `make fuzz` runs longer."""

import subprocess
import sys

import pytest

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import NAMES, TARGETS


@pytest.mark.parametrize("name", NAMES)
def test_what_a_fuzzer_begins_with_holds(name: str) -> None:
    assert seeds(name)
    for seed in seeds(name):
        TARGETS[name](seed)


def test_a_short_run() -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this Python or machine: nothing was fuzzed")
    done = subprocess.run([sys.executable, "-m", "tests.fuzz", "0", "every"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
