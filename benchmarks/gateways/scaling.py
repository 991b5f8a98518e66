"""N workers on all cores, with the load generator and the upstream beside them, until the machine is full."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from statistics import median

from .. import processes
from .plan import CONNECTIONS, WORKERS, Plan
from .section import Section, in_turns, noise, ratio, shown
from .system import PROMPT, System, check
from .throughput import COST, WARM_SECONDS, Costs, cost, measured, rate

Start = Callable[[int], AbstractContextManager[System]]


def _measured(start: Start, workers: int, seconds: int) -> tuple[float, Costs, float]:
    """Requests a second, processor time for each, and which part of the machine's was used meanwhile."""
    with start(workers) as system:
        check(system)
        rate(system, PROMPT, CONNECTIONS, WARM_SECONDS, core=None)
        before = processes.machine_busy()
        seen, costs = measured(system, seconds, core=None)
        after = processes.machine_busy()
    return seen, costs, (after[0] - before[0]) / (after[1] - before[1])


def _named(name: str, count: int) -> str:
    return f"{name}, {count} worker{'s' if count > 1 else ''}"


def scaling(kinds: dict[str, Start], plan: Plan) -> Section:
    """kinds: name -> how so many workers of it are started."""
    starts = {_named(name, count): (start, count) for name, start in kinds.items() for count in WORKERS}
    systems = [System(name, 0, "", "") for name in starts]
    seen, failed = in_turns(systems, plan.rounds, lambda s: _measured(*starts[s.name], plan.seconds))
    rates = {name: [round[0] for round in rounds] for name, rounds in seen.items()}
    rows = []
    for name, rounds in seen.items():
        first = _named(name.partition(", ")[0], WORKERS[0])
        busy = f"{median([part for _, _, part in rounds]):.0%}"
        costs = cost([one for _, one, _ in rounds])
        rows.append([name, shown(median(rates[name])), ratio(rates, name, first), costs, busy])
    note = (
        f"Nothing is pinned: the workers share {os.cpu_count()} cores with the load generator, the upstream and the "
        f"ledger's process. At 100% of the machine more workers cannot add. {COST}"
    )
    title = f"N workers: 400-byte chat, {CONNECTIONS} connections"
    columns = ["requests/s", "x one worker", "CPU us", "machine busy"]
    return Section(title, columns, rows, note, failed, noise(rates))
