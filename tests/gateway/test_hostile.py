"""Bytes that nobody means well: the server neither hangs nor crashes, and the next client is served."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Client, Serving, config, request, start
from tests.scripted import Scripted

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"PRI", b"get", b"", b"\xff"])
_PATHS = st.sampled_from(
    [
        b"/",
        b"/healthz",
        b"/v1/chat/completions",
        b"/v1/messages",
        b"/v1beta/models/a:generateContent",
        b"*",
        b"a:80",
        b"",
    ]
)
_HEADERS = st.sampled_from(
    [
        b"Host: localhost",
        b"Host: evil.example",
        b"Content-Length: 5",
        b"Content-Length: 0",
        b"Content-Length: -1",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: upgrade",
        b"Upgrade: h2c",
        b"Expect: 100-continue",
        b"Origin: https://evil.example",
        b"X: \xff",
        b": empty",
        b"no colon",
        b" folded",
    ]
)
_BODIES = st.sampled_from(
    [b"", b"hello", b"{}", b'{"model":"up:m"}', b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"\0" * 30]
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Something like a request."""
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b""]))
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]))
    lines = [b" ".join([draw(_METHODS), draw(_PATHS), version]), *draw(st.lists(_HEADERS, max_size=5)), b"", b""]
    return end.join(lines) + draw(_BODIES)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Serving]:
    with Scripted(answers.chat("openai")) as provider:
        serving = start(config({"up": ("openai", provider.url)}))
        yield serving
        serving.stop()


def _survives(gateway: Serving, data: bytes, cuts: list[int]) -> None:
    """Sends `data` in pieces, hears the gateway out, and looks whether it still serves."""
    with Client(gateway.port) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        at = 0
        try:
            for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
                client.send(data[at:cut])
                at = cut
            client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        heard = client.rest()
    assert heard == b"" or heard.startswith(b"HTTP/1.1 ")
    with Client(gateway.port) as client:
        client.send(GET)
        assert client.read().json() == {"status": "ok"}


_RULES = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_RULES
@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=3))
def test_any_bytes(gateway: Serving, data: bytes, cuts: list[int]) -> None:
    _survives(gateway, data, cuts)


@_RULES
@given(data=st.lists(messages(), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 2000), max_size=3))
def test_things_like_requests(gateway: Serving, data: list[bytes], cuts: list[int]) -> None:
    _survives(gateway, b"".join(data), cuts)


@_RULES
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["model", "messages", "role", "content", "stream", "tools", "contents", "parts", "text", "type"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    path=st.sampled_from(
        [asking.chat(d, stream=s)[0] for d in asking.DIALECTS for s in (False, True)] + ["/v1/embeddings"]
    ),
)
def test_any_json(gateway: Serving, body: Any, path: str) -> None:
    answer = gateway.ask(path, body if not isinstance(body, dict) else {"model": "up:m", **body})
    assert 200 <= answer.status < 600
    assert answer.headers.get("x-tsuji-error") != "internal"


def test_many_upgrades_in_one_packet(gateway: Serving) -> None:
    one = GET.replace(b"Host", b"Connection: upgrade\r\nUpgrade: h2c\r\nHost")
    _survives(gateway, one * 3000, [])


def test_deep_json(gateway: Serving) -> None:
    for body in (b'{"model":"up:m","messages":' + b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000):
        for client in asking.DIALECTS:
            answer = gateway.ask(asking.chat(client)[0], body)
            assert answer.status == 400


def test_bytes_after_a_request_that_closes(gateway: Serving) -> None:
    data = request(*asking.chat("openai")).replace(b"Host", b"Connection: close\r\nHost")
    _survives(gateway, data + b"\xff" * 1000, [len(data)])
