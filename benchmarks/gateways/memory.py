"""Resident memory: of a worker that has nothing to do, of connections that are open and idle, and after a million
requests."""

import math
import resource
import time

from .. import processes, wrk
from .latency import Connection
from .plan import CONNECTIONS, Plan
from .section import Section
from .system import PROMPT, System, check

WARM = 200
PER_ADDRESS = 5000
"""Connections from one loopback address: each has some 28,000 ports, of which others may have some."""
SPARE = 500


def allow_files(wanted: int) -> int:
    """As many open files as may be, up to wanted, for this process and the servers started after this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def _one_worker(subject: System) -> tuple[processes.Process, list[processes.Process]]:
    """The one that serves, and the others."""
    found = processes.tree(subject.pid)
    serving = [process for process in found if not process.ledger]
    if len(serving) != 1:
        raise RuntimeError(f"{subject.name} has {len(serving)} serving processes, not one")
    return serving[0], [process for process in found if process.ledger]


def idle(subject: System, plan: Plan) -> Section:
    """subject: just started."""
    check(subject)
    time.sleep(1)
    worker, ledger = _one_worker(subject)
    alone, beside = worker.resident(), sum(process.resident() for process in ledger)
    count = min(plan.idle_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE)
    first = Connection(subject)
    for _ in range(WARM):
        first.ask()
    before, kept = worker.resident(), list[Connection]()
    try:
        for number in range(count):
            kept.append(Connection(subject, f"127.0.0.{2 + number // PER_ADDRESS}"))
            kept[-1].ask()
        after, still = worker.resident(), worker.sockets()
    finally:
        for connection in [first, *kept]:
            connection.close()
    if still < count:
        raise RuntimeError(f"of {count:,} connections only {still:,} were still open once the last one was")
    rows = [
        ["worker, idle", f"{alone / 1e6:.1f} MB"],
        ["its ledger process, idle", f"{beside / 1e6:.1f} MB"],
        ["worker, for each open idle connection", f"{(after - before) / count / 1e3:.2f} kB"],
    ]
    note = (
        f"{count:,} connections, each of which had one request answered; the worker then had {still:,} sockets open. "
        "The system's own buffers of them are not in it."
    )
    return Section(f"Memory of {subject.name}, resident", ["RSS"], rows, note)


def many(subject: System, plan: Plan) -> Section:
    """subject: just started."""
    worker, ledger = _one_worker(subject)
    body, answered = subject.chat(PROMPT), 0
    rows = [_look(answered, worker, ledger)]
    start = time.perf_counter()
    while answered < plan.many:
        rate = answered / (time.perf_counter() - start) or 10_000.0
        seconds = max(1, math.ceil(min(plan.many / plan.looks, plan.many - answered) / rate))
        ran = wrk.post(
            subject.port, subject.path, subject.fields(), body, connections=CONNECTIONS, seconds=min(seconds, 60)
        )
        if ran.failed or not ran.requests:
            raise RuntimeError(f"{ran.failed} of {ran.requests} requests failed")
        answered += ran.requests
        rows.append(_look(answered, worker, ledger))
    columns = ["worker, MB", "ledger process, MB", "worker's open files"]
    note = f"{answered:,} requests, {CONNECTIONS} connections; looked at between runs of wrk, which opens new ones."
    return Section(f"Memory of {subject.name} after many requests, resident", columns, rows, note)


def _look(answered: int, worker: processes.Process, ledger: list[processes.Process]) -> list[str]:
    beside = sum(process.resident() for process in ledger)
    return [f"{answered:,}", f"{worker.resident() / 1e6:.1f}", f"{beside / 1e6:.1f}", str(worker.files())]
