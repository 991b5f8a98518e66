"""What a client may send to use up the gateway, or to be let in as another: refused, while others are served."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Client, Serving, config, start
from tests.scripted import Scripted
from tsuji.config import Server
from tsuji.core.errors import PermissionDeniedError
from tsuji.gateway.admit import check_fields
from tsuji.gateway.endpoints import TABLE
from tsuji.ledger.grant import Grant
from tsuji.ledger.keys import Key, Scopes

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
ASKED = [
    endpoint.path.decode() + ("" if endpoint.suffix is None else "up:m" + endpoint.suffix.decode())
    for endpoint in TABLE
    if endpoint.method == b"POST"
]


@pytest.fixture(scope="module", params=["openai", "anthropic", "gemini"])
def gateway(request: pytest.FixtureRequest) -> Iterator[tuple[Serving, Scripted]]:
    """In front of one dialect: requests in it are passed on, others are translated."""
    with Scripted(answers.chat(request.param)) as provider:
        serving = start(config({"up": (request.param, provider.url)}, drop_params=True))
        yield serving, provider
        serving.stop()


# Bodies.

_DEEP = 1_000_000
_ALL = (
    b'{"model":"up:m","name":"up:m","max_tokens":5,"messages":[{"role":"user","content":"x"}],"input":"x","prompt":"x",'
    b'"texts":["x"],"input_type":"search_query","contents":[{"parts":[{"text":"x"}]}],"content":{"parts":[]},"metadata":'
)
DEEP = {
    "brackets that do not end": b"[" * _DEEP,
    "lists": b"[" * _DEEP + b"]" * _DEEP,
    "a field": _ALL + b'{"a":' * _DEEP + b"1" + b"}" * _DEEP + b"}",
    "content": b'{"model":"up:m","messages":[{"role":"user","content":' + b"[" * _DEEP + b"]" * _DEEP + b"}]}",
}


@pytest.mark.parametrize("path", ASKED)
def test_a_million_brackets_are_refused_everywhere(path: str, gateway: tuple[Serving, Scripted]) -> None:
    serving, provider = gateway
    before = len(provider.requests)
    for body in DEEP.values():
        answer = serving.ask(path, body)
        assert 400 <= answer.status < 500
        assert answer.headers["x-tsuji-fault"] == "caller"
        assert answer.headers["x-tsuji-error"] != "internal"
    assert len(provider.requests) == before


NUMBERS = [
    "1e999999",
    "-1e999999",
    "9" * 100_000,
    "1e-999999",
    "0." + "1" * 10_000,
    "18446744073709551616",
    "NaN",
    "-0",
]
_FIELDS = {
    "openai": ["temperature", "max_tokens", "seed", "n", "unknown"],
    "anthropic": ["temperature", "max_tokens", "top_k", "unknown"],
    "responses": ["temperature", "max_output_tokens", "unknown"],
    "cohere": ["temperature", "max_tokens", "seed", "k"],
    "gemini": ["unknown"],
    "ollama": ["keep_alive", "unknown"],
    "bedrock": ["unknown"],
}
_WITHIN = {"gemini": "generationConfig", "ollama": "options", "bedrock": "inferenceConfig"}
_NUMBER = {
    "gemini": '{"temperature":%s,"maxOutputTokens":%s}',
    "ollama": '{"temperature":%s,"num_predict":%s}',
    "bedrock": '{"temperature":%s,"maxTokens":%s}',
}


def _strict(body: bytes) -> None:
    """Raises ValueError for what is no JSON, such as Infinity."""
    json.loads(body, parse_constant=lambda name: pytest.fail(name), parse_int=str, parse_float=str)


@pytest.mark.parametrize("client", asking.DIALECTS)
def test_no_number_is_too_large(client: str, gateway: tuple[Serving, Scripted]) -> None:
    serving, provider = gateway
    path, body = asking.chat(client)
    for number in NUMBERS:
        texts = [(field, number) for field in _FIELDS[client]]
        if client in _WITHIN:
            texts.append((_WITHIN[client], _NUMBER[client] % (number, number)))
        for field, text in texts:
            before = len(provider.requests)
            kept = json.dumps({name: value for name, value in body.items() if name != field})
            answer = serving.ask(path, f'{kept[:-1]},"{field}":{text}}}'.encode())
            assert answer.status < 500
            _strict(answer.body)
            for sent in provider.requests[before:]:
                _strict(sent.body)


@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize(
    "form",
    [
        '{"model":"up:other",%s}',
        '{%s,"model":"up:other"}',
        '{%s,"mod\\u0065l":"up:other"}',
        '{%s,"Model":"up:other"}',
        '{"MODEL":"up:other",%s}',
    ],
)
def test_the_provider_reads_the_model_that_was_let_in(
    client: str, form: str, gateway: tuple[Serving, Scripted]
) -> None:
    """Also one who takes the first of two fields of a name, or does not mind their case."""
    serving, provider = gateway
    before = len(provider.requests)
    path, body = asking.chat(client)
    answer = serving.ask(path, (form % json.dumps(body)[1:-1]).encode())
    if answer.status == 400:
        assert len(provider.requests) == before
        return
    target = answer.headers["x-tsuji-target"].removeprefix("up:")
    named: list[list[Any]] = []

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        named.append([value for name, value in pairs if name.lower() == "model"])
        return dict(pairs)

    json.loads(provider.last.body, object_pairs_hook=read)
    top = named[-1]
    assert top == [target] or (top == [] and f"/models/{target}:" in provider.last.path)


@pytest.mark.parametrize("field", ["Stream", "MAX_TOKENS", "me\u017f\u017fage\u017f", "Temperature"])
def test_a_field_in_another_case_is_refused(field: str, gateway: tuple[Serving, Scripted]) -> None:
    answer = gateway[0].ask(*asking.chat("openai", **{field: 1}))
    assert answer.status == 400
    assert field.casefold() in asking.error("openai", answer.body)[1].casefold()


def test_a_key_for_some_models_names_no_others() -> None:
    key = Key(id="k_1", digest=b"", name="x", created=0, scopes=Scopes(models=("up:cheap",)))
    for field in ("models", "fallbacks"):
        with pytest.raises(PermissionDeniedError, match=field):
            check_fields(Grant(key), {"model": b"", field: b""})
    check_fields(Grant(key), {"model": b""})
    check_fields(Grant(Key(id="k_2", digest=b"", name="x", created=0)), {"models": b""})


# Sizes.


def test_too_large_a_body_is_refused_unread(serve: Any) -> None:
    gateway = serve(config({}))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000001\r\n"
    for more in (b"\r\n", b"Expect: 100-continue\r\n\r\n"):
        with gateway.client() as client:
            client.send(head + more)
            answer = client.read()
            assert (answer.status, answer.interim, answer.headers["connection"]) == (413, [], "close")


def test_too_large_a_chunked_body_is_refused_when_it_is_seen(serve: Any) -> None:
    gateway = serve(config({}, server=Server(port=0, max_body=100_000)))
    with gateway.client() as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"186a1\r\n" + b"x" * 100_001)
        assert client.read().status == 413


ENDLESS = {
    "an extension": b"5;" + b"a" * 200_000,
    "a trailer": b"0\r\nX: " + b"a" * 200_000,
    "trailers": b"0\r\n" + b"X: y\r\n" * 40_000,
    "extensions": b"1;aaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n" * 10_000,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_chunks_are_not_mostly_framing(name: str, serve: Any) -> None:
    gateway = serve(config({}))
    head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with gateway.client() as client:
        try:
            for at in range(0, len(ENDLESS[name]), 10_000):
                client.send((head if not at else b"") + ENDLESS[name][at : at + 10_000])
                time.sleep(0.001)
        except OSError:
            pass  # it has heard enough
        assert client.read().status == 431


def test_chunks_of_one_byte_are_no_abuse(serve: Any, scripted: Any) -> None:
    gateway = serve(config({"up": ("openai", scripted(answers.chat("openai", "read")).url)}))
    path, body = asking.chat("openai", user="x" * 30_000)
    chunks = b"".join([b"1\r\n%c\r\n" % byte for byte in json.dumps(body).encode()]) + b"0\r\n\r\n"
    with gateway.client() as client:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.send(head.encode() + chunks)
        assert asking.text("openai", client.read()) == "read"


def test_compressed_bodies_are_not_taken(serve: Any) -> None:
    import gzip

    gateway = serve(config({}))
    for coding in ("gzip", "deflate", "br", "gzip, gzip"):
        answer = gateway.ask("/v1/chat/completions", gzip.compress(b"{}"), {"Content-Encoding": coding})
        assert answer.status == 415
    assert gateway.ask("/healthz", b"", {"Content-Encoding": "identity"}, "GET").status == 200


# Files.

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (120, 120))
from tsuji.config import Config, LedgerConfig, Server
from tsuji.gateway import serve
from tsuji.gateway import gateway
if sys.argv[1] == "unlimited":
    gateway.connection_limit = lambda asked: 10_000
settings = Config(Server(port=0), ledger=LedgerConfig(enabled=False))
sys.exit(serve(settings, on_ready=lambda url, _: print(url, flush=True)))
"""


@pytest.mark.parametrize("limit", ["limited", "unlimited"])
def test_more_connections_than_files_neither_spin_nor_stop_the_gateway(limit: str) -> None:
    """Below the limit on open files, and, with that limit taken away, at it."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, limit], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    crowd: list[socket.socket] = []
    try:
        for _ in range(300):
            crowd.append(socket.create_connection(("127.0.0.1", port), 20))
        before = _cpu(process.pid)
        time.sleep(1.0)
        assert _cpu(process.pid) - before < 0.5
        for sock in crowd:
            sock.close()
        end = time.monotonic() + 20
        while True:
            try:
                with Client(port, 5) as client:
                    client.send(GET)
                    assert client.read().status == 200
                break
            except (OSError, EOFError, AssertionError):
                assert time.monotonic() < end
                time.sleep(0.1)
        assert process.poll() is None
    finally:
        for sock in crowd:
            sock.close()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _cpu(pid: int) -> float:
    """Seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
