"""Requests a second, and megabytes a second of long prompts; wrk, on core 1."""

from collections.abc import Sequence
from statistics import median

from .. import wrk
from .plan import CONNECTIONS, LARGE, LARGE_CONNECTIONS, Plan
from .section import Section, in_turns, shown
from .system import PATH, PROMPT, System

WARM_SECONDS = 3
"""Not counted: some are slow until they have compiled, imported or connected."""

NOTE = "Direct is what core 1, with the load generator and the upstream, can do: near it, core 1 is the limit."


def _rate(system: System, prompt: str, connections: int, seconds: int) -> float:
    body = system.chat(prompt)
    rate, failed = wrk.post(system.port, PATH, system.fields(), body, connections=connections, seconds=seconds)
    if failed:
        raise RuntimeError(f"{failed} requests failed")
    if not rate:
        raise RuntimeError("no request was answered")
    return rate


def requests(systems: Sequence[System], plan: Plan, proxy: System, subject: System) -> Section:
    in_turns(systems, 1, lambda s: _rate(s, PROMPT, CONNECTIONS, WARM_SECONDS))
    seen, failed = in_turns(systems, plan.rounds, lambda s: _rate(s, PROMPT, CONNECTIONS, plan.seconds))
    rates = {name: median(values) for name, values in seen.items()}
    rows = []
    for name, rate in rates.items():
        to_proxy = f"{rate / rates[proxy.name]:.3g}" if proxy.name in rates else "-"
        ahead = f"{rates[subject.name] / rate:.3g}" if subject.name in rates else "-"
        rows.append([name, shown(rate), to_proxy, ahead])
    title = f"Requests/s: 400-byte chat, {CONNECTIONS} connections"
    return Section(title, ["requests/s", "x nginx", f"{subject.name} / this"], rows, NOTE, failed)


def large(systems: Sequence[System], plan: Plan) -> Section:
    rows: dict[str, list[str]] = {system.name: [system.name] for system in systems}
    failed: dict[str, str] = {}
    for size in LARGE:
        prompt = (PROMPT * (size // len(PROMPT) + 1))[:size]
        seconds = plan.burst_seconds
        seen, broken = in_turns(systems, plan.rounds, lambda s, p=prompt, t=seconds: _rate(s, p, LARGE_CONNECTIONS, t))
        failed |= broken
        for system in systems:
            rate = median(seen[system.name]) if system.name in seen else None
            rows[system.name] += ["failed"] if rate is None else [shown(rate * len(system.chat(prompt)) / 1e6)]
    columns = [f"{size // 1000:,} kB prompt, MB/s" for size in LARGE]
    title = f"Long prompts, {LARGE_CONNECTIONS} connections, bodies of requests only"
    return Section(title, columns, list(rows.values()), failed=failed)
