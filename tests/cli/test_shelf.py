"""`tsuji pull, list, show, create, cp, rm, prune` on one model of a hub."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import TSUJI
from tests.engine.fileserver import file_server
from tests.engine.ggufs import gguf
from tests.engine.hubs import publish
from tsuji.cli.app import app
from tsuji.cli.parent import exit_code
from tsuji.core.errors import TsujiError
from tsuji.engine.local import LocalEngine

TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}: {% endif %}"
)
MODEL = gguf(
    {"general.architecture": "llama", "llama.context_length": 512, "tokenizer.chat_template": TEMPLATE},
    [("w", [64, 4096])],
)


Shelf = Callable[..., tuple[str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Runs a command in this process, over a store of its own: standard output and error."""
    own = LocalEngine(home=tmp_path / "own")
    monkeypatch.setattr("tsuji.engine.local.engine", lambda: own)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> tuple[str, str]:
        ran = CliRunner().invoke(app, arguments)
        if isinstance(ran.exception, TsujiError):
            assert exit_code(ran.exception) == code, ran.exception
            return ran.stdout, str(ran.exception)
        assert ran.exit_code == code, ran.output
        return ran.stdout, ran.stderr

    yield run
    own.close()


def test_a_model_from_the_hub_to_the_bin(run: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with file_server() as server:
        publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        assert "local:M-Q4_K_M is here" in run("pull", "hf:owner/M-GGUF:Q4_K_M")[0]
        assert "choose among Q4_K_M" in run("pull", "hf:owner/M-GGUF:Q8_0", code=2)[1]
        assert "status 404" in run("pull", "hf:owner/none", code=1)[1]
    (tmp_path / "Modelfile").write_text("FROM M-Q4_K_M\nSYSTEM Be brief.\nPARAMETER num_gpu 3\n")
    stdout, stderr = run("create", "brief", "-f", "Modelfile")
    assert "local:brief is here" in stdout and "num_gpu is not used here" in stderr
    assert "a preset brief already" in run("create", "brief", "-f", "Modelfile", code=2)[1]
    run("create", "brief", "-f", "Modelfile", "--force")
    run("cp", "brief:nothink", "quick")
    listed = {row["name"]: row for row in json.loads(run("list", "--json")[0])}
    assert [listed[name]["from"] for name in ("default", "M-Q4_K_M", "brief", "quick")] == [
        "built in",
        "store",
        "preset",
        "preset",
    ]
    assert "M-Q4_K_M" in run("list")[0]
    shown = json.loads(run("show", "quick", "--json")[0])
    assert (shown["architecture"], shown["context"], shown["thinking"], shown["system"]) == (
        "llama",
        512,
        "none",
        "Be brief.",
    )
    assert "Be brief." in run("show", "brief")[0] and 'base = "M-Q4_K_M"' in run("show", "brief", "--preset")[0]
    if find_spec("jinja2") is None:
        assert "pip install 'tsuji[local]'" in run("show", "brief", "--template", code=1)[1]
    else:
        stdout, stderr = run("show", "brief", "--template")
        assert TEMPLATE in stdout and "note: knows no tools" in stderr
    assert "rests on M-Q4_K_M" in run("rm", "M-Q4_K_M", code=2)[1]
    run("rm", "quick", "brief", "M-Q4_K_M")
    assert "nothing to remove" in run("prune")[0]
    assert "no local model 'brief'" in run("show", "brief", code=2)[1]


def test_an_interrupted_pull_says_that_it_goes_on_later_and_does(environment: dict[str, str], tmp_path: Path) -> None:
    with file_server() as server:
        publish(server, "owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})
        storage = next(path for path in server.files if path.startswith("/storage/"))
        server.held = {storage}
        env = {**environment, "TSUJI_HOME": str(tmp_path / "own"), "HF_ENDPOINT": server.url}
        command = [TSUJI, "pull", "hf:owner/M-GGUF"]
        first = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
        part = tmp_path / "own/models/.unfinished/M-Q4_K_M.gguf"
        try:
            while not part.exists() or not part.stat().st_size:
                assert first.poll() is None
                time.sleep(0.02)
            first.send_signal(signal.SIGINT)
            _, said = first.communicate(timeout=60)
        finally:
            first.kill()
        assert first.returncode == 130 and "what has arrived is kept" in said
        server.gate.set()
        subprocess.run(command, env=env, check=True, capture_output=True, timeout=60)
        asked = [sent.get("range") for path, sent in server.seen if path == storage]
    assert asked[0] is None and asked[1] is not None and asked[1].startswith("bytes=")
    assert (tmp_path / "own/models/M-Q4_K_M.gguf").read_bytes() == MODEL
