"""One worker process: listen, wait for a signal, drain."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from .gateway import Gateway

if TYPE_CHECKING:
    from tsuji.config import Config

_YOUNG = 20_000
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(config: "Config", *, on_ready: Callable[[str, bool], None] | None = None) -> int:
    """See tsuji.gateway.serve."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(_serve(Gateway(config), on_ready))


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it exists; on Windows it does not."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(gateway: Gateway, on_ready: Callable[[str, bool], None] | None) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in _SIGNALS:
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends the runner instead
            loop.add_signal_handler(number, stop.set)
    url = await gateway.start()
    gc.collect()
    gc.freeze()  # what is here now stays: the collector need not look at it again
    gc.set_threshold(_YOUNG, 20, 50)  # requests leave no cycles behind: there is little to find
    if on_ready is not None:
        on_ready(url, gateway.wants_keys)
    await stop.wait()
    for number in _SIGNALS:  # a second one ends at once
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(number)
    await gateway.stop()
    return 0
