"""A PostgreSQL of the tests' own: a new cluster in a temporary directory, on a free port of loopback."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import pytest

ACCOUNTS = ("postgres", "nobody")
"""Root may not run it: one of these does."""


def program(name: str) -> str:
    """Skips the test where PostgreSQL is not installed."""
    found = shutil.which(name)
    if found is None:
        places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        if not places:
            pytest.skip("PostgreSQL is not installed; tests/install-servers.sh does it where it may")
        found = str(places[-1])
    return found


def _account() -> str | None:
    """Who runs it; None: this user."""
    if os.getuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and this machine has no user postgres or nobody")


class Postgres:
    """`start` and `stop` as often as you like; `close` ends it for good. url(): of a new, empty database."""

    def __init__(self) -> None:
        self._initdb, self._postgres = program("initdb"), program("postgres")
        self._account = _account()
        self._folder = Path(tempfile.mkdtemp(prefix="tsuji-postgres-"))
        if self._account is not None:
            shutil.chown(self._folder, self._account)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        # As trust is by password here, a wrong one would be noticed.
        (self._folder / "password").write_text("pg-canary-password\n")
        (self._folder / "password").chmod(0o644)
        options = ["-A", "scram-sha-256", "-U", "tsuji", f"--pwfile={self._folder}/password", "-N", "-E", "UTF8"]
        self._run([self._initdb, *options, "--no-locale", "-D", f"{self._folder}/data"])
        self.start()

    def _run(self, command: list[str]) -> None:
        subprocess.run(command, user=self._account, cwd=self._folder, check=True, capture_output=True)

    def start(self) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "max_connections": 60,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [self._postgres, "-D", f"{self._folder}/data", *options],
            user=self._account,
            cwd=self._folder,
            stdout=log,
            stderr=log,
        )
        log.close()
        deadline = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(0.02)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self._conninfo("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _conninfo(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=tsuji password=pg-canary-password dbname={database}"

    def stop(self) -> None:
        """At once, as after a crash: open connections are dropped."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def url(self) -> str:
        import psycopg

        name = f"ledger_{next(self._numbers)}"
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://tsuji:pg-canary-password@127.0.0.1:{self.port}/{name}"

    def dump(self, url: str) -> bytes:
        """All that is in it, as text."""
        env = {**os.environ, "PGPASSWORD": "pg-canary-password"}
        command = [program("pg_dump"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "tsuji", url.rsplit("/", 1)[1]]
        return subprocess.run(command, env=env, check=True, capture_output=True).stdout
