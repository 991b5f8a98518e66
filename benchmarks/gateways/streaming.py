"""Streams: what is added to each chunk and to the first one, and how many chunks go through."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from statistics import median
from typing import Any, TypeVar

from .latency import WARM, percentiles
from .plan import BURST_CHUNKS, BURST_CONNECTIONS, Plan
from .readers import burst, one_by_one, paced, request
from .section import Section, in_turns, shown
from .system import PROMPT, System
from .upstream import PER_SECOND

Result = TypeVar("Result")
DIRECT = "direct"


def _run(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    try:
        from uvloop import new_event_loop
    except ImportError:
        from asyncio import new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work())


def _request(system: System, path: str, model: str) -> bytes:
    message = {"role": "user", "content": PROMPT}
    body = {"model": model, "messages": [message], "max_tokens": 4096, "stream": True}
    return request(path, json.dumps(body, separators=(",", ":")).encode(), system.fields())


def _path(system: System, kind: str) -> str:
    """The upstream tells the kinds apart by path, a gateway by the model asked for."""
    return f"/{kind}/v1/chat/completions" if system.name == DIRECT else "/v1/chat/completions"


def _paced(system: System, streams: int, expected: int) -> list[float]:
    """us: delay p50 and p99 of chunks, p50 of the time to the first."""
    sent = _request(system, _path(system, "paced"), "paced")
    seen = _run(lambda: paced(system.port, sent, streams, expected))
    if seen.failures:
        raise RuntimeError(f"{len(seen.failures)} of {streams} streams: {seen.failures[0]}")
    return [*percentiles(seen.delays), percentiles(seen.first)[0]]


def _first(system: System, streams: int) -> list[float]:
    """us: time to the first chunk, p50 and p99."""
    sent = _request(system, _path(system, "single"), "single")
    seen = _run(lambda: one_by_one(system.port, sent, WARM + streams))
    if seen.failures:
        raise RuntimeError(seen.failures[0])
    return list(percentiles(seen.first[WARM:]))


def _with_added(direct: System, subject: System, seen: dict[str, list[list[float]]]) -> list[list[str]]:
    """A row for each, of medians, and one of the medians of the differences in each round."""
    values = dict(seen)
    if direct.name in seen and subject.name in seen:
        rounds = zip(seen[direct.name], seen[subject.name], strict=True)
        values["added"] = [[far - near for near, far in zip(*pair, strict=True)] for pair in rounds]
    return [[name, *[shown(median(column)) for column in zip(*rows, strict=True)]] for name, rows in values.items()]


def delays(direct: System, subject: System, plan: Plan, streams: int) -> Section:
    expected = PER_SECOND * plan.stream_seconds
    seen, failed = in_turns([direct, subject], plan.rounds, lambda s: _paced(s, streams, expected))
    title = f"Streams, one dialect: {streams:,} at once, {PER_SECOND} chunks/s each"
    note = (
        f"{plan.stream_seconds} s. A chunk carries the time it was sent at; direct is what upstream and client take. "
        "All streams are on connections of their own; Tsuji may have to open its own too, before the first chunk. "
        "Added is the median of the differences in each round."
    )
    columns = ["chunk p50, us", "chunk p99, us", "first chunk p50, us"]
    return Section(title, columns, _with_added(direct, subject, seen), note, failed)


def first(direct: System, subject: System, plan: Plan) -> Section:
    count = plan.requests // 4
    seen, failed = in_turns([direct, subject], plan.rounds, lambda s: _first(s, count))
    note = f"{count:,} streams a round, each after the other on connections that are kept."
    rows = _with_added(direct, subject, seen)
    return Section("Time to the first chunk, one stream at a time", ["p50, us", "p99, us"], rows, note, failed)


def _burst(system: System, sent: bytes, seconds: int) -> float:
    seen, took = _run(lambda: burst(system.port, sent, BURST_CONNECTIONS, BURST_CHUNKS, seconds))
    if seen.failures:
        raise RuntimeError(seen.failures[0])
    return seen.chunks / took


def rates(direct: System, subject: System, plan: Plan) -> Section:
    same, other = f"{subject.name}, OpenAI client", f"{subject.name}, Anthropic client"
    sent = {
        direct.name: _request(direct, _path(direct, "burst"), "burst"),
        same: _request(subject, _path(subject, "burst"), "burst"),
        other: _request(subject, "/v1/messages", "burst"),
    }
    systems = [System(name, direct.port if name == direct.name else subject.port, "", "") for name in sent]
    seen, failed = in_turns(systems, plan.rounds, lambda s: _burst(s, sent[s.name], plan.burst_seconds))
    values = {name: median(rounds) for name, rounds in seen.items()}
    rows = [[n, shown(value), f"{value / values[same]:.3g}" if same in values else "-"] for n, value in values.items()]
    title = f"Streams, as fast as they go: OpenAI upstream, {BURST_CONNECTIONS} connections"
    return Section(title, ["chunks/s", "x one dialect"], rows, f"{BURST_CHUNKS:,} chunks a stream.", failed)
