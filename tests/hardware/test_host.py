"""What the machine gives, read from files of the kernel laid out here."""

import os
from pathlib import Path

import pytest

from tsuji.engine.restarts import COOL_DOWN, cooldown
from tsuji.hardware.host import available_memory, usable_cores


def layout(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal: 32000 kB\nMemAvailable:   16000 kB\n"


def test_memory_is_what_the_tightest_limit_leaves(tmp_path: Path) -> None:
    root = layout(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/jobs/one\n",
            "sys/fs/cgroup/jobs/memory.max": "8000000\n",
            "sys/fs/cgroup/jobs/memory.current": "3000000\n",
            "sys/fs/cgroup/jobs/memory.stat": "anon 1\ninactive_file 500000\n",
            "sys/fs/cgroup/jobs/one/memory.max": "max\n",
        },
    )
    free = available_memory(root)
    assert free is not None and free[0] == 5_500_000 and free[1].endswith("sys/fs/cgroup/jobs")


def test_memory_of_the_machine_and_of_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None
    free = available_memory(layout(tmp_path, {"proc/meminfo": MEMINFO}))
    assert free is not None and free[0] == 16000 * 1024


def test_cores_are_cut_by_a_quota(tmp_path: Path) -> None:
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert usable_cores(tmp_path) == affinity
    root = layout(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"})
    assert usable_cores(root) == 1
    assert usable_cores(layout(root, {"sys/fs/cgroup/cpu.max": "20000 100000\n"})) == 1
    assert usable_cores(layout(root, {"sys/fs/cgroup/cpu.max": "max 100000\n"})) == affinity


@pytest.mark.parametrize(
    ("crashes", "now", "wait"),
    [
        ([], 100.0, 0.0),
        ([10.0, 20.0], 20.0, 0.0),
        ([10.0, 20.0, 30.0], 31.0, COOL_DOWN - 1),
        ([10.0, 20.0, 30.0], 30.0 + COOL_DOWN, 0.0),
        ([10.0, 20.0, 71.0], 71.0, 0.0),
        ([10.0, 50.0, 90.0, 100.0], 100.0, COOL_DOWN),
    ],
)
def test_three_crashes_in_a_minute_are_a_loop(crashes: list[float], now: float, wait: float) -> None:
    assert cooldown(crashes, now) == wait
