"""Sets of labels and the numbers of each: what workers keep, exchange and sum up.

Times are microseconds and money is nano-dollars, as in a Record. A histogram is a list: a count for each bucket, one
for what is above the last bound, and the sum of what was observed; so two are added up number by number.
"""

from collections.abc import Iterable

import msgspec

DURATION = tuple([10_000 * 2**n for n in range(14)])
"""Bounds (inclusive, as Prometheus has them) of the GenAI conventions' durations, 10 ms to 82 s."""
FIRST_TOKEN = tuple([n * 1000 for n in (1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000)])
"""And of their time to first token."""
OVERHEAD = (25, 50, 100, 200, 400, 800, 1600, 6400, 25_600, 102_400, 1_000_000)
TOKENS = tuple([4**n for n in range(14)])
"""And of their token usage."""
PARTS = ("cached", "cache_write", "cache_write_1h", "audio_input", "reasoning", "audio_output")
"""Kinds of tokens that are a part of input or output."""

OTHER = "*"
"""Stands for every name that a client may choose freely: a cardinality that clients decide is no cardinality."""
MAX_SERIES = 2000
"""Sets of labels; what comes beyond them is counted under OTHER."""

Histogram = list[int]


def histogram(bounds: tuple[int, ...]) -> Histogram:
    return [0] * (len(bounds) + 2)


class Labels(msgspec.Struct, frozen=True, array_like=True):
    """Of a request. route: of the configuration, else OTHER. target: of a route; else its provider's OTHER; "" where
    none was tried. http_status: 0 where nothing was sent. error: "" where there was none.
    """

    route: str
    target: str
    dialect: str
    operation: str
    status: str
    http_status: int
    error: str


class Series(msgspec.Struct, array_like=True):
    """Requests with the same labels. inputs, outputs: tokens. parts: sums, in the order of PARTS. unpriced: answers
    whose cost is unknown.
    """

    labels: Labels
    count: int = 0
    cost: int = 0
    unpriced: int = 0
    latency: Histogram = msgspec.field(default_factory=lambda: histogram(DURATION))
    overhead: Histogram = msgspec.field(default_factory=lambda: histogram(OVERHEAD))
    first_token: Histogram = msgspec.field(default_factory=lambda: histogram(FIRST_TOKEN))
    inputs: Histogram = msgspec.field(default_factory=lambda: histogram(TOKENS))
    outputs: Histogram = msgspec.field(default_factory=lambda: histogram(TOKENS))
    parts: list[int] = msgspec.field(default_factory=lambda: [0] * len(PARTS))

    def add(self, other: "Series") -> None:
        self.count += other.count
        self.cost += other.cost
        self.unpriced += other.unpriced
        for mine, theirs in (
            (self.latency, other.latency),
            (self.overhead, other.overhead),
            (self.first_token, other.first_token),
            (self.inputs, other.inputs),
            (self.outputs, other.outputs),
            (self.parts, other.parts),
        ):
            plus(mine, theirs)


class Calls(msgspec.Struct, array_like=True):
    """Attempts at one target, with one outcome."""

    target: str
    operation: str
    error: str
    duration: Histogram = msgspec.field(default_factory=lambda: histogram(DURATION))


def plus(mine: list[int], theirs: list[int]) -> None:
    for at, number in enumerate(theirs):
        mine[at] += number


class Sums(msgspec.Struct, array_like=True):
    """Counters only: they never fall. events: (what, route, which) -> how often: "cache" and a kind of hit, "guarded"
    and a guardrail's action, "dropped" and an output that could not keep up.
    """

    series: list[Series] = []
    calls: list[Calls] = []
    events: dict[tuple[str, str, str], int] = {}


class Total:
    """Sums of several workers."""

    def __init__(self) -> None:
        self._series: dict[Labels, Series] = {}
        self._calls: dict[tuple[str, str, str], Calls] = {}
        self._events: dict[tuple[str, str, str], int] = {}

    def add(self, sums: Sums) -> None:
        for series in sums.series:
            series_of(self._series, series.labels).add(series)
        for calls in sums.calls:
            found = calls_of(self._calls, (calls.target, calls.operation, calls.error))
            plus(found.duration, calls.duration)
        for key, times in sums.events.items():
            count_one(self._events, key, times)

    def sums(self) -> Sums:
        return Sums(list(self._series.values()), list(self._calls.values()), self._events)


def total(several: Iterable[Sums]) -> Sums:
    found = Total()
    for sums in several:
        found.add(sums)
    return found.sums()


def series_of(known: dict[Labels, Series], labels: Labels) -> Series:
    found = known.get(labels)
    if found is None:
        if len(known) >= MAX_SERIES:
            labels = msgspec.structs.replace(labels, route=OTHER, target=OTHER)
        found = known.setdefault(labels, Series(labels))
    return found


def calls_of(known: dict[tuple[str, str, str], Calls], key: tuple[str, str, str]) -> Calls:
    found = known.get(key)
    if found is None:
        if len(known) >= MAX_SERIES:
            key = (OTHER, *key[1:])
        found = known.setdefault(key, Calls(*key))
    return found


def count_one(events: dict[tuple[str, str, str], int], key: tuple[str, str, str], times: int) -> None:
    if key not in events and len(events) >= MAX_SERIES:
        key = (key[0], OTHER, OTHER)
    events[key] = events.get(key, 0) + times
