"""What leaves the gateway: to the configured address and no other, over verified TLS, with nothing of a client's in
the path or the head but what belongs there.
"""

import ast
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import trustme

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import config
from tests.http.conftest import server_context
from tests.scripted import Reply, Scripted
from tsuji.config import Config, LedgerConfig, ProviderConfig, Server
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Route, Target

SRC = Path(__file__).parents[2] / "src" / "tsuji"


@pytest.fixture
def elsewhere(scripted: Any) -> Scripted:
    """A server that nothing in the configuration names."""
    return scripted(answers.chat("openai", "stolen"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("stream", [False, True])
def test_redirects_are_not_followed(status: int, stream: bool, elsewhere: Scripted, behind: Any) -> None:
    reply = Reply(b"", status, headers={"location": elsewhere.url + "/v1/chat/completions"})
    gateway, provider = behind("openai", reply)
    answer = gateway.ask(*asking.chat("openai", stream=stream))
    assert answer.status == 502
    assert "location" not in answer.headers
    assert len(provider.requests) == 1
    assert elsewhere.connections == 0


@pytest.mark.parametrize("client", asking.DIALECTS)
def test_a_request_cannot_say_where_it_goes(client: str, elsewhere: Scripted, behind: Any) -> None:
    """Neither by headers that proxies obey nor by fields that other gateways do."""
    gateway, provider = behind(client, answers.chat(client))
    path, body = asking.chat(client)
    url = elsewhere.url
    headers = {
        "Host": f"localhost:{elsewhere.port}",
        "X-Forwarded-Host": f"127.0.0.1:{elsewhere.port}",
        "X-Original-URL": url,
        "X-Rewrite-URL": url,
        "X-Portkey-Custom-Host": url,
        "Helicone-Target-URL": url,
        "X-Base-URL": url,
        "Forwarded": f"host=127.0.0.1:{elsewhere.port}",
    }
    fields = dict.fromkeys(("api_base", "base_url", "endpoint", "provider_url", "target"), url)
    for more in ({}, fields):
        gateway.ask(path, {**body, **more}, headers)
    assert elsewhere.connections == 0
    for sent in provider.requests:
        assert sent.headers["host"] == f"127.0.0.1:{provider.port}"
        assert not [
            name for name in sent.headers if name.startswith(("x-", "forwarded", "helicone")) and "key" not in name
        ]


_IMAGES = {
    "openai": lambda url: {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    },
    "anthropic": lambda url: {
        "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": url}}]}]
    },
    "gemini": lambda url: {"contents": [{"parts": [{"fileData": {"fileUri": url, "mimeType": "image/png"}}]}]},
    "responses": lambda url: {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]},
    "cohere": lambda url: {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    },
    "ollama": lambda url: {"messages": [{"role": "user", "content": "x", "images": [url]}]},
}


@pytest.mark.parametrize("client", _IMAGES)
@pytest.mark.parametrize("upstream", asking.DIALECTS)
def test_nothing_that_a_request_points_at_is_fetched(
    client: str, upstream: str, elsewhere: Scripted, behind: Any
) -> None:
    """An address is passed on to a provider that takes addresses, or the request is refused."""
    gateway, provider = behind(upstream, answers.chat(upstream))
    path, body = asking.chat(client)
    for url in (
        elsewhere.url + "/a.png",
        f"http://localhost:{elsewhere.port}/",
        "file:///etc/passwd",
        "http://169.254.169.254/",
    ):
        answer = gateway.ask(path, body | _IMAGES[client](url))
        assert answer.status in (200, 400)
        assert b"root:" not in answer.body + b"".join([sent.body for sent in provider.requests])
    assert elsewhere.connections == 0


def test_the_code_that_answers_requests_can_fetch_nothing() -> None:
    """It has one way out, the pool; urllib and http.client are for local models' files and engines."""
    may = {"engine/bench.py", "engine/download.py", "engine/probe.py"}
    found = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(
                re.match(r"(urllib\.request|http\.client|ftplib|requests|httpx|aiohttp|urllib3)\b", n) for n in names
            ):
                found.add(str(path.relative_to(SRC)))
    assert found <= may


# Names in paths.

NAMES = [
    "..",
    ".",
    "../admin",
    "a/../../b",
    "..%2f..",
    "%2e%2e",
    "%2e%2e%2fadmin",
    "a/b",
    "/a",
    "a?key=x",
    "a#b",
    "a%00b",
    "a;b=c",
    "a:generateContent?x=",
    "a\\..\\b",
    "a b",
    "ünïcode",
    "%",
    "%zz",
    "a@b",
    "//evil.example/",
]
_TEMPLATES = {
    "gemini": None,
    "bedrock": None,
    "openai": "/openai/deployments/{model}/chat/completions?api-version=1",
    "anthropic": "/models/{model}:rawPredict",
}


@pytest.mark.parametrize("dialect", _TEMPLATES)
@pytest.mark.parametrize("name", NAMES)
def test_a_models_name_stays_in_its_place_in_the_path(dialect: str, name: str, serve: Any, scripted: Any) -> None:
    provider = scripted(answers.chat(dialect))
    template = _TEMPLATES[dialect]
    row = ProviderConfig(
        dialect=dialect, base_url=provider.url, api_key="k", endpoints={"chat": template} if template else {}
    )
    gateway = serve(Config(Server(port=0), {"up": row}, ledger=LedgerConfig(enabled=False)))
    answer = gateway.ask(*asking.chat("openai", model="up:" + name))
    if not provider.requests:
        assert answer.status == 400
        return
    path = provider.last.path
    before, after = {
        "gemini": ("/v1beta/", ":generateContent"),
        "bedrock": ("/model/", "/converse"),
        "openai": ("/openai/deployments/", "/chat/completions"),
        "anthropic": ("/models/", ":rawPredict"),
    }[dialect]
    assert path.startswith(before)
    assert path.endswith(after)
    said = path[len(before) : -len(after)]
    assert said not in (".", "..")
    if dialect == "gemini":  # a name with a slash is a collection's and an id
        said = said.removeprefix("models/")
        assert all(part not in ("", ".", "..") for part in said.split("/"))
    else:
        assert "/" not in said
    assert unquote(said) == name
    assert provider.last.query == ("api-version=1" if dialect == "openai" else "")


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x7fb", "\u2028", "a" * 600])
@pytest.mark.parametrize("client", asking.DIALECTS)
def test_a_name_that_cannot_be_printed_is_none(name: str, client: str, behind: Any) -> None:
    from urllib.parse import quote

    gateway, provider = behind("openai", answers.chat("openai"))
    path, body = asking.chat(client, model=quote("up:" + name, safe="") if client == "gemini" else "up:" + name)
    answer = gateway.ask(path, body)
    assert answer.status == 400
    assert "x-evil" not in answer.headers
    assert not provider.requests


# Heads.

INJECTED = ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"]


@pytest.mark.parametrize("value", INJECTED)
def test_a_provider_cannot_write_headers_into_our_answer(value: str, serve: Any) -> None:
    """Its head is read by llhttp, which takes no line for part of another."""
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.recv(65536)
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: {value}\r\n"
            sock.sendall(head.encode() + b"content-length: 2\r\n\r\n{}")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    gateway = serve(config({"up": ("openai", f"http://127.0.0.1:{listener.getsockname()[1]}")}))
    found = gateway.ask(*asking.chat("openai"))
    thread.join()
    listener.close()
    assert "x-evil" not in found.headers
    assert found.status == 502


def test_what_a_client_says_of_itself_breaks_no_line(behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    headers = {
        "x-tsuji-tags": "a\t, b\x80",
        "traceparent": "00-" + "\xff" * 32,
        "x-tsuji-request-id": "mine",
        "openai-beta": "assistants=v2\xff",
        "User-Agent": "\xff",
    }
    answer = gateway.ask(*asking.chat("openai"), headers)
    assert answer.status in (200, 400)
    assert answer.headers["x-tsuji-request-id"] != "mine"
    for sent in provider.requests:
        assert not {"x-tsuji-tags", "traceparent", "x-tsuji-request-id"} & sent.headers.keys()


# TLS.


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """The only one that this process trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr("tsuji.http.tls._contexts", {})
    yield made


def _asked(serve: Any, context: ssl.SSLContext) -> tuple[Any, Scripted]:
    with Scripted(answers.chat("openai", "sealed"), tls=context) as provider:
        row = ProviderConfig(dialect="openai", base_url=f"https://localhost:{provider.port}/v1", api_key="k")
        route = Route("r", (Target("up", "m"),), timeouts=Timeouts(connect=10))
        gateway = serve(Config(Server(port=0), {"up": row}, {"r": route}, ledger=LedgerConfig(enabled=False)))
        return gateway.ask(*asking.chat("openai", model="r")), provider


def test_a_trusted_certificate_is_taken(serve: Any, authority: trustme.CA) -> None:
    answer, provider = _asked(serve, server_context(authority.issue_cert("localhost")))
    assert asking.text("openai", answer) == "sealed"
    assert provider.last.headers["authorization"] == "Bearer k"


@pytest.mark.parametrize("wrong", ["another host", "another authority"])
def test_no_key_goes_over_tls_that_is_not_verified(wrong: str, serve: Any, authority: trustme.CA) -> None:
    signed = (
        authority.issue_cert("elsewhere.example") if wrong == "another host" else trustme.CA().issue_cert("localhost")
    )
    answer, provider = _asked(serve, server_context(signed))
    assert answer.status == 502
    assert "certificate" in asking.error("openai", answer.body)[1]
    assert not provider.requests


def test_no_configuration_turns_verification_off() -> None:
    """`insecure` is the library's, for trials; the gateway's pool is made without it."""
    from tsuji.config import config_schema

    assert "insecure" not in str(config_schema())
    assert "AsyncPool(max_idle_per_origin=_MAX_IDLE)" in (SRC / "gateway" / "gateway.py").read_text()
