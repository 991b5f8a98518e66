"""Tsuji as people run it: a virtual key, a route with a price, and the ledger, in a folder that is deleted after."""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .. import nginx
from .system import System
from .world import clean_environment

PROGRAM = str(Path(sys.executable).parent / "tsuji")


@dataclass(frozen=True)
class Kind:
    """A way to run it. key: options of the virtual key; None: no key, and no ledger. lines: of the configuration."""

    name: str
    on: str
    key: tuple[str, ...] | None = ()
    lines: str = ""


ALL_ON = Kind(
    "Tsuji", "virtual key of the ledger checked, model rewritten, usage and cost of each request recorded (SQLite)"
)
OPEN = Kind("Tsuji, open", "model rewritten; no key checked and nothing recorded", None, "[ledger]\nenabled = false\n")
KINDS = (ALL_ON, OPEN)
CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
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
def running(
    folder: Path, constant: int, streams: int, kind: Kind = ALL_ON, *, core: int | None = 0, workers: int | None = None
) -> Iterator[System]:
    """Its workers on that core, its ledger process with them. constant, streams: ports of the upstreams."""
    port, config, home = nginx.free_port(), folder / "tsuji.toml", folder / "ledger"
    text = CONFIG.format(port=port, constant=constant, streams=streams)
    routes = "".join([ROUTE.format(name=name, target=target) for name, target in ROUTES.items()])
    config.write_text(text + routes + (kind.lines or f'[ledger]\nfolder = "{home}"\n'))
    env = clean_environment()
    headers = {"authorization": f"Bearer {make_key(config, kind.key, env)}"} if kind.key is not None else {}
    many = [] if workers is None else ["--workers", str(workers)]
    command, silent = [PROGRAM, "serve", "--config", str(config), *many], subprocess.DEVNULL
    with nginx.running(command, port, core, stdout=silent, stderr=silent, env=env) as process:
        yield System(kind.name, port, "chat", kind.on, headers, process.pid)


def make_key(config: Path, options: tuple[str, ...], env: dict[str, str]) -> str:
    command = [PROGRAM, "keys", "create", "bench", *options, "--config", str(config)]
    made = subprocess.run(command, capture_output=True, text=True, env=env)
    if made.returncode:
        raise RuntimeError(f"no key was made: {made.stderr[-200:]}")
    return made.stdout.split()[-1]


@contextmanager
def fresh(constant: int, streams: int, **options: int | None) -> Iterator[System]:
    """With everything on, just started, in a folder of its own. options: of `running`."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), constant, streams, ALL_ON, **options) as system,
    ):
        yield system


@cache
def has(option: str, *command: str) -> bool:
    """Whether this version's command takes it."""
    env = clean_environment(COLUMNS="200", NO_COLOR="1")
    return option in subprocess.run([PROGRAM, *command, "--help"], capture_output=True, text=True, env=env).stdout


def recorded(folder: Path) -> tuple[int, int]:
    """Records in a stopped worker's ledger, and those of them with a cost."""
    database = next((folder / "ledger").glob("*.db"))
    with sqlite3.connect(database) as connection:
        return connection.execute("select count(*), count(cost) from usage").fetchone()
