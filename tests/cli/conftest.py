"""The `tsuji` command as a process, with a home of its own and none of this machine's keys."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.fixtures import home
from tests.scripted import Scripted
from tsuji import catalog

TSUJI = str(Path(sys.executable).parent / "tsuji")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    rows = [catalog.provider(id) for id in catalog.provider_ids()]
    keys = {name for row in rows for name in (*row.env, row.base_url_env)}
    kept = {name: value for name, value in os.environ.items() if name not in keys}
    own = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "TSUJI_HOME": str(home()),
        "NO_COLOR": "1",
        "TERM": "xterm",
        "PYTHONWARNINGS": "error",
    }
    return {**kept, **own}


@pytest.fixture
def tsuji(tmp_path: Path, environment: dict[str, str]) -> Run:
    """Runs the command in an empty folder: `tsuji("config", "check", input="...", env={...})`."""

    def run(*arguments: str, input: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TSUJI, *arguments],
            input=input,
            env={**environment, **(env or {})},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def configure(folder: Path, server: Scripted) -> Path:
    """A configuration with one provider, "mock", and a route to it."""
    file = folder / "tsuji.toml"
    file.write_text(
        f'[providers.mock]\ndialect = "openai"\nbase_url = "{server.url}/v1"\n'
        'quirks = { reasoning_field = "reasoning_content" }\n'
        '[routes.fast]\ntargets = ["mock:quick", "mock:slow"]\n'
        '[ledger]\nfolder = "ledger"\n'
    )
    return file
