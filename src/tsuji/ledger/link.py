"""The ledger as a gateway worker has it: keys in memory, the spool, and the process that has the database.

The worker never waits for that process. If it ends it is started again; until then the last known keys stay, and
records wait in the spool.
"""

import asyncio
import logging
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Protocol

import msgspec

from tsuji.config import LedgerConfig, Secret
from tsuji.core.errors import ConfigError, InvalidRequestError, LedgerError
from tsuji.routing.experiment import Experiment, State

from . import place
from .asks import Ask
from .grant import Grant
from .keycache import KeyCache
from .keys import MICRO, Hasher, Key, firsts
from .process import Experiments, Orders, Report
from .secret import server_secret
from .spool import Spool

log = logging.getLogger("tsuji.ledger")

STOP_SECONDS = 10.0
"""That the process has to move on what there is when the gateway stops."""
_AGAIN_SECONDS = 1.0
_MAX_UNSENT = 1024 * 1024


class Borrower(Protocol):
    """Who spends what is leased here."""

    def heard(self, report: Report) -> None: ...

    def again(self) -> None:
        """The process is another: it has heard nothing yet."""


class Ledger:
    """`start`, then `stop`. borrower: to be set before.

    spool: where records go. grants: of all keys by their hash, another dict after each change. known: they have been
    read. states: of experiments, by name. keyed: there has been one: when the last one is revoked or expires, nobody is
    let in, rather than everybody.
    """

    spool: Spool

    def __init__(self, config: LedgerConfig, secret: Secret | None) -> None:
        self.known = False
        self.keyed = False
        self._config = config
        self._folder = place.folder(config)
        self._secret = secret
        self.grants: dict[bytes, Grant] = {}
        self.states: dict[str, State] = {}
        self._down = ""
        self.borrower: Borrower | None = None
        self._unsent = b""
        self._experiments = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._swap = threading.Lock()

    def __repr__(self) -> str:
        return f"Ledger({str(self._folder)!r})"

    # Life.

    async def start(self) -> None:
        """Raises ConfigError for what will never work, LedgerError if the database is down and that is to stop us."""
        spool = self._folder / "spool"
        self._hasher = Hasher(server_secret(self._secret, self._folder))
        self._cache = KeyCache(self._folder, self._hasher, place.database(self._config))
        self._orders = msgspec.json.encode(
            Orders(place.database(self._config), str(spool), self._hasher.check(), secrets.token_hex(8))
        )
        try:
            spool.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"usage cannot be recorded in {spool}: {error.strerror}; set ledger.folder", param="ledger.folder"
            ) from error
        self._loop = asyncio.get_running_loop()
        self.spool = Spool(spool, self._loop.call_soon)
        self._first: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._keep, name="tsuji-ledger", daemon=True).start()
        try:
            await self._first
            refusal = self.refusal()
            if refusal is not None:
                raise refusal
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        self.spool.close()
        with self._swap:
            self._closing.set()
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._ended), STOP_SECONDS)
        except TimeoutError:
            log.warning("the ledger did not take all records in time; the next start moves them on")
            if self._process is not None:
                self._process.kill()
            await self._ended

    def tick(self) -> None:
        """Now and then: what is in the spool may be moved on."""
        if self._down:
            self.spool.retry()  # no use in many small segments
        else:
            self.spool.rotate()
        self._send(b"")

    def ask(self, asks: list[Ask]) -> None:
        """Of the process; the borrower hears its answers. Never waits for it."""
        self._send(msgspec.json.encode(asks) + b"\n")

    def know(self, experiments: Sequence[Experiment]) -> None:
        """Those of the configuration from now on."""
        self._experiments = msgspec.json.encode(Experiments(list(experiments))) + b"\n"
        self._send(self._experiments)

    def _send(self, line: bytes) -> None:
        if len(self._unsent) < _MAX_UNSENT:  # else it does not read; who waits is not answered, and asks again
            self._unsent += line
        if not self._unsent:
            return
        with self._swap:
            pipe = self._process.stdin if self._process is not None else None
            try:
                sent = pipe.write(self._unsent) if pipe is not None else None  # None too where it would wait
            except (BrokenPipeError, ValueError):
                sent = len(self._unsent)  # the next process is told all again
        self._unsent = self._unsent[sent or 0 :]

    def _renew(self) -> None:
        self._unsent = b""
        self._send(self._experiments)
        if self.borrower is not None:
            self.borrower.again()

    # What the gateway asks.

    def is_anyone_let_in(self, now: int) -> bool:
        """now: microseconds."""
        return any(grant.key.state(now) == "live" for grant in self.grants.values())

    def find(self, shown: bytes) -> Grant | None:
        """The grant of a key. What is looked up is a keyed hash, so that no timing says anything of a key."""
        hashed = self._hasher.digest(shown)
        found = self.grants.get(hashed)
        return found if found is not None and compare_digest(found.key.digest, hashed) else None

    @property
    def failure(self) -> str:
        """ "" or what is down: "disk" or "database"."""
        return "disk" if self.spool.failure else "database" if self._down else ""

    def refusal(self) -> LedgerError | None:
        """Why nothing may be asked for now that would have to be recorded; None if it may."""
        if not self.failure or (self._config.on_failure == "continue" and not self.spool.full):
            return None
        return LedgerError(f"usage cannot be recorded now: the {self.failure} is down; try again later")

    # The process.

    def _keep(self) -> None:
        """In a thread: starts the process, hears it, and starts it again."""
        while True:
            code = self._run()
            if self._closing.is_set():
                break
            if not self._call(self._take, Report(failure=f"its process ended with {code}")):
                return
            self._closing.wait(_AGAIN_SECONDS)
        self._call(self._ended.set_result, None)

    def _run(self) -> int:
        command = [sys.executable, "-P", "-m", "tsuji.ledger.process"]
        with self._swap:
            if self._closing.is_set():
                return 0
            process = subprocess.Popen(  # noqa: S603 - this Python, a module of ours
                command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            if process.stdin is None or process.stdout is None:
                raise AssertionError("both are pipes")
            with suppress(BrokenPipeError):  # it is over already
                process.stdin.write(self._orders + b"\n")
            os.set_blocking(process.stdin.fileno(), False)
            self._process = process
        self._call(self._renew)
        with process.stdout, open(process.stdout.fileno(), "rb", closefd=False) as lines:
            for line in lines:
                report = msgspec.json.decode(line, type=Report)
                if report.keys is not None:
                    self._call(self._know, _grants(report.keys))
                    self._cache.keep(report.keys, report.read)
                elif report.failure is not None or report.fatal is not None:
                    self._call(self._take, report, self._recalled(report))
                elif report.states is not None:
                    self._call(self.states.update, report.states)
                elif self.borrower is not None:
                    self._call(self.borrower.heard, report)
        with suppress(BrokenPipeError):
            process.stdin.close()
        return process.wait()

    def _recalled(self, report: Report) -> dict[bytes, Grant] | None:
        """Those of the last time, while the database is down that should say what they are now."""
        kept = self._cache.recall() if report.failure and not self.known else None
        if kept is None:
            return None
        log.warning(
            "the keys are those of %s", datetime.fromtimestamp(kept.read / MICRO, UTC).isoformat(" ", "seconds")
        )
        return _grants(kept.keys)

    def _call(self, work: object, *values: object) -> bool:
        """In the loop; False if it is closed."""
        try:
            self._loop.call_soon_threadsafe(work, *values)  # type: ignore[arg-type]
        except RuntimeError:
            return False
        return True

    def _know(self, grants: dict[bytes, Grant]) -> None:
        self.grants = grants
        self.known = True
        self.keyed = self.keyed or bool(grants)
        self._heard(None)

    def _take(self, report: Report, recalled: dict[bytes, Grant] | None = None) -> None:
        """recalled: the keys, where they are not known otherwise."""
        if report.fatal is not None:
            log.error("the ledger cannot be used: %s", report.fatal)
            self._heard(ConfigError(report.fatal, param="ledger"))
        down = report.fatal or report.failure or ""
        if report.failure and not self._down:
            log.error("the ledger is down: %s; records wait in %s", report.failure, self._folder / "spool")
        elif not down and self._down:
            log.warning("the ledger is up again")
        self._down = down
        if recalled is not None and not self.known:
            self._know(recalled)
        if down:
            self._heard(None)

    def _heard(self, error: ConfigError | None) -> None:
        if self._first.done():
            return
        if error is not None:
            self._first.set_exception(error)
        else:
            self._first.set_result(None)


def _grants(keys: Sequence[Key]) -> dict[bytes, Grant]:
    found: dict[bytes, Grant] = {}
    first = firsts(keys)
    for key in keys:
        try:
            found[key.digest] = Grant(key, first[key.id])
        except InvalidRequestError as error:
            log.error("the key %s lets nobody in: %s", key.id, error.message)
    return found
