"""A worker under a parent: `python -m tsuji.gateway.worker FD`, where FD is its end of the channel.

It ends when the parent says so or is gone: by then it accepts no more, and open requests have had time to finish.
"""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter
from typing import Literal

import msgspec

from tsuji.config import Config, Source, build_config
from tsuji.core.errors import ConfigError, TsujiError
from tsuji.ledger.link import STOP_SECONDS

from .channel import Command, Orders, Word
from .gateway import Gateway
from .run import make, new_loop, settle_down
from .setup import SOCKETS, Setup, keep, settle

log = logging.getLogger("tsuji.gateway")

_LIMIT = 1 << 30
"""Bytes of a line: a configuration."""
_SPARE_SECONDS = 5.0
_TELL_SECONDS = 0.2


class Worker:
    """`run` once."""

    _gateway: Gateway

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._over = asyncio.Event()
        self._patient = False
        self._delay = 0.0
        self._prepared: Setup | None = None

    async def run(self) -> int:
        """The exit status."""
        self._reader, self._writer = await asyncio.open_connection(sock=self._channel, limit=_LIMIT)
        try:
            return await self._run()
        finally:
            self._writer.close()
            with suppress(ConnectionError):  # the parent may be gone
                await self._writer.wait_closed()

    async def _run(self) -> int:
        line = await self._line()
        if not line:
            return 0
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end)
        try:
            await self._start(msgspec.json.decode(line, type=Orders))
        except TsujiError as error:
            kind = "config" if isinstance(error, ConfigError) else "ledger"
            self._say(Word("failed", text=error.message, kind=kind, param=error.param))
            return 1
        commands = asyncio.create_task(self._obey())
        telling = asyncio.create_task(self._tell())
        await self._over.wait()
        gateway, patient = self._gateway, self._patient
        await gateway.leave(self._delay, patient=patient)
        self._say(Word("deaf"))
        await gateway.stop(gateway.config.server.drain, patient=patient)
        commands.cancel()
        telling.cancel()
        return 0

    async def _start(self, orders: Orders) -> None:
        sockets = [(place, socket.socket(fileno=number)) for place, number in orders.sockets]
        for _, sock in sockets:
            sock.set_inheritable(False)
        config = build_config(orders.source)
        base = build_config(orders.base)
        keep(base, build_config(orders.first), SOCKETS)
        settle(config, base)
        self._gateway = Gateway(config)
        self._gateway.health.learn(orders.health, perf_counter())
        await self._gateway.start(sockets)
        settle_down()
        self._say(self._about("ready", config))

    async def _line(self) -> bytes:
        """The next one; b"" when the parent is gone, which is a reset where it had not read all that we said."""
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""

    async def _obey(self) -> None:
        while line := await self._line():
            command = msgspec.json.decode(line, type=Command)
            match command.do:
                case "prepare" if command.source is not None:
                    await self._prepare(command.source)
                case "commit" if self._prepared is not None:
                    self._gateway.use(self._prepared)
                    self._prepared = None
                case "learn":
                    self._gateway.health.learn(command.health, perf_counter())
                case "retire":
                    self._patient = True
                    self._over.set()
                case "stop":
                    self._end(self._gateway.config.server.drain_delay)
                case _:
                    self._prepared = None
        self._end()  # the parent is gone

    async def _tell(self) -> None:
        """What the others should know of targets."""
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            news = self._gateway.health.news(perf_counter())
            if news:
                self._say(Word("health", health=news))

    def _end(self, delay: float = 0.0) -> None:
        if self._patient:
            self._gateway.stopping = True  # then nobody goes on in our place
        self._delay = delay
        self._over.set()

    async def _prepare(self, source: Source) -> None:
        try:
            self._prepared, kept = await asyncio.to_thread(make, self._gateway, source)
        except TsujiError as error:
            self._say(Word("refused", text=error.message))
        except Exception as bug:
            log.error("unexpected error in a reload", exc_info=bug)
            self._say(Word("refused", text="an error of ours, see above"))
        else:
            self._say(self._about("prepared", self._prepared.config, kept))

    def _about(self, said: Literal["ready", "prepared"], config: Config, kept: Sequence[str] = ()) -> Word:
        return Word(
            said,
            keyed=self._gateway.wants_keys,
            files=[str(file) for file in config.files()],
            kept=list(kept),
            grace=config.server.drain_delay + config.server.drain + STOP_SECONDS + _SPARE_SECONDS,
        )

    def _say(self, word: Word) -> None:
        if not self._writer.is_closing():  # else the parent is gone
            self._writer.write(msgspec.json.encode(word) + b"\n")


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):  # the parent's
        signal.signal(number, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        sys.exit(runner.run(Worker(channel).run()))


if __name__ == "__main__":
    main()
