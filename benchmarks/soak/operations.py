"""What an operator does meanwhile: keys made and revoked, the configuration reloaded, workers rolled; and a ledger's
process that dies, or its PostgreSQL.
"""

import http.client
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.ledger.postgres import Postgres

from .. import processes
from ..gateways import tsuji
from ..gateways.world import clean_environment

SOON_SECONDS = 10.0
"""A change of a key that has not come by then never came."""
_LOOK_SECONDS = 0.01
_LOOKS = 8
_AWAY_SECONDS = 3.0


@dataclass
class Operations:
    """database: the ledger's, where it is not SQLite.

    done: name -> seconds that each took until it was seen, or 0 where there is nothing to see. failed: what went
    wrong.
    """

    pid: int
    port: int
    config: Path
    database: Postgres | None = None
    done: dict[str, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def run(self, every: float, over: threading.Event) -> None:
        """One after the other, in turns, until it is over."""
        able = tsuji.has("--workers", "serve")
        turns: list[Callable[[], None]] = [self.key, self.kill_ledger, *([self.reload, self.roll] if able else [])]
        turns += [self.restart_database] if self.database is not None else []
        number = 0
        while not over.wait(every):
            try:
                turns[number % len(turns)]()
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                self.failed.append(f"{turns[number % len(turns)].__name__}: {error}")
            number += 1

    def key(self) -> None:
        """One is made, works, and is revoked."""
        name = f"soak-{os.urandom(4).hex()}"
        shown = self._tsuji("keys", "create", name).split()[-1]
        self._note("key made: works after", self._until(shown, 200))
        self._tsuji("keys", "revoke", name)
        self._note("key revoked: refused after", self._until(shown, 401))

    def reload(self) -> None:
        """Of the file, in which the price of a route that nobody asks for has changed."""
        text, _, _ = self.config.read_text().partition("\n# changed\n")
        changed = f"input = {random.randrange(1, 1000)}, output = 1"
        route = f'[routes.unasked]\ntargets = [{{ model = "first:other", price = {{ {changed} }} }}]\n'
        self.config.write_text(f"{text}\n# changed\n{route}")
        os.kill(self.pid, signal.SIGHUP)
        self._note("configuration reloaded", 0.0)

    def roll(self) -> None:
        """Every worker by a new one."""
        before = self._workers()
        os.kill(self.pid, signal.SIGUSR2)
        start = time.monotonic()
        while before & self._workers():
            if time.monotonic() - start > 6 * SOON_SECONDS:
                raise RuntimeError("old workers are still there")
            time.sleep(0.1)
        self._note("workers rolled: the old ones gone after", time.monotonic() - start)

    def kill_ledger(self) -> None:
        """SIGKILL, and there is another one."""
        ledgers = [process.pid for process in processes.tree(self.pid) if process.ledger]
        if not ledgers:
            raise RuntimeError("there is no ledger's process")
        victim, start = random.choice(ledgers), time.monotonic()
        os.kill(victim, signal.SIGKILL)
        while True:
            now = [process.pid for process in processes.tree(self.pid) if process.ledger]
            if len(now) >= len(ledgers) and victim not in now:
                break
            if time.monotonic() - start > SOON_SECONDS:
                raise RuntimeError("no other came")
            time.sleep(0.1)
        self._note("ledger's process killed: another one after", time.monotonic() - start)

    def restart_database(self) -> None:
        """As after a crash; it is away for a while."""
        if self.database is None:
            raise RuntimeError("SQLite is no server")
        self.database.stop()
        time.sleep(_AWAY_SECONDS)
        self.database.start()
        start = time.monotonic()
        while not all(b'"ledger"' not in self._get("/readyz")[1] for _ in range(_LOOKS)):
            if time.monotonic() - start > SOON_SECONDS:
                raise RuntimeError("the ledger is still down")
            time.sleep(_LOOK_SECONDS)
        self._note(f"PostgreSQL crashed, away for {_AWAY_SECONDS:g} s: used again after", time.monotonic() - start)

    def _workers(self) -> set[int]:
        return {process.pid for process in processes.tree(self.pid)[1:] if not process.ledger}

    def _note(self, what: str, seconds: float) -> None:
        self.done.setdefault(what, []).append(seconds)

    def _until(self, shown: str, status: int) -> float:
        """Seconds until each of several new connections, of which each worker has some, says that of a key."""
        start = time.monotonic()
        while not all(self._get("/v1/models", shown)[0] == status for _ in range(_LOOKS)):
            if time.monotonic() - start > SOON_SECONDS:
                raise RuntimeError(f"after {SOON_SECONDS:g} s a key is not answered with {status}")
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - start

    def _get(self, path: str, shown: str = "") -> tuple[int, bytes]:
        """Status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON_SECONDS)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {shown}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _tsuji(self, *arguments: str) -> str:
        command = [tsuji.PROGRAM, *arguments, "--config", str(self.config)]
        ran = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
        if ran.returncode:
            raise RuntimeError(f"tsuji {' '.join(arguments)}: {ran.stderr[-200:]}")
        return ran.stdout
