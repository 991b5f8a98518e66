"""How much is measured: a run of about seven minutes, or of one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """seconds: of each run of wrk. burst_seconds: of those with long prompts, and of fast streams.

    requests: of a round, one at a time. streams: at once.
    """

    rounds: int = 3
    seconds: int = 5
    burst_seconds: int = 3
    requests: int = 2000
    streams: tuple[int, ...] = (200,)
    stream_seconds: int = 8
    idle_connections: int = 2000


QUICK = Plan(rounds=1, seconds=3, burst_seconds=2, requests=500, stream_seconds=3)
CONNECTIONS = 64
LARGE_CONNECTIONS = 8
LARGE = (100_000, 1_000_000)
BURST_CONNECTIONS = 8
BURST_CHUNKS = 1000
