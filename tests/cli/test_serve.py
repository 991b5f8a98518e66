"""`tsuji serve --ask`: the first thing a new user sees."""

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import answers
from tests.cli.conftest import TSUJI, Run, configure
from tests.ledger.workers import processes
from tests.scripted import Scripted


def test_it_asks_itself_and_says_what_happened(tsuji: Run, tmp_path: Path, scripted: Callable[..., Scripted]) -> None:
    server = scripted([answers.error("openai", 503), answers.stream("openai", ["To", "kyo."], prompt=20, output=4)])
    configure(tmp_path, server)
    ran = tsuji("serve", "--ask", "Capital of Japan?", "-m", "fast", "--once", "--port", "0")
    assert ran.returncode == 0, ran.stderr
    assert "> Capital of Japan?\nTokyo.\n" in ran.stdout
    assert "target mock:slow · attempts 2 · 20 tokens in, 4 out · first token after 0." in ran.stdout
    assert re.search(r"cost +unknown", ran.stdout)
    assert re.search(r"curl http://127\.0\.0\.1:\d+/v1/chat/completions ", ran.stdout)
    assert "from tsuji import completion\nr = completion(" in ran.stdout
    assert re.search(r"Tsuji .* listens on http://127\.0\.0\.1:\d+\nNo keys are configured", ran.stderr)
    assert [request.json()["model"] for request in server.requests] == ["quick", "slow"]


def test_with_keys_it_presents_one(tsuji: Run, tmp_path: Path, scripted: Callable[..., Scripted]) -> None:
    file = configure(tmp_path, scripted(answers.stream("openai")))
    file.write_text(file.read_text() + '[server]\nkeys = ["sk-canary"]\n')
    ran = tsuji("serve", "--ask", "hi", "-m", "mock:m", "--once", "--port", "0")
    assert ran.returncode == 0, ran.stderr
    assert "Hello" in ran.stdout
    assert "authorization: Bearer YOUR_KEY" in ran.stdout
    assert "canary" not in ran.stdout + ran.stderr


def test_without_an_answer_it_fails(tsuji: Run, tmp_path: Path, scripted: Callable[..., Scripted]) -> None:
    configure(tmp_path, scripted(answers.error("openai", 400, "not [/like] [that]")))
    ran = tsuji("serve", "--ask", "what is [/b]?", "-m", "mock:m", "--once", "--port", "0")
    assert ran.returncode == 1
    assert "> what is [/b]?" in ran.stdout
    assert "No answer: " in ran.stdout
    assert "not [/like] [that]" in ran.stdout  # words of others are no markup
    assert "Traceback" not in ran.stdout + ran.stderr


def test_without_once_it_keeps_serving_until_interrupted(
    tmp_path: Path, environment: dict[str, str], scripted: Callable[..., Scripted]
) -> None:
    configure(tmp_path, scripted(answers.stream("openai")))
    command = [TSUJI, "serve", "--ask", "hi", "-m", "mock:m", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C stops it" in line:
                break
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_with_workers_its_process_becomes_their_parent(
    tmp_path: Path, environment: dict[str, str], scripted: Callable[..., Scripted]
) -> None:
    file = configure(tmp_path, scripted(answers.stream("openai")))
    file.write_text(file.read_text() + "enabled = false\n")
    command = [TSUJI, "serve", "--workers", "2", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert re.match(r"Tsuji .* listens on http://127\.0\.0\.1:\d+\n", process.stderr.readline())
        assert process.stderr.readline().startswith("No keys are configured")
        assert process.stderr.readline() == "Routes: fast\n"
        loaded = Path(f"/proc/{process.pid}/maps").read_text()
        assert not [name for name in ("uvloop", "httptools", "_ssl", "_sqlite3") if name in loaded]
        workers = [number for number, (parent, _) in processes().items() if parent == process.pid]
        assert len(workers) == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


def test_workers_are_counted_from_one(tsuji: Run, tmp_path: Path) -> None:
    assert tsuji("serve", "--workers", "0").returncode == 2
    (tmp_path / "tsuji.toml").write_text("[server]\nworkers = 0\n")
    ran = tsuji("serve")
    assert (ran.returncode, "line 2: server.workers: " in ran.stderr) == (2, True)
    (tmp_path / "tsuji.toml").write_text("[server]\nworkers = 1\nsecret = 'short'\n")
    ran = tsuji("serve", "--port", "0")
    assert (ran.returncode, "shorter than 16 characters" in ran.stderr) == (2, True)


@pytest.mark.usefixtures("local_engine")  # fetches the model, or skips and says why
def test_the_local_model_answers_with_no_key(tsuji: Run) -> None:
    ran = tsuji("serve", "--ask", "What is the capital of Japan?", "--once", "--port", "0")
    assert ran.returncode == 0, ran.stderr
    assert "Tokyo" in ran.stdout
    assert "target local:default · attempts 1" in ran.stdout
    assert "$0: it ran on this machine" in ran.stdout


@pytest.mark.usefixtures("local_engine")
def test_the_local_model_chats(tsuji: Run) -> None:
    ran = tsuji("chat", "What is the capital of France?")
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.split()) > 1
