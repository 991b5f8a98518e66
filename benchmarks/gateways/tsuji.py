"""Tsuji as people run it: a virtual key, a route with a price, and the ledger, in a folder that is deleted after."""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import nginx
from .system import System
from .world import clean_environment

NAME = "Tsuji"
ON = "virtual key of the ledger checked, model rewritten, usage and cost of each request recorded (SQLite)"
CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
[ledger]
folder = {folder}
[providers.constant]
dialect = "openai"
base_url = "http://127.0.0.1:{constant}/v1"
api_key = "upstream-key"
[providers.at-a-rate]
dialect = "openai"
base_url = "http://127.0.0.1:{streams}/paced/v1"
api_key = "upstream-key"
[providers.one]
dialect = "openai"
base_url = "http://127.0.0.1:{streams}/single/v1"
api_key = "upstream-key"
[providers.at-once]
dialect = "openai"
base_url = "http://127.0.0.1:{streams}/burst/v1"
api_key = "upstream-key"
"""
ROUTE = """
[routes.{name}]
targets = [{{ model = "{target}:gpt-4o-mini", price = {{ input = 0.15, output = 0.6 }} }}]
"""
ROUTES = {"chat": "constant", "paced": "at-a-rate", "single": "one", "burst": "at-once"}


@contextmanager
def running(folder: Path, constant: int, streams: int) -> Iterator[System]:
    """One worker on core 0, its ledger process with it. constant, streams: ports of the upstreams."""
    port, config, program = nginx.free_port(), folder / "tsuji.toml", str(Path(sys.executable).parent / "tsuji")
    text = CONFIG.format(port=port, folder=f'"{folder / "ledger"}"', constant=constant, streams=streams)
    config.write_text(text + "".join([ROUTE.format(name=name, target=target) for name, target in ROUTES.items()]))
    env = clean_environment()
    made = subprocess.run(
        [program, "keys", "create", "bench", "--config", str(config)], capture_output=True, text=True, env=env
    )
    if made.returncode:
        raise RuntimeError(f"no key was made: {made.stderr[-200:]}")
    key = {"authorization": f"Bearer {made.stdout.split()[-1]}"}
    command, silent = [program, "serve", "--config", str(config)], subprocess.DEVNULL
    with nginx.running(command, port, 0, stdout=silent, stderr=silent, env=env) as process:
        yield System(NAME, port, "chat", ON, key, process.pid)


@contextmanager
def fresh(constant: int, streams: int) -> Iterator[System]:
    """The same, just started, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), constant, streams) as system:
        yield system


def recorded(folder: Path) -> tuple[int, int]:
    """Records in a stopped worker's ledger, and those of them with a cost."""
    database = next((folder / "ledger").glob("*.db"))
    with sqlite3.connect(database) as connection:
        return connection.execute("select count(*), count(cost) from usage").fetchone()
