"""One process that serves by itself: listen, reload, wait for a signal, drain."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from tsuji.config import Source, build_config
from tsuji.core.errors import ConfigError, TsujiError

from .gateway import Gateway
from .notify import READY, STOPPING, notify, reloading
from .setup import Setup, settle
from .terminal import has_terminal, is_hung_up
from .watch import POLL_SECONDS, Watch, reread

if TYPE_CHECKING:
    from tsuji.config import Config

_YOUNG = 20_000
log = logging.getLogger("tsuji.gateway")


def serve(config: "Config", *, on_ready: Callable[[str, bool], None] | None = None) -> int:
    """See tsuji.gateway.serve."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(Lone(config).run(on_ready))


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it exists; on Windows it does not."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def settle_down() -> None:
    """What is here now stays: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)  # requests leave no cycles behind: there is little to find


def make(gateway: Gateway, source: Source) -> tuple[Setup, list[str]]:
    """What the configuration makes of a gateway that runs, and which settings wait for a start. Raises ConfigError."""
    config = build_config(source)
    kept = settle(config, gateway.config)
    return gateway.prepare(config), kept


def tell_kept(kept: list[str]) -> None:
    if kept:
        log.warning("what only a restart changes stays as it was: %s", ", ".join(kept))


class Lone:
    """`run` once."""

    def __init__(self, config: "Config") -> None:
        self._gateway = Gateway(config)
        self._over = asyncio.Event()
        self._asked = asyncio.Event()
        self._has_terminal = has_terminal()

    async def run(self, on_ready: Callable[[str, bool], None] | None) -> int:
        gateway = self._gateway
        self._listen_to_signals()
        url = await gateway.start()
        settle_down()
        if on_ready is not None:
            on_ready(url, gateway.wants_keys)
        notify(READY)
        reloads = asyncio.create_task(self._reloads())
        await self._over.wait()
        notify(STOPPING)
        reloads.cancel()
        server = gateway.config.server
        await gateway.leave(server.drain_delay)
        await gateway.stop(server.drain)
        return 0

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends the runner instead
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._end, number)
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)
            loop.add_signal_handler(
                signal.SIGUSR2, log.warning, "there are no workers to be rolled; see server.workers"
            )

    def _end(self, number: signal.Signals) -> None:
        if self._over.is_set():
            os._exit(128 + number)
        self._over.set()

    def _hang_up(self) -> None:
        if is_hung_up(self._has_terminal):
            self._over.set()
        else:
            self._asked.set()

    async def _reloads(self) -> None:
        """When someone asks for it, or a file has changed."""
        watch = Watch(self._gateway.config.files())
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), POLL_SECONDS)
            asked = self._asked.is_set()
            self._asked.clear()
            if asked or await asyncio.to_thread(watch.look):
                notify(reloading())
                await self._reload(watch, asked)
                notify(READY)

    async def _reload(self, watch: Watch, asked: bool) -> None:
        gateway = self._gateway
        try:
            if gateway.config.source is None:
                raise ConfigError("there is no configuration file to read again")
            source = await asyncio.to_thread(reread, gateway.config.source, asked=asked)
            setup, kept = await asyncio.to_thread(make, gateway, source)
        except TsujiError as error:
            log.error("the configuration stays as it was: %s", error.message)
        except Exception as bug:
            log.error("the configuration stays as it was, because of an error of ours", exc_info=bug)
        else:
            gateway.use(setup)
            watch.follow(setup.config.files())
            tell_kept(kept)
            log.warning("the configuration is reloaded")
