"""The ledger's process: `python -m tsuji.ledger.process`, started by a gateway worker, ended by its end.

The first line of its standard input is its Orders, each one after it a list of Asks, or Experiments; the end of its
input, which the worker's death is too, ends it, after it has moved on what there is. Each line of its standard output
is a Report.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING

import msgspec

from tsuji.routing.experiment import Experiment, State

from .asks import Ask, Granted
from .keys import MICRO, Key
from .limits import Limit

if TYPE_CHECKING:
    from .keystore import Versions

log = logging.getLogger("tsuji.ledger")

POLL_SECONDS = 0.25
"""Between two looks at the keys' version: a change is to be everywhere within a second, on a busy machine too."""
DRAIN_SECONDS = 0.5
TRIAL_SECONDS = 1.0
"""Between two looks at what was stopped."""
_RETRY_SECONDS = 1.0
_FORGET_SECONDS = 5.0
"""Between two looks for prompts and answers whose time is over."""
_STRAY_SECONDS = 86_400
"""For which feedback waits for the record of its request."""


class Orders(msgspec.Struct):
    """url: of the database. spool: the folder. secret_check: see keys.Hasher.check. run: of the worker's leases."""

    url: str
    spool: str
    secret_check: bytes
    run: str

    def __repr__(self) -> str:
        return f"Orders(spool={self.spool!r})"  # the URL has a password


class Experiments(msgspec.Struct):
    """Those of the worker's configuration, from now on."""

    experiments: list[Experiment]


class Report(msgspec.Struct, omit_defaults=True):
    """keys, limits: all of them, where they have changed; read: when the keys were.

    failure: why the database cannot be used now; "" that it can. fatal: why it never will, with this configuration.
    granted: answers. until: leases may be spent up to here. lost: all leases up to now are. wanted: leases that others
    come short of. states: of experiments, by name, where something has changed. Times are microseconds since 1970.
    """

    keys: list[Key] | None = None
    read: int = 0
    limits: list[Limit] | None = None
    failure: str | None = None
    fatal: str | None = None
    granted: list[Granted] = []
    until: int | None = None
    lost: bool = False
    wanted: list[str] = []
    states: dict[str, State] | None = None


class Process:
    """Four threads, so that a long drain or analysis keeps neither a revoked key alive nor a request without its lease.

    tell: hands over a Report.
    """

    def __init__(self, orders: Orders, tell: Callable[[Report], None]) -> None:
        from .database import open_database
        from .lending import Lender
        from .trials import Trials

        self._trials = Trials()
        self._orders = orders
        self._tell = tell
        self._engine = open_database(orders.url)
        self._lender = Lender(
            self._engine, orders.run, lambda found, until, lost: tell(Report(granted=found, until=until, lost=lost))
        )
        self._spool = Path(orders.spool)
        self._over = threading.Event()
        self._is_open = threading.Event()
        self._told = threading.Lock()
        self._failures: dict[str, str] = {}

    def run(self, lines: Iterable[bytes]) -> None:
        """Works until the lines end."""
        work = (self._watch, self._drain, self._lend, self._try)
        threads = [threading.Thread(target=one, daemon=True) for one in work]
        for thread in threads:
            thread.start()
        decoder, experiments = msgspec.json.Decoder(list[Ask]), msgspec.json.Decoder(Experiments)
        for line in lines:
            if line.startswith(b"{"):
                self._trials.know(experiments.decode(line).experiments)
            else:
                self._lender.hear(decoder.decode(line))
        self._over.set()
        self._lender.wake()
        for thread in threads:
            thread.join()
        self._engine.dispose()

    def _try(self) -> None:
        """Guardrails and bandits need some arithmetic: it takes what the others leave."""
        _step_back()
        while not self._over.wait(TRIAL_SECONDS):
            if self._is_open.is_set():
                self._attempt("experiments", self._look_at_trials)

    def _look_at_trials(self) -> None:
        changed = self._trials.turn(self._engine, int(time() * MICRO))
        if changed is not None:
            self._tell(Report(states=changed))

    def _lend(self) -> None:
        while not self._is_open.wait(DRAIN_SECONDS):
            if self._over.is_set():
                return
        while not self._over.is_set():
            if self._attempt("leases", self._lender.turn):
                self._lender.wait()
            else:
                self._over.wait(_RETRY_SECONDS)
        self._attempt("leases", self._lender.turn)  # what was given back last

    def _watch(self) -> None:
        from .keystore import Versions

        seen = Versions(-1, -1, -1)
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

    def _poll(self, seen: "Versions") -> "Versions":
        """Limits before keys: whoever is let in is so with their limits."""
        from .keystore import all_keys, versions
        from .leases import wanted
        from .limitstore import all_limits

        began = int(time() * MICRO)
        reports: list[Report] = []
        found = seen

        def look() -> None:
            nonlocal found
            now = versions(self._engine)
            if now.limits != seen.limits:
                version, limits = all_limits(self._engine)
                reports.append(Report(limits=limits))
                now = now._replace(limits=version)
            if now.keys != seen.keys:
                version, keys = all_keys(self._engine)
                reports.append(Report(keys=keys, read=began))
                now = now._replace(keys=version)
            if now.shortages != seen.shortages:
                reports.append(Report(wanted=wanted(self._engine, self._orders.run)))
            found = now

        if self._attempt("keys", look):
            for report in reports:
                self._tell(report)
        return found

    def _drain(self) -> None:
        from . import opinions
        from .contentstore import forget
        from .drain import drain
        from .leases import end
        from .spool import segments, sweep_unnamed

        _step_back()
        while not self._is_open.wait(DRAIN_SECONDS):
            if self._over.is_set():
                return
        sweep_unnamed(self._spool)
        swept = 0.0
        while True:
            ending = self._over.is_set()
            began = monotonic()
            # The database is up again with the first batch, not with the last of what has waited for it.
            done = self._attempt("drain", lambda: drain(self._engine, self._spool, lambda: self._hold("drain", "")))
            if ending:
                if done and not segments(self._spool):  # else some of what it spent may still be on its way
                    self._attempt("leases", lambda: end(self._engine, self._orders.run))
                return
            if done and began - swept >= _FORGET_SECONDS:
                swept = began
                self._attempt("contents", lambda: forget(self._engine, int(time() * MICRO)))
                self._attempt("feedback", lambda: opinions.forget(self._engine, int((time() - _STRAY_SECONDS) * MICRO)))
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

    It is not to keep the interpreter from the other threads meanwhile, though it may wait for its turn: so it is not
    nicer than 10 either, with which it has a tenth of a core that a worker is busy on, and 19 a seventieth.
    """
    if sys.platform == "linux":
        sys.setswitchinterval(0.0005)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for the worker, which ends this process
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
    process.run(sys.stdin.buffer)


if __name__ == "__main__":
    main()
