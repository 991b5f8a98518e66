"""Requests a second, and megabytes a second of long prompts; wrk, on core 1."""

from collections.abc import Sequence
from statistics import median

from .. import processes, wrk
from .plan import CONNECTIONS, LARGE, LARGE_CONNECTIONS, Plan
from .section import Section, in_turns, noise, ratio, ratios, shown
from .system import PROMPT, System

Rates = dict[str, list[float]]
Costs = tuple[float, float]
WARM_SECONDS = 3
"""Not counted: some are slow until they have compiled, imported or connected."""

COST = (
    "CPU us is what a system took of the processor for each request, after a + what its ledger's process took; other "
    "load changes it less."
)
NOTE = "Direct is what core 1, with the load generator and the upstream, can do: near it, core 1 is the limit."


def rate(system: System, prompt: str, connections: int, seconds: int, core: int | None = 1) -> float:
    """Requests a second. Raises RuntimeError if one failed, or none was answered."""
    body = system.chat(prompt)
    load = {"connections": connections, "seconds": seconds, "core": core}
    ran = wrk.post(system.port, system.path, system.fields(), body, **load)
    if ran.failed:
        raise RuntimeError(f"{ran.failed} of {ran.requests} requests failed")
    if not ran.rate:
        raise RuntimeError("no request was answered")
    return ran.rate


def measured(system: System, seconds: int, core: int | None = 1) -> tuple[float, Costs]:
    """Requests a second, and microseconds of processor time for each, of what serves and of the ledger's process."""
    own = processes.tree(processes.listening(system.port)) if processes.AVAILABLE else []
    groups = [[process for process in own if process.ledger is ledger] for ledger in (False, True)]
    before = [processes.seconds(group) for group in groups]
    seen = rate(system, PROMPT, CONNECTIONS, seconds, core)
    used = [processes.seconds(group) - start for group, start in zip(groups, before, strict=True)]
    serving, ledger = (spent / (seen * seconds) * 1e6 for spent in used)
    return seen, (serving, ledger)


def cost(rounds: Sequence[Costs]) -> str:
    """Medians."""
    serving, ledger = (median(values) for values in zip(*rounds, strict=True))
    return shown(serving) + (f" + {shown(ledger)}" if ledger else "")


def _rounds(systems: Sequence[System], rounds: int, seconds: int) -> tuple[Rates, dict[str, str], dict[str, str]]:
    """Rates of each round, processor time by system, and what failed."""
    in_turns(systems, 1, lambda s: rate(s, PROMPT, CONNECTIONS, WARM_SECONDS))
    seen, failed = in_turns(systems, rounds, lambda s: measured(s, seconds))
    rates = {name: [one for one, _ in values] for name, values in seen.items()}
    return rates, {name: cost([costs for _, costs in values]) for name, values in seen.items()}, failed


def pairs(systems: Sequence[System], plan: Plan, proxy: System) -> Section:
    """systems: the proxy, and what is compared with it."""
    seen, costs, failed = _rounds(systems, plan.pairs, plan.pair_seconds)
    rows = []
    for name, values in seen.items():
        spread = "-"
        if name != proxy.name and proxy.name in seen:
            each = ratios(seen, name, proxy.name)
            spread = f"{min(each):.3g} to {max(each):.3g}"
        rows.append([name, shown(median(values)), ratio(seen, name, proxy.name), spread, costs[name]])
    title = f"Requests/s beside nginx: 400-byte chat, {CONNECTIONS} connections"
    note = (
        f"{plan.pairs} rounds of {plan.pair_seconds} s each, by turns; x nginx is the median of the rounds' ratios, "
        f"then their range. {COST}"
    )
    columns = ["requests/s", "x nginx", "lowest to highest", "CPU us"]
    return Section(title, columns, rows, note, failed, noise(seen))


def requests(systems: Sequence[System], plan: Plan, proxy: System, subject: System) -> Section:
    seen, costs, failed = _rounds(systems, plan.rounds, plan.seconds)
    rows = [
        [name, shown(median(values)), ratio(seen, name, proxy.name), ratio(seen, subject.name, name), costs[name]]
        for name, values in seen.items()
    ]
    title = f"Requests/s of all: 400-byte chat, {CONNECTIONS} connections"
    columns = ["requests/s", "x nginx", f"{subject.name} / this", "CPU us"]
    return Section(title, columns, rows, f"{NOTE} {COST}", failed, noise(seen))


def large(systems: Sequence[System], plan: Plan) -> Section:
    rows: dict[str, list[str]] = {system.name: [system.name] for system in systems}
    failed: dict[str, str] = {}
    noisy: list[str] = []
    for size in LARGE:
        prompt = (PROMPT * (size // len(PROMPT) + 1))[:size]
        seconds = plan.burst_seconds
        seen, broken = in_turns(systems, plan.rounds, lambda s, p=prompt, t=seconds: rate(s, p, LARGE_CONNECTIONS, t))
        failed |= {f"{name} at {size // 1000:,} kB": why for name, why in broken.items()}
        noisy += [f"{size // 1000:,} kB: {remark}" for remark in noise(seen)]
        for system in systems:
            each = median(seen[system.name]) if system.name in seen else None
            rows[system.name] += ["failed"] if each is None else [shown(each * len(system.chat(prompt)) / 1e6)]
    columns = [f"{size // 1000:,} kB prompt, MB/s" for size in LARGE]
    title = f"Long prompts, {LARGE_CONNECTIONS} connections, bodies of requests only"
    return Section(title, columns, list(rows.values()), failed=failed, also=noisy)
