"""The gateway of the soak: two targets, both the upstream that makes faults, and time limits short enough to be met."""

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
_CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
[ledger]
folder = "{home}"
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
timeouts = {{ first_byte = 1.5, idle = 1.5, total = 60 }}
drop_params = true
"""


@dataclass(frozen=True)
class Gateway:
    """workers: 0 where it is one process alone."""

    pid: int
    port: int
    config: Path
    home: Path
    key: str
    workers: int


@contextmanager
def upstream() -> Iterator[int]:
    port = nginx.free_port()
    command = [sys.executable, "-m", "benchmarks.soak.upstream", str(port)]
    with nginx.running(command, port, 1):
        yield port


@contextmanager
def running(folder: Path, upstream: int) -> Iterator[Gateway]:
    """On core 0; stopped by SIGTERM when the block is left, which must not take longer than a minute."""
    port, config, home = nginx.free_port(), folder / "tsuji.toml", folder / "home"
    config.write_text(_CONFIG.format(port=port, home=home, upstream=upstream))
    workers, env = (WORKERS if tsuji.has("--workers", "serve") else 0), clean_environment()
    key = tsuji.make_key(config, (), env)
    command = [tsuji.PROGRAM, "serve", "--config", str(config), *(["--workers", str(workers)] if workers else [])]
    with (folder / "gateway.log").open("wb") as log:
        options = {"stdout": log, "stderr": subprocess.STDOUT, "env": env}
        with nginx.running(command, port, 0, **options) as process:
            yield Gateway(process.pid, port, config, home, key, workers)
