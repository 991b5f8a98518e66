"""The library: import, first call in a new process, time per call; beside the alternatives, in turn, medians."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from statistics import median

from . import nginx

IMPORTS = {"tsuji": "tsuji", "openai": "openai", "any-llm": "any_llm", "litellm": "litellm"}
IMPORT_ROUNDS = 7
FIRST_ROUNDS = 5
CALL_ROUNDS = 5
CALLS = {"any-llm, completion()": 20}
"""Calls a round; others 300. The slow ones would only take longer to say the same."""


def pinned(command: Sequence[str], core: int) -> list[str]:
    return ["taskset", "-c", str(core), *command] if shutil.which("taskset") else list(command)


def output(command: Sequence[str], core: int) -> str:
    """What a program prints, pinned to a core."""
    quiet = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        pinned(command, core), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet, timeout=120
    ).stdout.decode()


def imports(core: int) -> dict[str, float]:
    """Milliseconds to import each, in a new process with warm file caches."""
    seen: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(IMPORT_ROUNDS):
        for name, module in IMPORTS.items():
            code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
            seen[name].append(float(output([sys.executable, "-c", code], core).split()[-1]) * 1e3)
    return {name: median(times[1:]) for name, times in seen.items()}


def first_calls(core: int, port: int) -> dict[str, float]:
    """Milliseconds from starting Python to having the first answer and leaving, as a shell would see it."""
    from time import perf_counter

    from .contender import CONTENDERS

    seen: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(FIRST_ROUNDS):
        for name in CONTENDERS:
            start = perf_counter()
            output([sys.executable, "-m", "benchmarks.contender", name, str(port), "1"], core)
            seen[name].append((perf_counter() - start) * 1e3)
    return {name: median(times[1:]) for name, times in seen.items()}


def calls(core: int, port: int) -> dict[str, float]:
    """Microseconds per call, once warm: the median of each round, the median of the rounds."""
    from .contender import CONTENDERS

    seen: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(CALL_ROUNDS):
        for name in CONTENDERS:
            count = CALLS.get(name, 300)
            command = [sys.executable, "-m", "benchmarks.contender", name, str(port), str(count)]
            times = json.loads(output(command, core).splitlines()[-1])
            seen[name].append(median(times[count // 4 :]) * 1e6)
    return {name: median(rounds) for name, rounds in seen.items()}


def measure() -> dict[str, dict[str, float]]:
    """The three tables; the client on core 0, the server on core 1."""
    with nginx.constant(core=1) as port:
        return {"import": imports(0), "first call": first_calls(0, port), "per call": calls(0, port)}
