"""Resident memory of a worker that has nothing to do, and of connections that are open and idle."""

import contextlib
import resource
import time
from pathlib import Path

from .latency import Connection
from .plan import Plan
from .section import Section
from .system import System, check

WARM = 200


def resident(pid: int) -> int:
    """Bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no resident memory")


def children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it has ended
            if f"\nPPid:\t{pid}\n" in status.read_text():
                found.append(int(status.parent.name))
    return found


def allow_files(wanted: int) -> None:
    """Raises RuntimeError where this user may not open so many; servers started after this may as many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise RuntimeError(f"only {hard} files may be open")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def idle(subject: System, plan: Plan) -> Section:
    """subject: just started."""
    check(subject)
    time.sleep(1)
    ledgers = children(subject.pid)
    if len(ledgers) != 1:
        raise RuntimeError(f"{subject.name} has {len(ledgers)} processes beside it, not one")
    worker, ledger = resident(subject.pid), resident(ledgers[0])
    first = Connection(subject)
    for _ in range(WARM):
        first.ask()
    before, kept = resident(subject.pid), list[Connection]()
    try:
        for _ in range(plan.idle_connections):
            kept.append(Connection(subject))
            kept[-1].ask()
        after = resident(subject.pid)
        for connection in kept:  # each is still open
            connection.ask()
    finally:
        for connection in [first, *kept]:
            connection.close()
    rows = [
        ["worker, idle", f"{worker / 1e6:.1f} MB"],
        ["its ledger process, idle", f"{ledger / 1e6:.1f} MB"],
        ["worker, for each open idle connection", f"{(after - before) / plan.idle_connections / 1e3:.2f} kB"],
    ]
    note = f"{plan.idle_connections:,} connections, each of which had one request answered, and another one after."
    return Section(f"Memory of {subject.name}, resident", ["RSS"], rows, note)
