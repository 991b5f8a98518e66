"""Clients that send too much, too slowly, or nonsense."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.control.serving import TOKEN, Serving, config
from tests.gateway.serving import Client
from tsuji.control import run
from tsuji.control.app import MAX_BODY

HEAD = f"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
JSON = b"Content-Type: application/json\r\n"


def error(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["kind"]


def alive(api: Serving) -> None:
    assert api.ask("GET", "/healthz").json() == {"status": "ok"}
    assert api.get("keys")["items"] == []


def test_a_large_body_is_refused_before_it_is_read(plain: Serving) -> None:
    with Client(plain.port) as client:
        client.send(HEAD + JSON + b"Content-Length: 100000000000\r\n\r\n")
        answer = client.read()
        assert error(answer) == (413, "request_too_large")
        assert answer.headers["connection"] == "close"
        assert client.rest() == b""
    alive(plain)


def test_a_large_body_in_chunks_is_refused_where_it_grows_too_large(plain: Serving) -> None:
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with Client(plain.port) as client:
        client.send(HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + piece * (MAX_BODY // 0x10000 + 1))
        answer = client.read()
        assert (error(answer), answer.headers["connection"]) == ((413, "request_too_large"), "close")
    alive(plain)


def test_what_may_be_sent_is_taken(plain: Serving) -> None:
    body = b" " * (MAX_BODY - 2) + b"{}"
    with Client(plain.port) as client:
        client.send(HEAD + JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert error(client.read()) == (422, "invalid_field")


@pytest.mark.parametrize("head", [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", HEAD.replace(TOKEN.encode(), b"x")])
def test_a_body_that_nobody_reads_ends_the_connection(head: bytes, plain: Serving) -> None:
    """What comes after it would else be read as long as it comes, or be taken for a request."""
    smuggled = b"GET /api/v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Client(plain.port) as client:
        client.send(head + b"Content-Length: %d\r\n\r\n" % (len(smuggled) + 10) + smuggled)
        answer = client.read()
        assert answer.headers["connection"] == "close"
        assert client.rest() == b""


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"", 415),
        (b"Content-Type: text/plain\r\n", 415),
        (b"Content-Type: application/json-patch+json\r\n", 415),
        (b"Content-Type: application/x-www-form-urlencoded\r\n", 415),
        (b"Content-Type: multipart/form-data; boundary=x\r\n", 415),
        (b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n", 415),
        (b"Content-Type: APPLICATION/json ; charset=utf-8\r\n", 422),
    ],
)
def test_types_of_bodies(lines: bytes, status: int, plain: Serving) -> None:
    with Client(plain.port) as client:
        client.send(HEAD + lines + b"Content-Length: 2\r\n\r\n{}")
        assert client.read().status == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"name": "x"}{}', 400),
        (b"nonsense", 400),
        (b'{"name": NaN}', 400),
        (b'{"name": "\xff"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b'{"name": "\\ud800\\u0041"}', 400),
        (b"\xef\xbb\xbf{}", 400),
        (b"[" * 100_000, 422),  # no object: what is in it is not looked at
        (b'{"metadata": ' + b'{"a":' * 100_000, 422),
        (b'{"name": "x", "y": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422),
        (b'{"name": 1e999}', 422),
        (b'{"name": "x", "tags": {"a": 1}}', 422),
        (b"null", 422),
        (b'"name"', 422),
        (b'{"name": "a", "name": ""}', 422),
    ],
)
def test_bodies_that_are_none(body: bytes, status: int, plain: Serving) -> None:
    answer = plain.client.post("/api/v1/keys", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["fault"] == "caller"
    alive(plain)


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n\r\nnonsense\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /heal\x00thz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        HEAD + JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + JSON + b"Content-Length: -1\r\n\r\n{}",
        HEAD + JSON + b"Content-Length: 2\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{}",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http(sent: bytes, plain: Serving) -> None:
    with Client(plain.port) as client:
        client.send(sent)
        assert client.rest().startswith(b"HTTP/1.1 400 ")
    alive(plain)


@pytest.mark.parametrize("start", [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", b"GET /"])
def test_a_head_without_end(start: bytes, plain: Serving) -> None:
    with Client(plain.port) as client:
        client.send(start)
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(1000):
                client.send(b"x" * 65_536)
            pytest.fail("64 MB of a head were taken")
    alive(plain)


def test_requests_in_one_piece_are_answered_in_order(plain: Serving) -> None:
    one = f"GET /api/v1/%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    with Client(plain.port) as client:
        client.send("".join([one % path for path in ("keys", "nope", "teams")]).encode())
        assert [client.read().status for _ in range(3)] == [200, 404, 200]


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_that_does_not_come(sent: bytes, plain: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "HEAD_SECONDS", 0.3)
    with Client(plain.port) as client:
        client.send(sent)
        assert client.rest() == b""
    if sent:  # nor for a second one
        with Client(plain.port) as client:
            client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.read().status == 200
            client.send(sent)
            assert client.rest() == b""


def test_a_head_that_drips_is_not_waited_for(plain: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "HEAD_SECONDS", 0.3)
    with Client(plain.port) as client, pytest.raises((BrokenPipeError, ConnectionResetError)):
        client.send(b"GET /healthz HTTP/1.1\r\n")
        while True:
            client.send(b"x: y\r\n")
            time.sleep(0.02)


def test_a_body_that_does_not_come(tmp_path: Path, serve: Callable[..., Serving]) -> None:
    api = serve(config(f"sqlite:///{tmp_path}/ledger.db"), body_seconds=0.3)
    with Client(api.port) as client:
        client.send(HEAD + JSON + b'Content-Length: 20\r\n\r\n{"name":')
        answer = client.read()
        assert (error(answer), answer.headers["connection"]) == ((408, "request_timeout"), "close")
    with Client(api.port) as client:
        client.send(HEAD + JSON + b'Content-Length: 20\r\n\r\n{"name":')  # and leaves
    alive(api)


def test_text_that_looks_like_sql_or_markup_is_text(tmp_path: Path, serve: Callable[..., Serving]) -> None:
    api = serve(config(f"sqlite:///{tmp_path}/ledger.db"))
    names = [
        "'; DROP TABLE keys; --",
        "%s %(x)s :x ?",
        "<script>alert(1)</script>",
        "\u202e\u0644\U0001f511",
        "a" * 200,
    ]
    for name in names:
        assert api.make(name, user_id=name, tags=[name], metadata={name: name})["name"] == name
        assert [key["metadata"] for key in api.get("keys", name=name)["items"]] == [{name: name}]
    assert sorted(user["id"] for user in api.get("users")["items"]) == sorted(names)
    assert json.loads(api.ask("GET", "keys").content)["next"] is None
