"""Gateway workers as processes of their own."""

import os
import signal
import subprocess
import sys
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


def configure(folder: Path, ledger: str = "", **providers: str) -> Path:
    """A file whose providers are called like their dialects. providers: base URLs. ledger: lines of its table."""
    file = folder / "tsuji.toml"
    text = CONFIG.format(folder=folder / "home", ledger=ledger)
    file.write_text(text + "".join([PROVIDER.format(name=name, url=url) for name, url in providers.items()]))
    return file


class Worker:
    """port: that it listens on. Its process leads a group, in which its ledger's process is too."""

    def __init__(self, file: Path) -> None:
        self.log = file.with_suffix(".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(file)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.stdout.close()
            self.process.wait()
            raise RuntimeError(self.log.read_text())
        self.port = int(line.rsplit(":", 1)[1])

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
