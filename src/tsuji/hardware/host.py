"""What this machine gives to a child: cores it may run on, memory it may still take."""

import os
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: its affinity, cut by the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in _groups(root):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def available_memory(root: Path = Path("/")) -> tuple[int, str] | None:
    """Bytes that can still be had without swapping, and what sets the limit; None where this system does not say.

    https://docs.kernel.org/admin-guide/cgroup-v2.html#memory: file cache that is not in use counts as free.
    """
    found: list[tuple[int, str]] = []
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            found.append((int(line.split()[1]) * 1024, "of this machine's memory"))
    for group in _groups(root):
        limit, used = _read(group / "memory.max").strip(), _read(group / "memory.current").strip()
        if limit.isdigit() and used.isdigit():
            found.append((int(limit) - int(used) + _reclaimable(group), f"of the memory limit of {group}"))
    return min(found, default=None)


def _reclaimable(group: Path) -> int:
    for line in _read(group / "memory.stat").splitlines():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def _groups(root: Path) -> list[Path]:
    """This process's control group (version 2) and those above it: each may set a limit."""
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            own = mount / line[3:].strip("/")
            return [group for group in (own, *own.parents) if group.is_relative_to(mount)]
    return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
