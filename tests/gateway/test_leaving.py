"""Clients that leave, lag or say nothing."""

import socket
import struct
import time
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import request
from tests.scripted import STALL, Reply
from tsuji.gateway import server

WHOLE = Reply(before=[STALL])


def _stalled(dialect: str) -> Reply:
    begun = answers.stream(dialect, ["one ", "two"]).body
    assert isinstance(begun, list)
    return Reply([*begun[:3], STALL], content_type=answers.SSE)


def _reset(client: Any) -> None:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_when_the_client_leaves_the_provider_is_hung_up_on(how: str, client: str, stream: bool, behind: Any) -> None:
    gateway, provider = behind("openai", _stalled("openai") if stream else WHOLE)
    with gateway.client() as asking_one:
        asking_one.send(request(*asking.chat(client, stream=stream)))
        if stream:
            asking_one.piece()
        while not provider.requests:
            time.sleep(0.001)
        if how == "reset":
            _reset(asking_one)
    left = time.perf_counter()
    assert provider.left.wait(5)
    print(f"hung up after {(time.perf_counter() - left) * 1000:.0f} ms")


def test_a_client_that_leaves_while_another_target_is_tried(behind: Any, serve: Any, scripted: Any) -> None:
    from tests.gateway.serving import config

    first, second = scripted(answers.error("openai", 500)), scripted(WHOLE)
    gateway = serve(config({"a": ("openai", first.url), "b": ("openai", second.url)}, {"r": ["a:1", "b:2"]}))
    with gateway.client() as client:
        client.send(request(*asking.chat("openai", model="r")))
        while not second.requests:
            time.sleep(0.001)
    assert second.left.wait(5)
    assert len(first.requests) == 2  # a 500 is tried once more


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_a_slow_reader_slows_the_provider_down(client: str, behind: Any) -> None:
    """The provider has far more to say than the gateway may hold for a client that does not read."""
    begun = answers.stream("openai", ["x" * 60_000] * 1000).body
    assert isinstance(begun, list)
    written: list[int] = []

    class Counting(list[Any]):
        def __iter__(self) -> Any:
            for at, step in enumerate(begun):
                written.append(at)
                yield step

    gateway, _ = behind("openai", Reply(Counting(begun), content_type=answers.SSE))
    with gateway.client() as slow:
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.send(request(*asking.chat(client, stream=True)))
        slow.piece()
        seen = -1
        while len(written) != seen:
            seen = len(written)
            time.sleep(0.4)
        assert seen < 700  # of a thousand: the rest is in no buffer of ours
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data = (data + slow.piece())[-100:]
    assert len(written) == len(begun)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "IDLE_SECONDS", "BODY_SECONDS", "STALL_SECONDS", "LINGER_SECONDS"):
        monkeypatch.setattr(server, name, 0.3)


def test_a_head_that_does_not_arrive_in_time(impatient: None, behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(4):  # a byte now and then does not help
            client.send(b"X: y\r\n")
            time.sleep(0.05)
        assert client.read().status == 408
        assert client.rest() == b""


def test_a_body_that_does_not_arrive_in_time(impatient: None, behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.send(request(*asking.chat("openai"))[:-5])
        answer = client.read()
        assert answer.status == 408
        assert asking.error("openai", answer.body)[1]
        assert client.rest() == b""
    assert not provider.requests


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_connection_that_is_not_used_is_closed(before: bytes, impatient: None, behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.send(before)
        if before:
            assert client.read().status == 200
        assert client.rest() == b""


def test_a_client_that_does_not_read_is_given_up(impatient: None, behind: Any) -> None:
    begun = answers.stream("openai", ["x" * 60_000] * 1000).body
    gateway, provider = behind("openai", Reply(begun, content_type=answers.SSE))
    with gateway.client() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(request(*asking.chat("openai", stream=True)))
        assert provider.left.wait(15)


def test_a_refused_client_that_keeps_sending_is_cut_off(impatient: None, behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    with gateway.client() as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000000\r\n\r\n")
        assert client.read().status == 413
        with pytest.raises(OSError):
            while True:
                client.send(b"x" * 65536)
                time.sleep(0.01)


def test_a_slow_answer_is_waited_for(impatient: None, behind: Any) -> None:
    reply = answers.chat("openai", "late")
    reply.before = [1.2]
    gateway, _ = behind("openai", reply)
    assert asking.text("openai", gateway.ask(*asking.chat("openai"))) == "late"


def test_nothing_is_left_of_connections_that_are_gone(behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    for _ in range(20):
        gateway.ask(*asking.chat("openai"))
    deadline = time.monotonic() + 5
    while gateway.gateway.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not gateway.gateway.connections
