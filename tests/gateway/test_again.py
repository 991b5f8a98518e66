"""Heads that are recognised instead of parsed: never another answer than a new connection would have given."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import request
from tsuji.gateway.again import KnownHead, known
from tsuji.gateway.request import Request

HEAD = b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Last: y\r\n\r\n"
FIRST = HEAD + b"hello"


def _parsed(**more: Any) -> Request:
    headers = {b"host": b"x", b"content-length": b"5", b"x-last": b"y"}
    made = Request(b"POST", b"/v1/messages", b"beta=true", headers)
    for name, value in {"length": 5, "complete": True, **more}.items():
        setattr(made, name, value)
    return made


def _known() -> KnownHead:
    found = known(FIRST, _parsed())
    assert found is not None
    return found


@pytest.mark.parametrize("body", [b"", b"x", b"hello again", b"y" * 70_000])
def test_the_same_head_with_another_length(body: bytes) -> None:
    again = _known().again(HEAD.replace(b": 5", b": %d" % len(body)) + body)
    assert again is not None
    assert (again.method, again.path, again.query) == (b"POST", b"/v1/messages", b"beta=true")
    assert (again.body, again.length, again.size, again.complete) == (body, len(body), len(body), True)
    assert again.keep_alive
    assert again.headers[b"x-last"] == b"y"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        FIRST[:-1],
        FIRST + b"x",
        FIRST + FIRST,
        b"\r\n" + FIRST,
        FIRST.replace(b"POST", b"PUT"),
        FIRST.replace(b"/v1/messages", b"/v1/other"),
        FIRST.replace(b": 5", b": +5"),
        FIRST.replace(b": 5", b":  5"),
        FIRST.replace(b": 5", b": 5 "),
        FIRST.replace(b": 5", b": 0x5"),
        FIRST.replace(b": 5", b": "),
        FIRST.replace(b": 5", b": 5\r\nContent-Length: 5"),
        FIRST.replace(b": 5", b": 5\r\nTransfer-Encoding: chunked"),
        FIRST.replace(b": 5", b": 0000000005"),
        FIRST.replace(b"X-Last: y", b"X-Last: z"),
        FIRST.replace(b"\r\n", b"\n"),
    ],
)
def test_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert _known().again(data) is None


@pytest.mark.parametrize(
    "parsed",
    [
        _parsed(http10=True),
        _parsed(keep_alive=False),
        _parsed(chunked=True, length=None),
        _parsed(length=4),
    ],
)
def test_only_ordinary_requests_are_learnt(parsed: Request) -> None:
    assert known(FIRST, parsed) is None


@pytest.mark.parametrize("line", [b"X-A: content-length: 3", b"Content-Length:5", b"X-Content-Length: 5"])
def test_a_length_that_could_be_mistaken_is_not_learnt(line: bytes) -> None:
    head = HEAD.replace(b"Content-Length: 5", line if line.startswith(b"Content") else line + b"\r\nContent-Length: 5")
    assert known(head + b"hello", _parsed()) is None


@given(bodies=st.lists(st.binary(max_size=30), min_size=2, max_size=5), cut=st.integers(0, 200))
def test_what_is_recognised_is_what_was_sent(bodies: list[bytes], cut: int) -> None:
    data = [HEAD.replace(b": 5", b": %d" % len(body)) + body for body in bodies]
    for one, body in zip(data, bodies, strict=True):
        again = _known().again(one)
        assert again is not None
        assert again.body == body
        assert _known().again(one[: cut % len(one)]) is None


def test_on_a_connection(behind: Any) -> None:
    gateway, provider = behind("openai", lambda r: answers.chat("openai", r.json()["user"]))
    with gateway.client() as client:
        for user in ("a", "bb", "c" * 2000, "d"):
            client.send(request(*asking.chat("openai", user=user)))
            assert asking.text("openai", client.read()) == user
        path, body = asking.chat("openai", user="e")
        client.send(request(path, body, {"x-other": "1"}))
        assert asking.text("openai", client.read()) == "e"
        whole = request(path, body)
        client.send(whole[:100])
        client.send(whole[100:])
        assert asking.text("openai", client.read()) == "e"
        client.send(request(*asking.chat("openai", model="no:model")))
        assert client.read().status == 404
        client.send(request(path, b"not JSON"))
        assert client.read().status == 400
        client.send(whole)
        assert asking.text("openai", client.read()) == "e"
    assert provider.connections == 1


@pytest.mark.parametrize("before", [b"P", b"\x00", b"GET"])
def test_bytes_before_a_known_head_are_not_forgotten(before: bytes, behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    whole = request(*asking.chat("openai"))
    with gateway.client() as client:
        for _ in range(2):
            client.send(whole)
            assert client.read().status == 200
        client.send(before)
        while gateway.call(_between(gateway)):
            pass  # until it has been read on its own
        client.send(whole)
        assert client.read().status == 400
    assert len(provider.requests) == 2


async def _between(gateway: Any) -> bool:
    return any(connection._between and not connection._over for connection in gateway.gateway.connections)


def test_a_key_is_asked_for_each_time(serve: Any, scripted: Any) -> None:
    from tests.gateway.serving import config
    from tsuji.config import Server

    provider = scripted(answers.chat("openai"))
    gateway = serve(config({"up": ("openai", provider.url)}, server=Server(port=0, keys=["k"])))
    path, body = asking.chat("openai")
    with gateway.client() as client:
        for key, status in (("k", 200), ("k", 200), ("x", 401), ("k", 200), ("x", 401)):
            client.send(request(path, body, {"x-api-key": key}))
            assert client.read().status == status
