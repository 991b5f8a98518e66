"""The ledger's process: `python -m tsuji.ledger.process`, started by a gateway worker, ended by its end.

The first line of its standard input is its Orders; the end of its input, which the worker's death is too, ends it,
after it has moved on what there is. Each line of its standard output is a Report.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import msgspec

from .keys import Key

log = logging.getLogger("tsuji.ledger")

POLL_SECONDS = 0.25
"""Between two looks at the keys' version: a change is to be everywhere within a second, on a busy machine too."""
DRAIN_SECONDS = 0.5
_RETRY_SECONDS = 1.0


class Orders(msgspec.Struct):
    """url: of the database. spool: the folder. secret_check: see keys.Hasher.check."""

    url: str
    spool: str
    secret_check: bytes


class Report(msgspec.Struct, omit_defaults=True):
    """keys: all of them, where they have changed. failure: why the database cannot be used now; "" that it can.

    fatal: why it never will, with this configuration.
    """

    keys: list[Key] | None = None
    failure: str | None = None
    fatal: str | None = None


class Process:
    """Two threads, so that a long drain does not keep a revoked key alive. tell: hands over a Report."""

    def __init__(self, orders: Orders, tell: Callable[[Report], None]) -> None:
        from .database import open_database

        self._orders = orders
        self._tell = tell
        self._engine = open_database(orders.url)
        self._spool = Path(orders.spool)
        self._over = threading.Event()
        self._is_open = threading.Event()
        self._told = threading.Lock()
        self._failures: dict[str, str] = {}

    def run(self, until: Callable[[], object]) -> None:
        """Works until `until` returns."""
        threads = [threading.Thread(target=work, daemon=True) for work in (self._watch, self._drain)]
        for thread in threads:
            thread.start()
        until()
        self._over.set()
        for thread in threads:
            thread.join()
        self._engine.dispose()

    def _watch(self) -> None:
        seen = -1
        while not self._is_open.is_set():
            if self._attempt("open", self._open):
                self._tell(Report(failure=""))  # the process before this one may have said otherwise
                self._is_open.set()
            elif self._over.wait(_RETRY_SECONDS):
                return
        while True:
            seen = self._poll(seen)
            if self._over.wait(POLL_SECONDS):
                return

    def _open(self) -> None:
        from .database import migrate
        from .keystore import check_secret

        migrate(self._engine)
        check_secret(self._engine, self._orders.secret_check)

    def _poll(self, seen: int) -> int:
        from .keystore import all_keys, version

        found: list[tuple[int, list[Key]]] = []

        def look() -> None:
            if version(self._engine) != seen:
                found.append(all_keys(self._engine))

        if not self._attempt("keys", look) or not found:
            return seen
        self._tell(Report(keys=found[0][1]))
        return found[0][0]

    def _drain(self) -> None:
        from .drain import drain
        from .spool import sweep_unnamed

        _step_back()
        while not self._is_open.wait(DRAIN_SECONDS):
            if self._over.is_set():
                return
        sweep_unnamed(self._spool)
        while True:
            ending = self._over.is_set()
            began = monotonic()
            # The database is up again with the first batch, not with the last of what has waited for it.
            done = self._attempt("drain", lambda: drain(self._engine, self._spool, lambda: self._hold("drain", "")))
            if ending:
                return
            self._over.wait(max(DRAIN_SECONDS - monotonic() + began, 0.05) if done else _RETRY_SECONDS)

    def _attempt(self, what: str, work: Callable[[], object]) -> bool:
        """Whether it could be done; what is wrong is told once, and again when nothing is."""
        from sqlalchemy.exc import SQLAlchemyError

        from tsuji.core.errors import ConfigError

        from .database import reason

        failure = ""
        try:
            work()
        except ConfigError as error:
            self._tell(Report(fatal=error.message))
            self._over.set()
            return False
        except SQLAlchemyError as error:
            failure = f"the database: {reason(error)}"
        except OSError as error:
            failure = f"the spool: {error}"
        except Exception as bug:  # the thread must live on
            log.error("unexpected error in the ledger's process", exc_info=bug)
            failure = "an error that should not be; the log has the details"
        self._hold(what, failure)
        return not failure

    def _hold(self, what: str, failure: str) -> None:
        """failure: of `what`, now; "" that there is none."""
        with self._told:
            before = next(iter(self._failures.values()), "")
            self._failures.pop(what, None)
            if failure:
                self._failures[what] = failure
            now = next(iter(self._failures.values()), "")
            if bool(now) != bool(before):
                self._tell(Report(failure=now))


def _step_back() -> None:
    """This thread is to take only what the workers leave: on Linux a thread has a priority of its own.

    It is not to keep the interpreter from the other thread meanwhile, though it may wait long for its turn.
    """
    if sys.platform == "linux":
        sys.setswitchinterval(0.0005)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the worker, which ends this process
        signal.signal(number, signal.SIG_IGN)
    lock, encoder = threading.Lock(), msgspec.json.Encoder()

    def tell(report: Report) -> None:
        with lock:
            try:
                sys.stdout.buffer.write(encoder.encode(report) + b"\n")
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                # The worker is gone; its records are not.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    from tsuji.core.errors import ConfigError

    line = sys.stdin.buffer.readline()
    if not line:
        return
    try:
        process = Process(msgspec.json.decode(line, type=Orders), tell)
    except ConfigError as error:
        tell(Report(fatal=error.message))
        return
    except ModuleNotFoundError as error:
        tell(Report(fatal=f"the ledger needs {error.name}, which is not installed: pip install 'tsuji[gateway]'"))
        return
    process.run(sys.stdin.buffer.read)


if __name__ == "__main__":
    main()
