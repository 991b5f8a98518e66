"""The gateway of the soak: two targets, both the upstream that makes faults, and time limits short enough to be met."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import nginx
from ..gateways import tsuji
from ..gateways.world import clean_environment

PRICES = (150, 600)
"""Nano-dollars for a token in and out; the configuration has dollars per million tokens."""
WORKERS = 2
START_SECONDS = 60
LIMITS = ("--budget", "1000000/total", "--rpm", "100000000", "--tpm", "100000000000", "--concurrent", "100000")
"""Of the key: never reached, and booked exactly."""
_CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
[ledger]
folder = "{home}"
{ledger}
[providers.first]
dialect = "openai"
base_url = "http://127.0.0.1:{upstream}/first/v1"
api_key = "upstream-key"
[providers.second]
dialect = "openai"
base_url = "http://127.0.0.1:{upstream}/second/v1"
api_key = "upstream-key"
[routes.chat]
targets = [
  {{ model = "first:m", price = {{ input = 0.15, output = 0.6 }} }},
  {{ model = "second:m", price = {{ input = 0.15, output = 0.6 }} }},
]
timeouts = {{ first_byte = 4, idle = 4, total = 60 }}
drop_params = true
"""


@dataclass(frozen=True)
class Gateway:
    """Its configuration and its key. workers: 0 where it is one process alone."""

    folder: Path
    port: int
    config: Path
    key: str
    workers: int

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @contextmanager
    def running(self) -> Iterator[int]:
        """Its first process, on core 0; stopped by SIGTERM when the block is left."""
        workers = ["--workers", str(self.workers)] if self.workers else []
        command = [tsuji.PROGRAM, "serve", "--config", str(self.config), *workers]
        with (self.folder / "gateway.log").open("ab") as log:
            options = {"stdout": log, "stderr": subprocess.STDOUT, "env": clean_environment(), "seconds": START_SECONDS}
            with nginx.running(command, self.port, 0, **options) as process:
                yield process.pid


def prepared(folder: Path, upstream: int, url: str | None) -> Gateway:
    """url: of the ledger's database; None: SQLite."""
    port, config = nginx.free_port(), folder / "tsuji.toml"
    ledger = f'url = "{url}"' if url is not None else ""
    config.write_text(_CONFIG.format(port=port, home=folder / "home", upstream=upstream, ledger=ledger))
    workers = WORKERS if tsuji.has("--workers", "serve") else 0
    return Gateway(folder, port, config, tsuji.make_key(config, *(LIMITS if has_limits() else ())), workers)


def has_limits() -> bool:
    return tsuji.has("--budget", "keys", "create")


def budget(config: Path) -> tuple[int, int]:
    """Nano-dollars that are booked on the key's budget, and that are held of it."""
    found = json.loads(tsuji.output("budgets", "list", "--json", "--config", str(config)))
    one = next(limit for limit in found if limit["unit"] == "usd")
    return one["spent"], one["held"]


@contextmanager
def upstream() -> Iterator[int]:
    port = nginx.free_port()
    command = [sys.executable, "-m", "benchmarks.soak.upstream", str(port)]
    with nginx.running(command, port, 1):
        yield port
