"""Gateway workers as processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

PROGRAM = """
import sys
from tsuji.config import load_config
from tsuji.gateway import serve
sys.exit(serve(load_config(sys.argv[1]), on_ready=lambda url, keyed: print(url, flush=True)))
"""
CONFIG = """
[server]
port = 0
{server}
[ledger]
folder = "{folder}"
{ledger}
"""
PROVIDER = """
[providers.{name}]
dialect = "{name}"
base_url = "{url}"
api_key = "canary-provider-key"
"""


def configure(folder: Path, ledger: str = "", server: str = "", **providers: str) -> Path:
    """A file whose providers are called like their dialects. providers: base URLs. ledger, server: lines of tables."""
    file = folder / "tsuji.toml"
    text = CONFIG.format(folder=folder / "home", ledger=ledger, server=server)
    file.write_text(text + "".join([PROVIDER.format(name=name, url=url) for name, url in providers.items()]))
    return file


class Worker:
    """port: that it listens on. Its process leads a group, in which its ledger's process is too.

    With server.workers it is the parent, and they are in that group as well.
    """

    def __init__(self, file: Path, **environment: str) -> None:
        self.log = file.with_suffix(".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env=os.environ | environment,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.stdout.close()
            self.process.wait()
            raise RuntimeError(self.log.read_text())
        self.port = int(line.rsplit(":", 1)[1])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def children(self) -> list[int]:
        """Its processes, oldest first: of a parent the workers, of others the ledger's."""
        return sorted(number for number, (parent, _) in processes().items() if parent == self.process.pid)

    def group(self) -> list[int]:
        return [number for number, (_, group) in processes().items() if group == self.process.pid]

    def said(self, text: str) -> int:
        """How often its log has it."""
        return self.log.read_text().count(text)

    def until_said(self, text: str, times: int = 1) -> None:
        until(lambda: self.said(text) >= times, self.log)

    def kill(self, *, all: bool = False) -> None:
        """SIGKILL. all: to the ledger's process as well."""
        if all:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self._reap()

    def stop(self) -> int:
        self.process.terminate()
        self._reap()
        return self.process.returncode

    def _reap(self) -> None:
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill(all=True)


def processes() -> dict[int, tuple[int, int]]:
    """Of each that runs its parent and its group."""
    found: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, group, *_ = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[int(entry.parent.name)] = int(parent), int(group)
    return found


def until(holds: Callable[[], bool], log: Path | None = None, seconds: float = 60.0) -> None:
    """Waits, and shows the log if it is in vain."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, log.read_text() if log is not None else "it did not come to be"
        time.sleep(0.01)
