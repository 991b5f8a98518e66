"""Every command but the prompt: what it prints, and its exit code."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import answers
from tests.cli.conftest import TSUJI, Run, configure
from tests.scripted import CUT, Reply, Scripted
from tsuji import __version__, catalog
from tsuji.cli.app import app
from tsuji.config import config_schema

Serve = Callable[..., Scripted]


def test_version(tsuji: Run) -> None:
    assert tsuji("--version").stdout == f"tsuji {__version__}\n"
    listed = tsuji("version").stdout
    assert f"tsuji         {__version__}\n" in listed
    assert "msgspec       0." in listed


def test_help_names_every_command() -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["--help"])
    assert shown.exit_code == 0
    for command in ("serve", "chat", "providers", "models", "config", "version"):
        assert command in shown.stdout
        assert runner.invoke(app, [command, "--help"]).exit_code == 0


def test_a_misspelt_command_or_option_is_a_usage_error(tsuji: Run) -> None:
    wrong = tsuji("sevre")
    assert (wrong.returncode, "Did you mean 'serve'" in wrong.stderr) == (2, True)
    assert tsuji("serve", "--once").returncode == 2
    assert tsuji("serve", "--port", "70000").returncode == 2


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['typer'] = None; sys.argv = ['tsuji', 'chat']; from tsuji.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == "tsuji: the commands need typer, which is not installed: pip install 'tsuji[cli]'\n"


def test_providers_are_listed_with_the_state_of_their_key(tsuji: Run, tmp_path: Path, scripted: Serve) -> None:
    configure(tmp_path, scripted())
    shown = tsuji("providers", env={"OPENAI_API_KEY": "sk-canary"})
    assert shown.returncode == 0
    lines = {line.split()[0]: line for line in shown.stdout.splitlines()}
    assert set(lines) == {"provider", "mock", *catalog.provider_ids()}
    assert " set " in lines["openai"]
    assert " missing " in lines["anthropic"]
    assert "ANTHROPIC_API_KEY" in lines["anthropic"]
    assert " not needed " in lines["ollama"]
    assert "canary" not in shown.stdout


def test_the_list_of_providers_fits_eighty_columns(tsuji: Run) -> None:
    shown = tsuji("providers", env={"COLUMNS": "80"})
    lines = [line.rstrip() for line in shown.stdout.splitlines()]
    assert max(len(line) for line in lines) <= 80
    assert len([line for line in lines if line.startswith("vertex ") and line.endswith("Google credentials")]) == 1


def test_one_provider_is_shown_whole_by_any_of_its_names(tsuji: Run) -> None:
    shown = tsuji("providers", "vertexai").stdout
    for said in ("vertex", "Vertex AI (Gemini)", "chat, embeddings", "project (GOOGLE_CLOUD_PROJECT), location"):
        assert said in shown
    assert "did you mean 'openai'" in tsuji("providers", "opneai").stderr


def test_providers_as_json(tsuji: Run) -> None:
    rows = {row["id"]: row for row in json.loads(tsuji("providers", "--json", env={"GOOGLE_API_KEY": "k"}).stdout)}
    assert rows["gemini"]["key"] == "set"
    assert rows["gemini"]["key_from"] == ["GEMINI_API_KEY", "GOOGLE_API_KEY"]
    assert rows["local"]["base_url"] is None
    assert rows["mistral"]["docs"].startswith("https://docs.mistral.ai")


def test_models_of_a_provider(tsuji: Run, tmp_path: Path, scripted: Serve) -> None:
    configure(tmp_path, scripted(answers.models("openai", ["quick", "slow"])))
    shown = tsuji("models", "mock")
    assert shown.returncode == 0
    assert [line.strip() for line in shown.stdout.splitlines()] == ["mock", "mock:quick", "mock:slow"]


def test_all_models_and_a_provider_that_fails(tsuji: Run, tmp_path: Path, scripted: Serve) -> None:
    file = configure(tmp_path, scripted(answers.models("openai", ["quick"])))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
    file.write_text(file.read_text() + f'[providers.dead]\ndialect = "openai"\nbase_url = "{dead}"\n')
    shown = tsuji("models")
    assert shown.returncode == 0
    assert "local:default" in shown.stdout
    assert "mock:quick -> mock:slow" in shown.stdout
    assert "mock:quick" in shown.stdout
    assert shown.stderr.startswith("dead: ")
    assert "refused the connection" in shown.stderr
    sections = {section["title"]: section for section in json.loads(tsuji("models", "--json").stdout)}
    assert list(sections) == ["local", "routes", "dead", "mock"]
    assert "error" in sections["dead"]
    assert tsuji("models", "dead").returncode == 1
    unknown = tsuji("models", "opnai")
    assert (unknown.returncode, "did you mean 'openai'" in unknown.stderr) == (2, True)


def test_config_check_and_path(tsuji: Run, tmp_path: Path) -> None:
    none = tsuji("config", "check")
    assert (none.returncode, none.stdout.startswith("No configuration file")) == (0, True)
    assert tsuji("config", "path").returncode == 1
    file = tmp_path / "tsuji.toml"
    file.write_text('[server]\nprot = 1\n[providers.openai]\napi_key = "env:NOT_SET_HERE"\n')
    assert tsuji("config", "path").stdout == f"{file}\n"
    broken = tsuji("config", "check")
    assert broken.returncode == 2
    assert broken.stdout.splitlines() == [
        "tsuji.toml:2: error server.prot: unknown key; did you mean 'port'?",
        "tsuji.toml:4: warning providers.openai.api_key: the environment variable NOT_SET_HERE is not there or is "
        "empty, here and now",
        "tsuji.toml: 1 mistake; it is not used as it is.",
    ]
    file.write_text('[providers.openai]\napi_key = "env:NOT_SET_HERE"\n')
    checked = tsuji("config", "check", str(file))
    assert checked.returncode == 0
    assert "warning providers.openai.api_key: the environment variable NOT_SET_HERE is not there" in checked.stdout
    assert checked.stdout.endswith(f"{file}: no mistakes.\n")


def test_config_schema(tsuji: Run) -> None:
    assert json.loads(tsuji("config", "schema").stdout) == json.loads(json.dumps(config_schema()))


@pytest.mark.parametrize("command", [["serve"], ["chat", "hi"], ["providers"], ["models"]])
def test_a_broken_configuration_stops_every_command_with_its_line(
    tsuji: Run, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "tsuji.toml").write_text("[server]\nport = 'x'\n")
    ran = tsuji(*command)
    assert ran.returncode == 2
    assert ran.stderr == "tsuji: tsuji.toml has 1 mistake\n  line 2: server.port: must be a whole number, not text\n"


def test_a_taken_port_is_said_with_the_way_out(tsuji: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = tsuji("serve", "--port", str(taken.getsockname()[1]))
    assert ran.returncode == 2
    assert "cannot listen on 127.0.0.1" in ran.stderr
    assert "--port NUMBER" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_other_addresses_than_loopback_want_keys(tsuji: Run) -> None:
    ran = tsuji("serve", "--host", "0.0.0.0", "--port", "0")
    assert ran.returncode == 2
    assert "without keys" in ran.stderr


def test_one_question(tsuji: Run, tmp_path: Path, scripted: Serve) -> None:
    server = scripted([answers.stream("openai", ["Hel", "lo [b]!"], thinking="hm")] * 2)
    configure(tmp_path, server)
    ran = tsuji("chat", "-m", "mock:m", "-s", "Be brief.", "say", "hello")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "Hello [b]!\n", "")
    assert server.last.json()["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "say hello"},
    ]
    tsuji("chat", "-m", "mock:m", "review this:", input="a = 1\n")
    assert server.last.json()["messages"] == [{"role": "user", "content": "review this:\n\na = 1"}]


def test_a_pipe_alone_is_a_question_and_nothing_is_none(tsuji: Run, tmp_path: Path, scripted: Serve) -> None:
    server = scripted(answers.stream("openai"))
    configure(tmp_path, server)
    assert tsuji("chat", "-m", "mock:m", input="what?\n").stdout == "Hello\n"
    assert server.last.json()["messages"] == [{"role": "user", "content": "what?"}]
    silent = tsuji("chat", "-m", "mock:m")
    assert (silent.returncode, "there is no question" in silent.stderr) == (2, True)


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(
    environment: dict[str, str], tmp_path: Path, scripted: Serve
) -> None:
    server = scripted([answers.stream("openai")] * 2)
    configure(tmp_path, server)
    code = "from tsuji.cli import chat, main; chat._PIPE_WAIT = 0.05; main()"
    command = [sys.executable, "-c", code, "chat", "-m", "mock:m", "hi"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, env=environment, cwd=tmp_path, text=True) as ran:
        assert ran.wait(60) == 0
        assert ran.stdout.read() == "Hello\n"
        assert "nothing came on standard input" in ran.stderr.read()
    with subprocess.Popen([*command, "-"], stdin=-1, stdout=-1, env=environment, cwd=tmp_path, text=True) as ran:
        ran.stdin.write("late")
        assert ran.communicate()[0] == "Hello\n"
    assert [r.json()["messages"][0]["content"] for r in server.requests] == ["hi", "hi\n\nlate"]


def test_standard_input_may_be_closed_or_no_text(environment: dict[str, str], tmp_path: Path, scripted: Serve) -> None:
    server = scripted([answers.stream("openai")] * 2)
    configure(tmp_path, server)
    closed = f'"{TSUJI}" chat -m mock:m hi <&-'
    assert subprocess.check_output(["sh", "-c", closed], env=environment, cwd=tmp_path) == b"Hello\n"
    command = [TSUJI, "chat", "-m", "mock:m"]
    assert subprocess.check_output(command, input=b"caf\xe9", env=environment, cwd=tmp_path) == b"Hello\n"
    assert server.last.json()["messages"] == [{"role": "user", "content": "caf\ufffd"}]


def test_a_failed_answer_is_told_on_standard_error(tsuji: Run, tmp_path: Path, scripted: Serve) -> None:
    whole = answers.stream("openai", ["Hel", "lo"])
    assert isinstance(whole.body, list)
    cut = Reply([*whole.body[:2], CUT], content_type=whole.content_type)
    configure(tmp_path, scripted([answers.error("openai", 400, "no such thing"), cut]))
    refused = tsuji("chat", "-m", "mock:m", "hi")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "[mock:m]" in refused.stderr
    assert "no such thing" in refused.stderr
    broken = tsuji("chat", "-m", "mock:m", "hi")
    assert broken.returncode == 1
    assert broken.stdout == "Hel\n"
    assert "Traceback" not in broken.stderr


def test_a_missing_key_is_told_before_anything_is_sent(tsuji: Run) -> None:
    ran = tsuji("chat", "-m", "openai:gpt-5-mini", "hi")
    assert ran.returncode == 2
    assert "set OPENAI_API_KEY" in ran.stderr
