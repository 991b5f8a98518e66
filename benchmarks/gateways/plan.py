"""How much is measured: a run of about a quarter of an hour, or of two minutes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """pairs: of runs of wrk by turns, pair_seconds each. rounds, seconds: of those of all systems.

    burst_seconds: of those with long prompts, and of fast streams. requests: of a round, one at a time. streams: at
    once. many: requests that one worker answers while its memory is looked at, in `looks` parts.
    """

    pairs: int = 9
    pair_seconds: int = 3
    rounds: int = 3
    seconds: int = 5
    burst_seconds: int = 3
    requests: int = 2000
    streams: tuple[int, ...] = (200, 1000)
    stream_seconds: int = 8
    idle_connections: int = 10_000
    many: int = 1_000_000
    looks: int = 10


QUICK = Plan(
    pairs=2,
    pair_seconds=2,
    rounds=1,
    seconds=2,
    burst_seconds=1,
    requests=500,
    streams=(200,),
    stream_seconds=3,
    idle_connections=2000,
    many=50_000,
    looks=2,
)
CONNECTIONS = 64
LARGE_CONNECTIONS = 8
LARGE = (100_000, 1_000_000)
BURST_CONNECTIONS = 8
BURST_CHUNKS = 1000
WORKERS = (1, 2, 4)
