"""The part of the ledger's process that lends: what its worker asks for is answered, now or when others gave back."""

import logging
import threading
from collections.abc import Callable, Iterable
from time import monotonic, time

from sqlalchemy import Engine

from . import leases
from .asks import Ask, Granted
from .keys import MICRO

log = logging.getLogger("tsuji.ledger")

BEAT_SECONDS = 5.0
AGAIN_SECONDS = 0.1
"""Between two tries at what others have leased."""
STANDING_SECONDS = 3.0
"""That is tried for: by then who waited has been told no."""
MARGIN = 5 * MICRO
"""That a worker stops spending before its run is over for all others: clocks differ, and lines take time."""


class Lender:
    """For one run. tell: (answers, until when leases may be spent, whether all before are lost)."""

    def __init__(self, engine: Engine, run: str, tell: Callable[[list[Granted], int | None, bool], None]) -> None:
        self._engine = engine
        self._run = run
        self._tell = tell
        self._lock = threading.Lock()
        self._asks: dict[str, Ask] = {}
        self._standing: dict[str, tuple[Ask, Granted, float]] = {}
        self._beaten = -BEAT_SECONDS
        self._something = threading.Event()

    def hear(self, asks: Iterable[Ask]) -> None:
        """From another thread. What is said of a lease takes the place of what was said before."""
        with self._lock:
            self._asks.update({ask.lease: ask for ask in asks})
        self._something.set()

    def wait(self) -> None:
        self._something.wait(AGAIN_SECONDS if self._standing else BEAT_SECONDS / 5)
        self._something.clear()

    def wake(self) -> None:
        self._something.set()

    def turn(self) -> None:
        """A sign of life where it is time for one, and answers. Raises SQLAlchemyError; then all is asked again."""
        if monotonic() - self._beaten >= BEAT_SECONDS:
            self.beat()
        with self._lock:
            asked, self._asks = self._asks, {}
        try:
            self._answer(asked)
        except BaseException:
            with self._lock:
                self._asks = {**asked, **self._asks}
            raise

    def beat(self) -> None:
        now = int(time() * MICRO)
        lives = leases.beat(self._engine, self._run, now)
        self._beaten = monotonic()
        self._tell([], now + leases.EXPIRY - MARGIN, not lives)
        reaped = leases.reap(self._engine, now)
        if reaped:
            log.warning("%d leases of workers that are gone have been freed", reaped)

    def _answer(self, asked: dict[str, Ask]) -> None:
        now = monotonic()
        standing = {id: ask for id, (ask, _, until) in self._standing.items() if now < until and id not in asked}
        if not asked and not standing:
            self._standing.clear()
            return
        found = leases.ask(self._engine, self._run, [*asked.values(), *standing.values()])
        news: list[Granted] = []
        still: dict[str, tuple[Ask, Granted, float]] = {}
        for granted in found:
            ask = asked.get(granted.lease) or standing[granted.lease]
            before = self._standing.get(granted.lease)
            if granted.lease in asked or before is None or _differ(before[1], granted):
                news.append(granted)
            if granted.short and granted.others:
                until = before[2] if before is not None and granted.lease not in asked else now + STANDING_SECONDS
                still[granted.lease] = ask, granted, until
        self._standing = still
        if news:
            self._tell(news, None, False)
        if still:
            leases.shortage(self._engine)


def _differ(before: Granted, now: Granted) -> bool:
    """What is worth telling again of an ask that stands."""
    return before.granted != now.granted or now.lost or not (now.short and now.others)
