"""Two tries at once, in threads: a second one beside a first that is slow; the first that succeeds is the answer.

Only calls on a route with hedges, whose first target is known, run so. The caller's thread waits; a loser's connection
is closed at once, and its thread ends with it.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

from tsuji.core.errors import TsujiError

from .exchange import Exchange
from .trial import Trial

Found = TypeVar("Found")


def race(
    exchange: Exchange[Any], trial: Trial[Any], ask: Callable[[Trial[Any]], Found], discard: Callable[[Found], None]
) -> Found | None:
    """What `ask` makes of the trial or of its hedge; None where, for all of them, it raised TsujiError, which it has
    recorded. discard: lets go of what a loser made.
    """
    if trial.hedge_at is None:
        try:
            return ask(trial)
        except TsujiError:
            return None
    ended: SimpleQueue[tuple[Trial[Any], Found | None, BaseException | None]] = SimpleQueue()
    running = [trial]
    try:
        _start(trial, ask, discard, ended)
        hedge_at: float | None = trial.hedge_at
        while running:
            try:
                one, found, error = ended.get(timeout=None if hedge_at is None else max(hedge_at - monotonic(), 0.0))
            except Empty:
                hedge_at = None
                hedge = exchange.hedge()
                if hedge is not None:
                    running.append(hedge)
                    _start(hedge, ask, discard, ended)
                continue
            hedge_at = None
            running.remove(one)
            if error is None:
                return found
            if not isinstance(error, TsujiError):
                raise error
        return None
    finally:
        for loser in running:
            loser.give_up()


def _start(
    trial: Trial[Any],
    ask: Callable[[Trial[Any]], Found],
    discard: Callable[[Found], None],
    ended: "SimpleQueue[tuple[Trial[Any], Found | None, BaseException | None]]",
) -> None:
    def run() -> None:
        try:
            found = ask(trial)
        except BaseException as error:  # the caller's thread raises it
            ended.put((trial, None, error))
            return
        if trial.hold is not None and trial.hold.closed:
            discard(found)
        else:
            ended.put((trial, found, None))

    Thread(target=run, name=f"tsuji-{trial.target.name}", daemon=True).start()
