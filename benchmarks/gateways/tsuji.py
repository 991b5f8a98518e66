"""Tsuji as people run it: a virtual key, a route with a price, and the ledger, in a folder that is deleted after."""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from .. import nginx
from .system import System
from .world import clean_environment

COMPILED = Path(".compiled").absolute()
START_SECONDS = 60
PROGRAM = str(Path(sys.executable).parent / "tsuji")


@dataclass(frozen=True)
class Kind:
    """A way to run it. governed: with a ledger, a virtual key and limits. server: lines of its configuration.

    compiled: as `make compiled` made it.
    """

    name: str
    on: str
    governed: bool = True
    server: str = ""
    compiled: bool = False


OWNERS = ("--user", "ann", "--team", "core")
KEY_LIMITS = ("--budget", "100000/month", "--rpm", "100000000", "--tpm", "100000000000", "--concurrent", "10000")
STACKED = (("--team", "core"), ())
"""Whose budget there is beside the key's: its team's, and the whole gateway's."""
KEYED = "virtual key of the ledger checked"
LIMITED = "budgets of the key, its team and the gateway, the key's limits on requests, tokens and concurrency"
RECORDED = "model rewritten, usage and cost of each request recorded (SQLite)"
CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
{server}
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
_LOG = 'access_log = "{folder}/access.log"'
ROUTES = {"chat": "constant", "paced": "at-a-rate", "single": "one", "burst": "at-once"}


def kinds() -> list[Kind]:
    """Everything on, compiled where that is made; the same as Python alone, and with an access log; nothing on."""
    limits = [LIMITED] if has("--budget", "keys", "create") else []
    observed = "access_log" in output("config", "schema")
    on = ", ".join([KEYED, *limits, RECORDED, *(["metrics"] if observed else [])])
    compiled = (COMPILED / ".ready").exists()
    whole = Kind(
        "Tsuji", f"{on}; request path compiled by mypyc (`make compiled`)" if compiled else on, compiled=compiled
    )
    plain = Kind("Tsuji, pure Python", f"the same, nothing compiled: {on}")
    logged = replace(
        whole, name="Tsuji, access log", on=f"as Tsuji, and an access log (JSON, a file): {on}", server=_LOG
    )
    bare = "model rewritten; no key checked, no limits, nothing recorded"
    unobserved = 'metrics = "off"' if observed else ""
    return [
        whole,
        *([plain] if compiled else []),
        *([logged] if observed else []),
        replace(whole, name="Tsuji, open", on=bare, governed=False, server=unobserved),
    ]


@contextmanager
def running(
    folder: Path, constant: int, streams: int, kind: Kind, *, core: int | None = 0, workers: int | None = None
) -> Iterator[System]:
    """Its workers on that core, its ledger process with them. constant, streams: ports of the upstreams."""
    port, config, home = nginx.free_port(), folder / "tsuji.toml", folder / "ledger"
    server = kind.server.format(folder=folder)
    text = CONFIG.format(port=port, constant=constant, streams=streams, server=server)
    routes = "".join([ROUTE.format(name=name, target=target) for name, target in ROUTES.items()])
    ledger = f'folder = "{home}"' if kind.governed else "enabled = false"
    config.write_text(f"{text}{routes}[ledger]\n{ledger}\n")
    headers = {"authorization": f"Bearer {_governed(config)}"} if kind.governed else {}
    many = [] if workers is None else ["--workers", str(workers)]
    command = [PROGRAM, "serve", "--config", str(config), *many]
    env = clean_environment(**({"PYTHONPATH": str(COMPILED)} if kind.compiled else {}))
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": env}
    with nginx.running(command, port, core, seconds=START_SECONDS, **options) as process:
        yield System(kind.name, port, "chat", kind.on, headers, process.pid)


def _governed(config: Path) -> str:
    """A virtual key, with its limits and those above it, all so wide that none is ever reached."""
    if not has("--budget", "keys", "create"):
        return make_key(config, *OWNERS)
    for subject in STACKED:
        output("budgets", "set", *subject, "--budget", "1000000/month", "--config", str(config))
    return make_key(config, *OWNERS, *KEY_LIMITS)


def make_key(config: Path, *options: str) -> str:
    return output("keys", "create", "bench", *options, "--config", str(config)).split()[-1]


@contextmanager
def fresh(constant: int, streams: int, **options: int | None) -> Iterator[System]:
    """With everything on, just started, in a folder of its own. options: of `running`."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), constant, streams, kinds()[0], **options) as system,
    ):
        yield system


@cache
def has(option: str, *command: str) -> bool:
    """Whether this version's command takes it."""
    return option in output(*command, "--help")


def output(*arguments: str) -> str:
    """Raises RuntimeError unless the command succeeds."""
    env = clean_environment(COLUMNS="200", NO_COLOR="1")
    ran = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=env)
    if ran.returncode:
        raise RuntimeError(f"tsuji {' '.join(arguments)}: {ran.stderr[-200:]}")
    return ran.stdout


def recorded(folder: Path) -> tuple[int, int]:
    """Records in a stopped worker's ledger, and those of them with a cost."""
    database = next((folder / "ledger").glob("*.db"))
    with sqlite3.connect(database) as connection:
        return connection.execute("select count(*), count(cost) from usage").fetchone()
