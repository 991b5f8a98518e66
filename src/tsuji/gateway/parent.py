"""The parent of N workers: it has the listening sockets, starts the workers, and passes on what it is told.

No request, no SQL and no model is ever in here, so that nothing that happens to one can end it. A reload is made by the
workers in two steps: each makes the new configuration ready and says so; if all can, all are told to take it.
"""

import logging
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from tsuji.core.errors import ConfigError, InternalError, LedgerError, TsujiError

from .channel import Channel, Command, News, Orders, Word
from .listen import Opened, close, listening_sockets, remove_files, url
from .notify import READY, STOPPING, notify, reloading
from .sharing import Shared
from .terminal import has_terminal, is_hung_up
from .watch import POLL_SECONDS, Watch, reread

if TYPE_CHECKING:
    from tsuji.config import Config, Source

log = logging.getLogger("tsuji.gateway")

_STEADY_SECONDS = 10.0
"""A worker that has lived as long is started again at once when it dies."""
_LONGEST_WAIT = 10.0
_DEATH_SECONDS = 5.0
"""From the end of a worker's channel to its own."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


def _nothing(_number: int, _frame: object) -> None:
    """A handler; what it would do is done when its signal's byte is read."""


class Child:
    """A worker's process. ready: it accepts. deadline: when it is killed, should it still be there."""

    def __init__(self, slot: "Slot", source: "Source", base: "Source", first: "Source", health: News) -> None:
        self.slot = slot
        self.source = source
        self.ready = False
        self.retired = False
        self.deaf = False
        self.grace = _LONGEST_WAIT
        self.deadline = float("inf")
        self.began = monotonic()
        ours, theirs = socket.socketpair()
        numbers = [(place, sock.fileno()) for place, sock in slot.sockets]
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - this Python, a module of ours
                [sys.executable, "-P", "-m", "tsuji.gateway.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *[number for _, number in numbers]],
            )
        self.channel = Channel(ours)
        self.channel.send(Orders(slot.number, source, base, first, numbers, health))

    def __str__(self) -> str:
        return f"worker {self.slot.number} (process {self.process.pid})"

    def end(self) -> str:
        """After its channel's: how it ended."""
        self.channel.close()
        try:
            code = self.process.wait(_DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        return f"exited with status {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"


class Slot:
    """A worker's place: its sockets outlive it. next: its successor, that is starting. due: when another is started."""

    def __init__(self, number: int, sockets: list[Opened]) -> None:
        self.number = number
        self.sockets = sockets
        self.child: Child | None = None
        self.next: Child | None = None
        self.failures = 0
        self.due = 0.0


class Parent:
    """`run` once, in the main thread. Raises ConfigError or LedgerError where the workers cannot start."""

    def __init__(self, config: "Config") -> None:
        if config.source is None:
            raise ConfigError(
                "workers read the configuration themselves, so it must come from load_config; or set no server.workers",
                param="server.workers",
            )
        if sys.platform == "win32":
            raise ConfigError("Windows cannot share sockets among workers; set no server.workers")
        self._server = config.server
        self._first = self._source = self._base = self._last_base = config.source
        self._watch = Watch(config.files())
        self._look = monotonic() + POLL_SECONDS
        self._selector = selectors.DefaultSelector()
        self._slots: list[Slot] = []
        self._children: list[Child] = []
        self._keyed = False
        self._failure: TsujiError | None = None
        self._code = 0
        self._stopping = False
        self._has_terminal = has_terminal()
        # of a reload
        self._new: Source | None = None
        self._waiting: list[Child] = []
        self._prepared: list[Child] = []
        self._files: list[str] = []
        self._refused = False
        self._again = self._asked = False
        self._shared = Shared()
        # of a roll
        self._to_roll: list[Slot] = []

    def run(self, on_ready: Callable[[str, bool], None] | None) -> int:
        """The exit status."""
        sockets = listening_sockets(self._server, self._server.workers or 1)
        self._slots = [Slot(number, socks) for number, socks in enumerate(sockets)]
        try:
            with self._hearing_signals():
                self._start()
                if not self._stopping:
                    if on_ready is not None:
                        on_ready(url(self._server.listeners[0], sockets[0][0][1]), self._keyed)
                    notify(READY)
                while self._children or not self._stopping:
                    self._turn()
        finally:
            for child in self._children:
                child.process.kill()
                child.end()
            self._close_sockets()
            remove_files(self._server)
            self._selector.close()
        return self._code

    # Signals.

    @contextmanager
    def _hearing_signals(self) -> Generator[None]:
        """A signal is a byte on a socket: it interrupts nothing that we do."""
        ears, mouth = socket.socketpair()
        mouth.setblocking(False)
        before = {number: signal.signal(number, _nothing) for number in _SIGNALS}
        old = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
        self._selector.register(ears, selectors.EVENT_READ, lambda: self._signalled(ears.recv(64)))
        try:
            yield
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)
            ears.close()
            mouth.close()

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number in (signal.SIGINT, signal.SIGTERM):
                self._stop(number)
            elif number == signal.SIGUSR2:
                self._roll()
            elif number == signal.SIGHUP and is_hung_up(self._has_terminal):
                self._stop(number)
            elif number == signal.SIGHUP:
                self._reload(asked=True)

    # Life.

    def _start(self) -> None:
        for slot in self._slots:
            slot.child = self._spawn(slot)
        while not self._stopping and not all(slot.child is not None and slot.child.ready for slot in self._slots):
            self._turn()
            if self._failure is not None:
                raise self._failure

    def _spawn(self, slot: Slot) -> Child:
        child = Child(slot, self._source, self._base, self._first, self._shared.now())
        self._children.append(child)
        self._selector.register(child.channel, selectors.EVENT_READ, lambda: self._hear(child))
        return child

    def _turn(self) -> None:
        empty = [slot for slot in self._slots if slot.child is None and slot.next is None and not self._stopping]
        times = [self._look, *[slot.due for slot in empty], *[child.deadline for child in self._children]]
        for key, _ in self._selector.select(max(min(times) - monotonic(), 0)):
            key.data()
        now = monotonic()
        for slot in self._slots:
            if slot.child is None and slot.next is None and slot.due <= now and not self._stopping:
                slot.child = self._spawn(slot)
        for child in [child for child in self._children if child.deadline <= now]:
            log.error("%s did not end in time, and is killed", child)
            child.deadline = float("inf")
            child.process.kill()
        if self._look <= now:
            self._look = now + POLL_SECONDS
            if not self._stopping and self._watch.look():
                self._reload(asked=False)

    def _stop(self, number: int) -> None:
        """The second time at once."""
        if self._stopping:
            self._code = 128 + number
            for child in self._children:
                child.process.kill()
            return
        self._stopping = True
        notify(STOPPING)
        for child in self._children:
            self._dismiss(child, "stop")

    def _dismiss(self, child: Child, do: str) -> None:
        child.deadline = monotonic() + child.grace
        child.channel.send(Command("retire" if do == "retire" else "stop"))

    def _close_sockets(self) -> None:
        for slot in self._slots:
            close(sock for _, sock in slot.sockets)

    # What the workers say.

    def _hear(self, child: Child) -> None:
        words = child.channel.heard()
        if words is None:
            self._ended(child)
            return
        for word in words:
            match word.said:
                case "ready":
                    self._is_ready(child, word)
                case "failed":
                    kind = ConfigError if word.kind == "config" else LedgerError
                    self._failure = kind(word.text, param=word.param)
                    log.error("%s cannot start: %s", child, word.text)
                case "health":
                    self._shared.hear(word.health)
                    for other in self._children:
                        if other is not child and other.ready:
                            other.channel.send(Command("learn", health=word.health))
                case "deaf":
                    child.deaf = True
                    if self._stopping and all(child.deaf for child in self._children):
                        self._close_sockets()  # nobody is to wait for what nobody accepts
                case _:
                    self._answered(child, word)

    def _is_ready(self, child: Child, word: Word) -> None:
        child.ready = True
        child.grace = word.grace
        self._keyed = word.keyed
        if news := self._shared.now():
            child.channel.send(Command("learn", health=news))
        slot = child.slot
        if slot.next is child:
            old, slot.child, slot.next = slot.child, child, None
            if old is not None:
                log.warning("%s takes the place of process %d", child, old.process.pid)
                old.retired = True
                self._dismiss(old, "retire")
            self._roll_next()
        if self._stopping:
            self._dismiss(child, "stop")
        elif self._again:
            self._reload(asked=self._asked)
        else:
            self._catch_up()

    def _ended(self, child: Child) -> None:
        self._selector.unregister(child.channel)
        how = child.end()
        self._children.remove(child)
        slot = child.slot
        if child is slot.next:
            slot.next = None
            self._to_roll.clear()
            self._base = self._last_base
            log.error("%s %s before it was ready: the workers that are left stay as they are", child, how)
        elif child is slot.child:
            slot.child = None
            if not self._stopping:
                self._died(child, how)
        if child in self._waiting:
            self._waiting.remove(child)
            self._conclude()

    def _died(self, child: Child, how: str) -> None:
        slot, now = child.slot, monotonic()
        steady = child.ready and now - child.began > _STEADY_SECONDS
        slot.failures = 0 if steady else slot.failures + 1
        wait = min(0.1 * 2**slot.failures, _LONGEST_WAIT) if slot.failures > 1 else 0.0
        slot.due = now + wait
        log.error("%s %s; another is started %s", child, how, f"in {wait:.1f} s" if wait else "at once")
        if self._failure is None:
            self._failure = InternalError(f"a worker {how} before it was ready; the log says why")

    # Reload.

    def _reload(self, *, asked: bool) -> None:
        ready = [child for child in self._children if child.ready and not child.retired]
        if self._new is not None or not ready:
            self._again, self._asked = True, asked
            return
        self._again = False
        notify(reloading())
        try:
            self._new = reread(self._source, asked=asked)
        except ConfigError as error:
            self._stay(error.message)
            return
        self._waiting, self._prepared, self._refused = ready, [], False
        for child in ready:
            child.channel.send(Command("prepare", self._new))

    def _answered(self, child: Child, word: Word) -> None:
        if word.said == "prepared":
            if word.kept and not self._prepared:
                log.warning("what only a restart changes stays as it was: %s", ", ".join(word.kept))
            self._prepared.append(child)
            self._files = word.files
            child.grace = word.grace
        elif not self._refused:
            self._refused = True
            self._stay(word.text)
        self._waiting.remove(child)
        self._conclude()

    def _conclude(self) -> None:
        """Once all who were asked have answered, or died."""
        new = self._new
        if self._waiting or new is None:
            return
        self._new = None
        taken = bool(self._prepared) and not self._refused
        for child in self._prepared:
            child.channel.send(Command("commit" if taken else "drop"))
            child.source = new if taken else child.source
        if taken:
            self._source = new
            self._watch.follow([Path(file) for file in self._files])
            log.warning("the configuration is reloaded")
            notify(READY)
            self._catch_up()
        if self._again or not (taken or self._refused):
            self._reload(asked=self._asked)

    def _stay(self, why: str) -> None:
        log.error("the configuration stays as it was: %s", why)
        notify(READY)

    def _catch_up(self) -> None:
        """A worker that was starting while the others were told is replaced by one that knows."""
        for slot in self._slots:
            child = slot.child
            if child is not None and child.ready and child.source is not self._source and slot not in self._to_roll:
                self._to_roll.append(slot)
        self._roll_next()

    # Roll.

    def _roll(self) -> None:
        if self._stopping:
            return
        log.warning("the workers are rolled")
        self._last_base, self._base = self._base, self._source
        self._to_roll = list(self._slots)
        self._roll_next()

    def _roll_next(self) -> None:
        """One at a time: its successor is ready before it ends."""
        while self._to_roll and not any(slot.next for slot in self._slots):
            slot = self._to_roll.pop(0)
            if slot.child is not None:  # else it is about to be started anyway
                slot.next = self._spawn(slot)
                return
