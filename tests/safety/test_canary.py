"""No secret comes out anywhere: not in answers, logs, tracebacks, reprs, the ledger, the spool or what commands print.

Each secret is a canary of its own, with characters that URLs and JSON spell in other ways; all that comes out is
searched for each of them in each spelling.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Client, request
from tests.http.conftest import free_port
from tests.scripted import CUT, Reply, Request, Scripted

SECRETS = {
    "bearer": "sk-CANARY/bearer+0123456789=",
    "header": "CANARY/header+0123456789==",
    "query": "CANARY/query+0123456789&x=",
    "extra": "CANARY-extra-header-0123456789",
    "ibm": "CANARY-ibm-key-0123456789",
    "token": "CANARY-oauth-token-0123456789",
    "server": "CANARY-server-key-0123456789",
    "secret": "CANARY-server-secret-0123456789",
    "database": "CANARY-database-0123456789",
    "wrong": "tsuji-CANARYwrong0123456789",
}
CONFIG = """
[server]
port = 0
keys = ["env:SERVER_KEY"]
secret = "env:SERVER_SECRET"
[ledger]
folder = "{folder}"
{ledger}
[providers.bearer]
dialect = "openai"
base_url = "{url}/v1"
api_key = "env:BEARER_KEY"
headers = {{ "x-account-token" = "{extra}" }}
[providers.header]
dialect = "anthropic"
base_url = "{url}"
api_key = "file:{folder}/header.key"
auth = {{ scheme = "header", name = "x-key" }}
[providers.query]
dialect = "gemini"
base_url = "{url}"
api_key = "env:QUERY_KEY"
auth = {{ scheme = "query", name = "key" }}
[providers.token]
dialect = "openai"
base_url = "{url}/v1"
api_key = "env:IBM_KEY"
auth = {{ scheme = "ibm", token_url = "{url}/token" }}
[providers.gone]
dialect = "gemini"
base_url = "http://127.0.0.1:{closed}"
api_key = "env:QUERY_KEY"
auth = {{ scheme = "query", name = "key" }}
[providers.broken]
dialect = "openai"
base_url = "{url}/v1"
api_key = "env:BROKEN_KEY"
[routes.slow]
targets = ["bearer:slow"]
timeouts = {{ total = 0.3 }}
[routes.several]
targets = ["bearer:401", "header:500", "query:429", "token:503"]
"""
ENVIRON = {
    "SERVER_KEY": SECRETS["server"],
    "SERVER_SECRET": SECRETS["secret"],
    "BEARER_KEY": SECRETS["bearer"],
    "QUERY_KEY": SECRETS["query"],
    "IBM_KEY": SECRETS["ibm"],
    "BROKEN_KEY": SECRETS["bearer"] + "\r\n",
}
PROVIDERS = {"bearer": "openai", "header": "anthropic", "query": "gemini", "token": "openai"}
STREAMED = {"ok", "500", "text", "in200", "garbage", "cut", "event"}
TSUJI = ["-c", "import sys; from tsuji.cli import main; sys.exit(main())"]
MODELS = [
    "ok",
    "crash",
    "slow",
    "401",
    "403",
    "400",
    "404",
    "429",
    "500",
    "503",
    "302",
    "text",
    "html",
    "in200",
    "garbage",
]
MODELS += ["head", "cut", "event"]


def provider(request: Request) -> Reply:
    """Does what the model's name says, and repeats the secrets that it was shown wherever it can."""
    if request.path == "/token":
        return Reply(json.dumps({"access_token": SECRETS["token"], "expires_in": 3600}).encode())
    if request.method == "GET":  # a list of models
        return Reply(f"{request.target} {request.headers}".encode(), 401)
    asked = request.body.decode() + request.target
    dialect = "anthropic" if request.path == "/v1/messages" else "gemini" if "/v1beta/" in request.path else "openai"
    kind = next(m for m in (*MODELS, "slow") if f'"{m}"' in asked or f"/{m}:" in asked)
    shown = f"{request.target} {request.headers}"
    own = " ".join(
        [request.headers.get(n, "") for n in ("authorization", "x-key", "x-account-token")] + [request.query]
    )
    streamed = '"stream":true' in asked.replace(" ", "") or "streamGenerate" in asked
    if kind.isdigit():
        headers = {"location": f"http://127.0.0.1/?{quote(shown)}"} if kind == "302" else {}
        headers |= {"x-request-id": quote(own), "x-ratelimit-x": own}
        reply = answers.error(dialect, int(kind), shown)
        reply.headers |= headers
        return reply
    if kind == "slow":
        return Reply(before=[1.0])
    if kind in ("text", "html"):
        return Reply(shown.encode(), 500, content_type=f"text/{'plain' if kind == 'text' else 'html'}")
    if kind == "in200":
        return Reply(answers.error(dialect, 500, shown).body)
    if kind == "garbage":
        return Reply(b'{"error": "' + shown.encode() + b"\xff")
    if streamed and kind in ("cut", "event"):
        steps = list(answers.stream(dialect).body)[:2]
        failure = json.dumps({"type": "error", "error": {"message": shown, "type": "api_error", "code": 500}})
        return Reply(
            [*steps, f"event: error\ndata: {failure}\n\n".encode() if kind == "event" else CUT],
            content_type="text/event-stream",
        )
    if kind == "crash":
        return answers.chat(dialect, "crash")
    return answers.stream(dialect) if streamed else answers.chat(dialect, "hello")


def spellings(secret: str) -> set[bytes]:
    """The ways in which something could show it."""
    found = {
        secret,
        quote(secret),
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        secret.replace("/", "\\/"),
        repr(secret)[1:-1],
    }
    found |= {quote(quote(secret, safe=""), safe=""), secret[:20], secret[-14:]}
    return {text.encode() for text in found} | {b64encode(secret.encode())[:20]}


def leaks(where: str, data: bytes) -> list[str]:
    found = []
    for name, secret in SECRETS.items():
        for text in spellings(secret):
            at = data.find(text)
            if at >= 0:
                found.append(f"{name} in {where}: ...{data[max(at - 300, 0) : at + 60]!r}")
                break
    return found


class World:
    """A gateway, its provider, and all that has come out of both."""

    def __init__(self, root: Path, ledger: str) -> None:
        self.root = root
        self.out: dict[str, bytes] = {}
        self.provider = Scripted(provider)
        (root / "header.key").write_text(SECRETS["header"])
        self.file = root / "tsuji.toml"
        self.file.write_text(
            CONFIG.format(url=self.provider.url, folder=root, closed=free_port(), extra=SECRETS["extra"], ledger=ledger)
        )
        self.environ = {**os.environ, **ENVIRON, "PYTHONASYNCIODEBUG": "1", "PYTHONUNBUFFERED": "1"}
        self.virtual = self._created()
        self.log = (root / "log").open("wb")
        command = [sys.executable, "-X", "dev", "-m", "tests.safety.canary", str(self.file)]
        self.process = subprocess.Popen(command, env=self.environ, stdout=subprocess.PIPE, stderr=self.log)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (root / "log").read_text()
        self.port = int(line.rsplit(b":", 1)[1])

    def _created(self) -> str:
        done = self._run("keys", "create", "canary")
        key = re.search(rb"tsuji-[0-9A-Za-z]{43}", done.stdout)
        assert key is not None, done
        SECRETS["virtual"] = key[0].decode()
        self.out["keys create"] = (done.stdout + done.stderr).replace(key[0], b"(shown once)")
        return SECRETS["virtual"]

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, *TSUJI, *arguments]
        if arguments[0] != "config":
            command += ["--config", str(self.file)]
        return subprocess.run(command, env=self.environ, capture_output=True, timeout=60)

    def command(self, *arguments: str) -> None:
        done = self._run(*arguments)
        self.out[" ".join(arguments)] = done.stdout + done.stderr

    def ask(self, name: str, data: bytes) -> bytes:
        with Client(self.port, 20) as client:
            client.send(data.replace(b"Host:", b"Connection: close\r\nHost:", 1))
            self.out[name] = client.rest()
        return self.out[name]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=30)
        self.log.close()
        self.provider.close()
        self.out["stdout"] = rest
        for path in self.root.rglob("*"):
            if path.is_file() and path.name not in ("tsuji.toml", "header.key"):
                self.out[str(path.relative_to(self.root))] = path.read_bytes()


def _drive(world: World) -> None:
    shown = {"x-api-key": world.virtual}
    for id, dialect in PROVIDERS.items():
        for model in MODELS:
            for stream in (False, True) if model in STREAMED else (False,):
                path, body = asking.chat(dialect, f"{id}:{model}", stream=stream)
                world.ask(f"{id} {model} {stream}", request(path, body, shown))
    for client in asking.DIALECTS:
        shown = {"Authorization": "Bearer " + SECRETS["server"]}
        for model in ("bearer:401", "query:404", "several", "gone:ok", "broken:ok"):
            world.ask(f"{client} {model}", request(*asking.chat(client, model), shown))
    world.ask("slow", request(*asking.chat("openai", "slow"), shown))
    for client in asking.DIALECTS:
        path, body = asking.chat(client, "bearer:ok")
        world.ask(f"wrong key {client}", request(path, body, {"Authorization": "Bearer " + SECRETS["wrong"]}))
        world.ask(f"wrong query {client}", request(f"{path.partition('?')[0]}?key={SECRETS['wrong']}", body))
        world.ask(f"no path {client}", request(f"{path.partition('?')[0]}/nothing?key={SECRETS['wrong']}", body))
    world.ask("malformed", b"GET / HTTP/1.1\r\nx-api-key: " + SECRETS["wrong"].encode() + b"\r\n\0\r\n\r\n")
    for path in ("/", "/v1/models", "/healthz", "/readyz", "/metrics", "/v1/models/bearer:ok"):
        world.ask(path, request(path, b"", {"x-api-key": SECRETS["server"]}, "GET"))


def _clean(world: World) -> list[str]:
    return [leak for where, data in world.out.items() for leak in leaks(where, data)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, "")
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.process.wait()
            made.provider.close()


def test_no_secret_comes_out(world: World) -> None:
    _drive(world)
    for arguments in (
        ("config", "check", str(world.file)),
        ("keys", "list"),
        ("providers",),
        ("models",),
        ("usage", "--by", "key"),
    ):
        world.command(*arguments)
    end = time.monotonic() + 10
    while b"canary" not in world.out["usage --by key"] and time.monotonic() < end:
        world.command("usage", "--by", "key")
    world.stop()
    assert world.process.returncode == 0
    log = world.out["log"]
    assert log.count(b"RuntimeError") >= 4  # it has crashed, and said so
    assert b"asyncio" in log  # its debug mode has named what took long
    assert any(SECRETS["bearer"] in str(sent.headers) for sent in world.provider.requests)
    assert any(SECRETS["token"] in str(sent.headers) for sent in world.provider.requests)
    assert leaks("the file", world.file.read_bytes())  # what is looked for would be found
    assert _clean(world) == []


def test_the_databases_password_does_not_come_out(tmp_path: Path) -> None:
    """Neither where the database is down, nor where its URL is wrong."""
    down = f"postgresql+psycopg://user:{SECRETS['database']}@127.0.0.1:{free_port()}/none"
    wrong, nowhere = down.replace("postgresql+psycopg", "mysql"), down.replace("127.0.0.1", "no such host")
    file = tmp_path / "tsuji.toml"
    for ledger, command in (
        (down, "serve"),
        (down, "keys list"),
        (nowhere, "usage"),
        (wrong, "serve"),
        (wrong, "config check"),
    ):
        file.write_text(f'[server]\nport = 0\n[ledger]\nurl = "{ledger}"\nfolder = "{tmp_path}"\non_failure = "stop"\n')
        whole = [sys.executable, "-X", "dev", *TSUJI, *command.split(), "--config", str(file)]
        done = subprocess.run(whole, capture_output=True, timeout=60)
        assert done.returncode != 0
        assert done.stdout + done.stderr
        assert not leaks(command, done.stdout + done.stderr)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != tmp_path / "tsuji.toml":
            assert not leaks(path.name, path.read_bytes())


def test_the_search_finds_what_it_looks_for() -> None:
    for secret in SECRETS.values():
        for shown in (secret, quote(secret, safe=""), json.dumps({"a": secret}), repr([secret]), secret[:25]):
            assert leaks("here", b"before " + shown.encode() + b" after")
    assert not leaks("here", b"nothing of the kind")
