"""N workers on all cores, with the load generator and the upstream beside them, until the machine is full."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from statistics import median

from .. import processes
from .plan import CONNECTIONS, WORKERS, Plan
from .section import Section, in_turns, noise, ratio, shown
from .system import PROMPT, System, check
from .throughput import WARM_SECONDS, rate

Start = Callable[[int], AbstractContextManager[System]]


def _measured(start: Start, workers: int, seconds: int) -> tuple[float, float]:
    """Requests a second, and which part of the machine's processor time was used meanwhile."""
    with start(workers) as system:
        check(system)
        rate(system, PROMPT, CONNECTIONS, WARM_SECONDS, core=None)
        before = processes.machine_busy()
        seen = rate(system, PROMPT, CONNECTIONS, seconds, core=None)
        after = processes.machine_busy()
    return seen, (after[0] - before[0]) / (after[1] - before[1])


def scaling(kinds: dict[str, Start], plan: Plan) -> Section:
    """kinds: name -> how so many workers of it are started."""
    starts = {f"{name}, {count} workers": (start, count) for name, start in kinds.items() for count in WORKERS}
    systems = [System(name, 0, "", "") for name in starts]
    seen, failed = in_turns(systems, plan.rounds, lambda s: _measured(*starts[s.name], plan.seconds))
    rates = {name: [one for one, _ in rounds] for name, rounds in seen.items()}
    rows = []
    for name, values in rates.items():
        first = f"{name.partition(', ')[0]}, {WORKERS[0]} workers"
        busy = f"{median([part for _, part in seen[name]]):.0%}"
        rows.append([name, shown(median(values)), ratio(rates, name, first), busy])
    note = (
        f"Nothing is pinned: the workers share {os.cpu_count()} cores with the load generator, the upstream and the "
        "ledger's process. At 100% of the machine more workers cannot add."
    )
    title = f"N workers: 400-byte chat, {CONNECTIONS} connections"
    return Section(title, ["requests/s", "x one worker", "machine busy"], rows, note, failed, noise(rates))
