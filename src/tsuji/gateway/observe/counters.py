"""What one worker has counted: plain numbers per set of labels, found by one look-up per request."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection

from tsuji.ledger.record import Record

from .series import (
    DURATION,
    FIRST_TOKEN,
    OTHER,
    OVERHEAD,
    PARTS,
    TOKENS,
    Calls,
    Histogram,
    Labels,
    Series,
    Sums,
    calls_of,
    count_one,
    series_of,
)

_IN = ("cached", "cache_write", "cache_write_1h", "audio_input")
_OUT = ("reasoning", "audio_output")
_REMEMBERED = 4096
_BATCH = 512


class _Open:
    """What has been seen of requests with the same labels since it was last sorted into buckets: a number that is
    appended costs a third of one that finds its bucket, and many that are sorted find theirs together.

    calls: of requests with one attempt.
    """

    __slots__ = ("calls", "cost", "duration", "first_token", "inputs", "latency", "outputs", "overhead", "series")

    def __init__(self, series: Series, calls: Calls) -> None:
        self.series = series
        self.calls = calls
        self.cost = 0
        self.latency: list[int] = []
        self.overhead: list[int] = []
        self.first_token: list[int] = []
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.duration: list[int] = []

    def sort_in(self) -> None:
        series = self.series
        series.count += len(self.latency)
        series.cost += self.cost
        self.cost = 0
        _sort_into(series.latency, DURATION, self.latency)
        _sort_into(series.overhead, OVERHEAD, self.overhead)
        _sort_into(series.first_token, FIRST_TOKEN, self.first_token)
        _sort_into(series.inputs, TOKENS, self.inputs)
        _sort_into(series.outputs, TOKENS, self.outputs)
        _sort_into(self.calls.duration, DURATION, self.duration)


class Counters:
    """`add` every request that has ended. routes: names of the configuration's. Used from the event loop's thread."""

    def __init__(self, routes: Collection[str]) -> None:
        self._routes = routes
        self._events: dict[tuple[str, str, str], int] = {}
        self._series: dict[Labels, Series] = {}
        self._calls: dict[tuple[str, str, str], Calls] = {}
        self._open: dict[tuple[object, ...], _Open] = {}

    def add(self, record: Record, overhead: int) -> None:
        """overhead: microseconds that the gateway itself spent on it."""
        route, target, operation, status = record.route, record.target, record.operation, record.status
        key = (route, target, record.dialect, operation, status, record.http_status, record.error)
        found = self._open.get(key)
        if found is None:
            found = self._open_for(key, record)
        found.latency.append(record.latency)
        found.overhead.append(overhead)
        tokens = record.input_tokens
        if tokens is not None:
            found.inputs.append(tokens)
            if record.cached_tokens or record.cache_write_tokens or record.audio_input_tokens:
                _add_parts(found.series, record, _IN)
        tokens = record.output_tokens
        if tokens is not None:
            found.outputs.append(tokens)
            if record.reasoning_tokens or record.audio_output_tokens:
                _add_parts(found.series, record, _OUT)
        if record.first_token is not None:
            found.first_token.append(record.first_token)
        if record.cost is not None:
            found.cost += record.cost
        elif status != "failed" and operation != "count_tokens":
            found.series.unpriced += 1
        attempts = record.attempts
        if len(attempts) == 1:
            attempt = attempts[0]
            found.duration.append(attempt.ended - attempt.started)
        elif attempts:
            self._add_attempts(record)
        if record.cache is not None:
            self.event("cache", record.route, record.cache)
        if record.guarded:
            for action in record.guarded:
                self.event("guarded", record.route, action)
        if len(found.latency) >= _BATCH:
            found.sort_in()

    def event(self, what: str, route: str, which: str, times: int = 1) -> None:
        count_one(self._events, (what, self._route(route), which), times)

    def know(self, routes: Collection[str]) -> None:
        """The configuration has others now."""
        self._close()
        self._routes = routes

    def sums(self) -> Sums:
        """What has been counted; not a copy."""
        for found in self._open.values():
            found.sort_in()
        return Sums(list(self._series.values()), list(self._calls.values()), self._events)

    def _add_attempts(self, record: Record) -> None:
        for attempt in record.attempts:
            numbers = self._calls_to(record, attempt.target, attempt.error).duration
            value = attempt.ended - attempt.started
            numbers[bisect_left(DURATION, value)] += 1
            numbers[-1] += value

    # Labels that are seen for the first time.

    def _open_for(self, key: tuple[object, ...], record: Record) -> _Open:
        if len(self._open) >= _REMEMBERED:  # the names come from clients
            self._close()
        labels = Labels(
            self._route(record.route),
            self._target(record.route, record.target),
            record.dialect,
            record.operation,
            record.status,
            record.http_status or 0,
            record.error or "",
        )
        error = record.attempts[-1].error if record.attempts else None
        calls = self._calls_to(record, record.target, error) if record.attempts else Calls("", "", "")
        made = self._open[key] = _Open(series_of(self._series, labels), calls)
        return made

    def _close(self) -> None:
        for found in self._open.values():
            found.sort_in()
        self._open.clear()

    def _calls_to(self, record: Record, target: str | None, error: str | None) -> Calls:
        return calls_of(self._calls, (self._target(record.route, target), record.operation, error or ""))

    def _route(self, name: str) -> str:
        return name if name in self._routes or not name else OTHER

    def _target(self, route: str, target: str | None) -> str:
        if target is None:
            return ""
        return target if route in self._routes else f"{target.partition(':')[0]}:{OTHER}"


def _sort_into(numbers: Histogram, bounds: tuple[int, ...], seen: list[int]) -> None:
    """Empties `seen`."""
    if not seen:
        return
    seen.sort()
    below = 0
    for at, bound in enumerate(bounds):
        until = bisect_right(seen, bound, below)
        numbers[at] += until - below
        below = until
    numbers[-2] += len(seen) - below
    numbers[-1] += sum(seen)
    seen.clear()


def _add_parts(series: Series, record: Record, names: tuple[str, ...]) -> None:
    for at, name in enumerate(PARTS):
        if name in names:
            series.parts[at] += getattr(record, f"{name}_tokens") or 0
