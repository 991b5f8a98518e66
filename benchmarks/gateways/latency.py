"""What is added to a request that is alone: blocking sockets, kept, the upstream and the gateway by turns."""

import re
import socket
from collections.abc import Sequence
from statistics import median, quantiles
from time import perf_counter

from .plan import Plan
from .readers import request
from .section import Section, in_turns, shown
from .system import System

WARM = 100


class Connection:
    """source: the loopback address that it comes from."""

    def __init__(self, system: System, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", system.port), timeout=30, source_address=(source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request(system.path, system.chat(), system.fields())

    def ask(self) -> float:
        """Seconds until the whole answer is here. Raises RuntimeError unless it is a 200."""
        start = perf_counter()
        self._socket.sendall(self._request)
        answer = b""
        while not _whole(answer):
            piece = self._socket.recv(65536)
            if not piece:
                raise RuntimeError("the connection was closed")
            answer += piece
        took = perf_counter() - start
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer[:200].decode(errors="replace"))
        return took

    def close(self) -> None:
        self._socket.close()


def _whole(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return False
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99, in microseconds."""
    cut = quantiles(values, n=100, method="inclusive")
    return cut[49] * 1e6, cut[98] * 1e6


def _round(direct: System, system: System, count: int) -> tuple[tuple[float, float], tuple[float, float]]:
    near, far = Connection(direct), Connection(system)
    try:
        pairs = [(near.ask(), far.ask()) for _ in range(WARM + count)][WARM:]
    finally:
        near.close()
        far.close()
    return percentiles([pair[0] for pair in pairs]), percentiles([pair[1] for pair in pairs])


def added(direct: System, systems: Sequence[System], plan: Plan) -> Section:
    seen, failed = in_turns(systems, plan.rounds, lambda s: _round(direct, s, plan.requests))
    rows = []
    for name, rounds in seen.items():
        row = [median([far[i] - near[i] for near, far in rounds]) for i in (0, 1)]
        rows.append([name, *[shown(value) for value in row]])
    alone = [near for rounds in seen.values() for near, _ in rounds]
    p50, p99 = (shown(median([near[i] for near in alone])) if alone else "-" for i in (0, 1))
    note = f"Direct takes {p50} us (p50) and {p99} us (p99). A round is {plan.requests:,} requests to each, by turns."
    return Section("Added latency, 1 connection", ["p50, us", "p99, us"], rows, note, failed)
