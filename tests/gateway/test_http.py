"""HTTP/1.1 as a server: framing, keep-alive, pipelining, limits, and the pairs that requests are smuggled with."""

import contextlib
import socket
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Client, config, request
from tsuji.config import Server

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHAT = request(*asking.chat("openai"))
HOST = b"Host: localhost\r\n"


def test_a_connection_carries_one_request_after_the_other(behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        for _ in range(3):
            client.send(CHAT)
            assert client.read().status == 200
        client.send(request(*asking.chat("openai", model="no:m")))
        assert client.read().status == 404
        client.send(GET)
        assert client.read().status == 200
    assert provider.connections == 1


def test_pipelined_requests_are_answered_in_order(behind: Any) -> None:
    gateway, _ = behind("openai", lambda r: answers.chat("openai", r.json()["user"]))
    asked = [request(*asking.chat("openai", user=str(number))) for number in range(20)]
    with gateway.client() as client:
        client.send(b"".join([asked[0], GET, *asked[1:], b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", GET]))
        assert asking.text("openai", client.read()) == "0"
        assert client.read().json() == {"status": "ok"}
        assert [asking.text("openai", client.read()) for _ in asked[1:]] == [str(n) for n in range(1, 20)]
        assert client.read().status == 404
        assert client.read().status == 200


def test_more_than_may_be_pipelined_is_answered_and_then_the_connection_ends(behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.send(CHAT + GET * 200)
        found = [client.read().status for _ in range(65)]
        assert found == [200] * 65
        assert client.rest() == b""


def test_bytes_beyond_what_may_be_pipelined_are_not_read(behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        big = request(*asking.chat("openai", padding="x" * 500_000))
        client.send(CHAT)
        client.sock.settimeout(20)
        client.send(big)
        client.send(big)
        assert [client.read().status for _ in range(3)] == [200, 200, 200]
    assert len(provider.requests) == 3


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_a_request_may_come_in_pieces(size: int, behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(CHAT), size):
            client.send(CHAT[at : at + size])
        assert client.read().status == 200
    assert provider.last.json()["messages"] == [{"role": "user", "content": "hi"}]


def test_a_chunked_body_with_extensions_and_trailers(behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    body = CHAT.partition(b"\r\n\r\n")[2]
    half = len(body) // 2
    chunks = b"%x;why=not\r\n%b\r\n%x\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n"
    content = chunks % (half, body[:half], len(body) - half, body[half:])
    with gateway.client() as client:
        client.send(
            b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + content + GET
        )
        assert client.read().status == 200
        assert client.read().json() == {"status": "ok"}
    assert "x-trailer" not in provider.last.headers


def test_http_1_0(behind: Any) -> None:
    gateway, _ = behind(
        "openai", lambda r: answers.stream("openai") if r.json().get("stream") else answers.chat("openai")
    )
    old = CHAT.replace(b"HTTP/1.1", b"HTTP/1.0")
    with gateway.client() as client:
        client.send(old)
        answer = client.read()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert client.rest() == b""
    with gateway.client() as client:
        client.send(old.replace(b"Host", b"Connection: keep-alive\r\nHost"))
        assert client.read().headers["connection"] == "keep-alive"
        client.send(request(*asking.chat("openai", stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = client.read()
        assert "transfer-encoding" not in answer.headers
        assert asking.ended("openai", answer)


def test_connection_close_is_honoured(behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.send(CHAT.replace(b"Host", b"Connection: close\r\nHost") + GET)
        assert client.read().headers["connection"] == "close"
        assert client.rest() == b""


@pytest.mark.parametrize("chunked", [False, True])
def test_an_offer_of_http_2_is_declined_and_costs_nothing(chunked: bool, behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    head, _, body = CHAT.replace(b"Host", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHost").partition(
        b"\r\n\r\n"
    )
    if chunked:
        head = b"\r\n".join([line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")])
        head, body = head + b"\r\nTransfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with gateway.client() as client:
        client.send(
            head + b"\r\n\r\n" + body + GET.replace(b"Host", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHost") + CHAT
        )
        assert [client.read().status for _ in range(3)] == [200, 200, 200]
        client.send(head + b"\r\n\r\n" + body[:10])
        client.send(body[10:])
        assert client.read().status == 200
    assert [r.json()["messages"] for r in provider.requests] == [[{"role": "user", "content": "hi"}]] * 3


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/models", "/"])
def test_head_is_get_without_a_body(path: str, behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.send(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() + GET)
        answer = client.read(head=True)
        assert (answer.status, int(answer.headers["content-length"]) > 0) == (200, True)
        assert client.read().json() == {"status": "ok"}


def test_expect_100_continue(serve: Any, scripted: Any) -> None:
    provider = scripted(answers.chat("openai"))
    gateway = serve(config({"up": ("openai", provider.url)}, server=Server(port=0, max_body=10_000)))
    head, _, body = CHAT.partition(b"\r\n\r\n")
    with gateway.client() as client:
        client.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert client.piece().startswith(b"HTTP/1.1 100 ")
        client.send(body)
        assert client.read().status == 200
    with gateway.client() as client:
        client.send(
            b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 10001\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = client.read()
        assert (answer.status, answer.interim) == (413, [])
    with gateway.client() as client:
        client.send(head + b"\r\nExpect: a-miracle\r\n\r\n")
        assert client.read().status == 417


def test_a_body_beyond_the_limit_is_refused_unread(serve: Any) -> None:
    gateway = serve(config({}, server=Server(port=0, max_body=1000)))
    for framing, content in (
        (b"Content-Length: 100000000000", b""),
        (b"Transfer-Encoding: chunked", b"3ff\r\n" + b"x" * 900),
    ):
        with gateway.client() as client:
            client.send(b"POST /v1/messages HTTP/1.1\r\n" + HOST + framing + b"\r\n\r\n" + content)
            if b"chunked" in framing:
                client.send(b"x" * (0x3FF - 900) + b"\r\n")
            answer = client.read()
            assert answer.status == 413
            assert asking.error("anthropic", answer.body)[0] == "request_too_large"
            assert answer.headers["connection"] == "close"
            assert client.rest() == b""


MALFORMED = {
    "not HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version": b"GET /healthz HTTP/3.7\r\n" + HOST + b"\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /healthz HTTP/1.1\r\n" + HOST * 2 + b"\r\n",
    "two keys": b"GET /v1/models HTTP/1.1\r\n" + HOST + b"x-api-key: a\r\nX-Api-Key: b\r\n\r\n",
    "absolute": b"GET http://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "bare LF": b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
    "folded": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n x: y\r\n\r\n",
    "NUL": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "space before colon": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n",
}
POST = b"POST /v1/messages HTTP/1.1\r\n" + HOST
SMUGGLING = {
    "CL.TE": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE.CL": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "same length twice": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "list of lengths": POST + b"Content-Length: 4, 4\r\n\r\nabcd",
    "signed": POST + b"Content-Length: +4\r\n\r\nabcd",
    "hex": POST + b"Content-Length: 0x4\r\n\r\nabcd",
    "overflow": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "tab": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad size": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabcd\r\n0\r\n\r\n",
    "size with space": POST + b"Transfer-Encoding: chunked\r\n\r\n4 \r\nabcd\r\n0\r\n\r\n",
    "size overflow": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabcd\r\n0\r\n\r\n",
    "LF chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n4\nabcd\n0\n\n",
}


@pytest.mark.parametrize("name", [*MALFORMED, *SMUGGLING])
def test_a_request_that_two_readers_could_read_in_two_ways_ends_the_connection(name: str, behind: Any) -> None:
    gateway, provider = behind("anthropic", answers.chat("anthropic"))
    with gateway.client() as client:
        client.send((MALFORMED | SMUGGLING)[name] + GET)
        answer = client.read()
        assert answer.status in (400, 505)
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-tsuji-fault"] == "caller"
        assert client.rest() == b""
    assert not provider.requests


def test_a_bad_request_waits_for_the_answers_before_it(behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai", "first"))
    with gateway.client() as client:
        client.send(CHAT + b"nonsense\r\n\r\n" + GET)
        assert asking.text("openai", client.read()) == "first"
        assert client.read().status == 400
        assert client.rest() == b""


LARGE = {
    "URL": (414, b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "header": (431, b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 70_000 + b"\r\n\r\n"),
    "unending header": (431, b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 300_000),
    "repeats": (431, b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: 1\r\n" * 20_000 + b"\r\n"),
    "headers": (431, b"GET /healthz HTTP/1.1\r\n" + HOST + b"".join([b"X%d: 1\r\n" % n for n in range(200)]) + b"\r\n"),
}


@pytest.mark.parametrize("name", LARGE)
def test_heads_have_limits(name: str, behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    status, data = LARGE[name]
    with gateway.client() as client:
        with contextlib.suppress(ConnectionError):  # it may have heard enough before the end
            client.send(data)
        assert client.read().status == status


def test_a_half_closed_client_gets_its_answer(behind: Any) -> None:
    gateway, _ = behind(
        "openai", lambda r: answers.stream("openai") if r.json().get("stream") else answers.chat("openai")
    )
    for stream in (False, True):
        with gateway.client() as client:
            client.send(CHAT + request(*asking.chat("openai", stream=stream)))
            client.sock.shutdown(socket.SHUT_WR)
            assert client.read().status == 200
            answer = client.read()
            assert (answer.status, answer.whole) == (200, True)
            assert client.rest() == b""


@pytest.mark.parametrize("before", [b"", b"GET /heal", GET[:-2], CHAT[:-5]])
def test_a_client_that_leaves_in_the_middle_is_forgotten(before: bytes, behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.send(GET)
        client.read()
        client.send(before)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.rest() == b""
    assert not provider.requests


def test_a_refused_request_leaves_the_connection_usable(serve: Any) -> None:
    gateway = serve(config({}, server=Server(port=0, keys=["secret"])))
    with gateway.client() as client:
        client.send(CHAT)
        assert client.read().status == 401
        client.send(request(*asking.chat("openai"), headers={"Authorization": "Bearer secret"}))
        assert client.read().status == 404


def test_a_large_body_and_a_large_answer(behind: Any) -> None:
    text = "x" * 12_000_000
    gateway, provider = behind("openai", answers.chat("openai", text))
    for client in ("openai", "anthropic"):
        answer = gateway.ask(
            *asking.chat(client, metadata={"user_id": "y"}, system=text)
            if client == "anthropic"
            else asking.chat(client, user=text)
        )
        assert asking.text(client, answer) == text
        assert len(provider.last.body) > len(text)


def test_small_packets_are_not_held_back(behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.send(GET)
        client.read()

        async def nodelay() -> int:
            (connection,) = gateway.gateway.connections
            sock = connection._transport.get_extra_info("socket")
            return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

        assert gateway.call(nodelay())


def test_two_clients_do_not_wait_for_each_other(behind: Any) -> None:
    gateway, _ = behind("openai", lambda r: answers.chat("openai", r.json()["user"]))
    clients = [Client(gateway.port) for _ in range(30)]
    for number, client in enumerate(clients):
        client.send(request(*asking.chat("openai", user=str(number))))
    assert [asking.text("openai", client.read()) for client in clients] == [str(n) for n in range(30)]
    for client in clients:
        client.sock.close()
