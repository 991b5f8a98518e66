"""Two tries at one time: where the first is slower than usual, another is asked as well; who is first answers.

The other is cancelled. What it had said that it used is billed, for the client is to have both.
"""

from time import perf_counter
from typing import TYPE_CHECKING

from .destination import LOCAL, Destination
from .faults import ours

if TYPE_CHECKING:
    from tsuji.routing import Try

    from .driver import Driver
    from .sink import Sink


class Race:
    """first: the try that runs. at: when to ask another target, by the driver's clock."""

    def __init__(self, driver: "Driver", first: "Sink", at: float) -> None:
        self._driver = driver
        self._first = first
        self._second: Sink | None = None
        self._dropped = driver.dropped
        self._timer = driver.gateway.lanes.loop.call_later(at - perf_counter(), self._hedge)

    def _hedge(self) -> None:
        driver, now = self._driver, perf_counter()
        reservation = driver.reservation
        if driver.connection.begun or self._first.is_over or (reservation is not None and reservation.on_targets):
            return
        action = driver.routing.hedge(now)
        if action is None:
            return
        driver.mark = now
        try:
            if not self._ask(action):
                driver.routing.dropped(perf_counter(), action.number)
        except Exception as error:
            driver.routing.failed(ours(error), perf_counter(), "nothing", action.number)
            self._second = None
            driver.use(self._first)

    def _ask(self, action: "Try") -> bool:
        """False where it could not be asked at once: a model to be loaded or a token to be fetched is slower still."""
        driver = self._driver
        if action.target.provider == LOCAL:
            return False
        found = driver.setup.destinations.find(action.target, driver.dialect.name, driver.operation)
        if not isinstance(found, Destination):
            return False
        self._second = driver.sink(found, action)
        driver.start(self._second, action)
        return True

    def won(self, sink: "Sink") -> "Sink":
        """Part of an answer is here: the sink whose it is, and which goes on alone."""
        driver = self._driver
        self._timer.cancel()
        if self._second is not None:
            loser = self._first if sink is self._second else self._second
            if sink is self._first:
                driver.dropped = self._dropped
            if not loser.is_over:
                loser.cancel()
                driver.lost_usage(loser)
                driver.routing.dropped(perf_counter(), loser.number)
            driver.also_billed = driver.failed_costs.get(loser.number) or 0
        driver.end_race()
        return sink

    def other(self, sink: "Sink | None") -> "Sink | None":
        """One has failed: the other, which goes on."""
        return self._first if sink is self._second else self._second

    def cancel(self) -> None:
        """Whoever runs is cancelled."""
        self._timer.cancel()
        for sink in (self._first, self._second):
            if sink is not None:
                sink.cancel()
