"""`tsuji admin` and `tsuji serve --admin` as processes, beside the commands and a gateway."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from tests import answers
from tests.cli.conftest import TSUJI, Run, configure, environment, tsuji
from tests.gateway import asking
from tests.gateway.serving import Client, request
from tests.scripted import Scripted
from tsuji.config import AdminConfig, Config, Secret, load_config
from tsuji.control import serve
from tsuji.control.door import Door
from tsuji.core.errors import ConfigError

__all__ = ["environment", "tsuji"]


@pytest.fixture
def file(tmp_path: Path, scripted: Callable[..., Scripted]) -> Path:
    file = configure(tmp_path, scripted(answers.chat("openai")))
    file.write_text(file.read_text() + "[admin]\nport = 0\n[server]\nport = 0\n")
    return file


class Started:
    """lines: of standard error, up to the one that has been waited for."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines = ""

    def until(self, pattern: str) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines += line
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError(self.lines)


@contextmanager
def started(file: Path, environment: dict[str, str], *arguments: str) -> Iterator[Started]:
    command = [TSUJI, *arguments]
    with subprocess.Popen(command, cwd=file.parent, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Started(process)
        finally:
            process.kill()


def client(url: str, folder: Path) -> httpx.Client:
    token = (folder / "ledger" / "admin.token").read_text().strip()
    return httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60)


def test_the_command_and_the_api_are_two_faces_of_one_ledger(
    file: Path, environment: dict[str, str], tsuji: Run
) -> None:
    folder = file.parent
    with started(file, environment, "admin") as admin:
        url = admin.until(r"listens on (http://127\.0\.0\.1:\d+)")
        token = folder / "ledger" / "admin.token"
        assert admin.until(r"Its token is the file (.*)\.") == str(token)
        assert token.stat().st_mode & 0o777 == 0o600
        assert token.read_text().strip() not in admin.lines
        with client(url, folder) as api:
            made = api.post("/keys", json={"name": "of the api", "tags": ["t"]}).json()
            (listed,) = json.loads(tsuji("keys", "list", "--json").stdout)
            assert (listed["id"], listed["tags"]) == (made["id"], ["t"])
            assert tsuji("keys", "rotate", "of the api").returncode == 0
            assert tsuji("keys", "revoke", made["id"]).returncode == 0
            assert api.get(f"/keys/{made['id']}").json()["state"] == "revoked"
            changes = api.get("/audit").json()["items"]
            assert [(one["action"], one["who"][:6]) for one in changes] == [
                ("key.revoke", "cli"),
                ("key.rotate", "cli"),
                ("key.create", "token_"),
            ]
        admin.process.terminate()
        assert admin.process.wait(30) == 0


def test_it_can_be_interrupted(file: Path, environment: dict[str, str]) -> None:
    with started(file, environment, "admin") as admin:
        admin.until(r"listens on (http)")
        admin.process.send_signal(signal.SIGINT)
        assert admin.process.wait(30) == 0


def test_a_key_of_the_api_opens_a_gateway_until_it_is_revoked(file: Path, environment: dict[str, str]) -> None:
    with started(file, environment, "serve", "--admin") as gateway:
        url = gateway.until(r"The admin API listens on (http://127\.0\.0\.1:\d+)")
        port = int(gateway.until(r"Tsuji .* listens on http://127\.0\.0\.1:(\d+)"))
        with client(url, file.parent) as api:
            made = api.post("/keys", json={"name": "ci", "scopes": {"models": ["fast"]}}).json()
            ask(port, "tsuji-wrong", until=401)  # until it knows that there are keys
            answer = ask(port, made["key"], until=200)
            record = until_found(lambda: api.get(f"/records/{answer.headers['x-tsuji-request-id']}"))
            assert (record["key_id"], record["route"], record["attempts"][0]["target"]) == (
                made["id"],
                "fast",
                "mock:quick",
            )
            (total,) = api.get("/usage", params={"by": "key", "key_id": made["id"]}).json()["items"]
            assert (total["name"], total["requests"]) == (f"{made['id']} ci", 1)
            assert api.post(f"/keys/{made['id']}/revoke").status_code == 200
            ask(port, made["key"], until=401)
        gateway.process.terminate()
        assert gateway.process.wait(60) == 0
        assert is_gone(url)


def test_it_ends_with_a_gateway_that_is_killed(file: Path, environment: dict[str, str]) -> None:
    with started(file, environment, "serve", "--admin") as gateway:
        url = gateway.until(r"The admin API listens on (http://127\.0\.0\.1:\d+)")
        gateway.until(r"(Tsuji) .* listens on")
        os.kill(gateway.process.pid, signal.SIGKILL)
        gateway.process.wait(30)
        assert is_gone(url)


def ask(port: int, key: str, until: int) -> Any:
    """Asks until the status is that: keys are everywhere within a second."""
    deadline = time.monotonic() + 20
    while True:
        with Client(port) as client:
            client.send(request(*asking.chat("openai", model="fast"), {"Authorization": f"Bearer {key}"}))
            answer = client.read()
        if answer.status == until:
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def until_found(look: Callable[[], httpx.Response]) -> Any:
    deadline = time.monotonic() + 20
    while (found := look()).status_code == 404:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found.json()


def is_gone(url: str) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), 5).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('host = "0.0.0.0"', "refuses to listen on 0.0.0.0 without a token of yours"),
        ('token = "canary"', "shorter than 16 characters"),
        ('token = "env:NO_SUCH_VARIABLE"', "NO_SUCH_VARIABLE, which is not there"),
        ('host = "no.such.host.invalid"\ntoken = "canary-admin-token"', "cannot listen on no.such.host.invalid"),
    ],
)
def test_what_it_does_not_start_with(lines: str, said: str, file: Path) -> None:
    file.write_text(file.read_text().replace("[admin]\nport = 0", f"[admin]\n{lines}"))
    with pytest.raises(ConfigError) as caught:
        serve(load_config(file), file)
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


def test_where_it_cannot_start_the_gateway_does_not(file: Path, tsuji: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file.write_text(file.read_text().replace("[admin]\nport = 0", f"[admin]\nport = {port}"))
        ran = tsuji("serve", "--admin")
    assert ran.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another admin.port" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_beyond_loopback_it_wants_a_token_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r"without a token of yours; set admin\.token"):
        serve(Config(admin=AdminConfig(host="192.0.2.1")))


def test_beyond_loopback_names_are_checked_where_some_are_given() -> None:
    headers = Headers({"host": "admin.example", "authorization": "Bearer x"})
    token = Secret("x")
    named = AdminConfig("0.0.0.0", token=token, allowed_hosts=("other.example",))
    assert Door(AdminConfig("0.0.0.0", token=token), b"x", "").refuse(headers, open=False) is None
    refusal = Door(named, b"x", "").refuse(headers, open=False)
    assert refusal is not None
    assert refusal.status == 403


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_what_is_not_installed_is_said(missing: str) -> None:
    code = f"import sys; sys.modules['{missing}'] = None\nfrom tsuji.control import serve\nserve(None)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'tsuji[admin]'" in ran.stderr.splitlines()[-1]


def test_the_commands_load_no_framework_until_they_need_one() -> None:
    asked = "[m for m in ('starlette', 'uvicorn') if m in sys.modules]"
    code = f"import sys, tsuji.cli.app, tsuji.gateway.gateway; print({asked})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
