"""Two tries at once, on asyncio: a second one beside a first that is slow; the first that succeeds is the answer."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar

from tsuji.core.errors import TsujiError

from .exchange import Exchange
from .trial import Trial

Found = TypeVar("Found")


async def race(
    exchange: Exchange[Any],
    trial: Trial[Any],
    ask: Callable[[Trial[Any]], Awaitable[Found]],
    discard: Callable[[Found], None],
) -> Found | None:
    """What `ask` makes of the trial or of its hedge; None where, for all of them, it raised TsujiError, which it has
    recorded. discard: of two that were made at the same moment, it lets go of the second.
    """
    if trial.hedge_at is None:
        try:
            return await ask(trial)
        except TsujiError:
            return None
    running = {asyncio.ensure_future(ask(trial)): trial}
    try:
        done, _ = await asyncio.wait(running, timeout=max(trial.hedge_at - monotonic(), 0.0))
        hedge = None if done else exchange.hedge()
        if hedge is not None:
            running[asyncio.ensure_future(ask(hedge))] = hedge
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            task = done.pop()
            running.pop(task)
            error = task.exception()
            if error is None:
                return task.result()
            if not isinstance(error, TsujiError):
                raise error
        return None
    finally:
        for task, loser in running.items():
            task.cancel()
            loser.dropped()
        if running:  # they close their connections before anybody goes on
            await asyncio.wait(running)
        for task in running:
            if not task.cancelled() and task.exception() is None:
                discard(task.result())
