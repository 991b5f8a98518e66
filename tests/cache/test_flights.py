"""Identical requests at one time are one call, whoever of them leaves and whatever becomes of it."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest

from tests import answers
from tests.cache.conftest import Cached, store_of
from tests.gateway import asking
from tests.gateway.serving import Answer, Client, request
from tests.scripted import CUT, Reply
from tsuji.config import CacheRule

MANY = 200


def listening(gateway: Cached, number: int) -> None:
    """Until that many wait for one call."""
    cache = gateway.serving.gateway.cache
    deadline = time.monotonic() + 20
    while sum([len(flight.listeners) for flight in list(cache.flights.values())]) != number:
        assert time.monotonic() < deadline, [len(flight.listeners) for flight in cache.flights.values()]
        time.sleep(0.002)


def until(true: Any) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def held(dialect: str, go: threading.Event, pieces: Any = ("Kyo", "to"), after: int = 0) -> Reply:
    """A stream that waits at its start, or after some of its events."""
    reply = answers.stream(dialect, pieces)
    assert isinstance(reply.body, list)
    reply.body = [*reply.body[:after], go, *reply.body[after:]]
    return reply


async def _ask(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    found = await reader.read()
    writer.close()
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_many_at_once_are_one_call(client: str, stream: bool, cached: Any, stores: Any, request: Any) -> None:
    from tests.gateway.serving import request as message

    script = answers.stream("openai", ["Kyo", "to"]) if stream else answers.chat("openai", "Kyoto")
    script.before = [0.05]
    gateway = cached("openai", script, CacheRule(store=store_of(request)), stores)
    data = message(*asking.chat(client, "r", stream), {"connection": "close"})

    async def all_of_them() -> list[bytes]:
        return await asyncio.gather(*[_ask(gateway.serving.port, data) for _ in range(MANY)])

    found = asyncio.run(all_of_them())
    assert gateway.calls == 1
    words = [line for body in found for line in body.split(b"\r\n") if line.startswith(b"x-tsuji-cache: ")]
    assert words.count(b"x-tsuji-cache: miss") == 1
    assert words.count(b"x-tsuji-cache: shared") + words.count(b"x-tsuji-cache: hit") == MANY - 1
    bodies = {body.partition(b"\r\n\r\n")[2].partition(b": tsuji ")[0] for body in found}
    if stream:  # chunked as the pieces came, which is not the same for who came later
        assert all(b"Kyo" in body and b"to" in body for body in bodies)
    else:
        assert len(bodies) == 1
    assert all(body.startswith(b"HTTP/1.1 200 ") for body in found)


@pytest.mark.parametrize("stream", [False, True])
def test_who_asked_first_may_leave(stream: bool, cached: Any) -> None:
    go = threading.Event()
    script = held("openai", go, after=2) if stream else answers.chat("openai", "Kyoto")
    if not stream:
        script.before = [go]
    gateway = cached("openai", script)
    data = request(*asking.chat("openai", "r", stream))
    with ExitStack() as open_:
        first, *rest = [open_.enter_context(gateway.serving.client()) for _ in range(4)]
        first.send(data)
        listening(gateway, 1)
        for client in rest:
            client.send(data)
        listening(gateway, 4)
        first.sock.close()
        listening(gateway, 3)
        go.set()
        found = [client.read() for client in rest]
    assert [(a.status, a.whole, a.headers["x-tsuji-cache"]) for a in found] == [(200, True, "shared")] * 3
    read = asking.streamed if stream else asking.text
    assert [read("openai", answer) for answer in found] == ["Kyoto"] * 3
    gateway.settle()
    assert gateway.ask(*asking.chat("openai", "r", stream)).headers["x-tsuji-cache"] == "hit"
    assert gateway.calls == 1


def test_a_call_that_nobody_waits_for_ends(cached: Any) -> None:
    gateway = cached("openai", Reply(before=["stall"]))
    with gateway.serving.client() as one, gateway.serving.client() as other:
        for client in (one, other):
            client.send(request(*asking.chat("openai", "r")))
        listening(gateway, 2)
    assert gateway.provider.left.wait(10)
    until(lambda: not gateway.serving.gateway.cache.flights)


def test_who_comes_late_gets_what_has_come_and_then_the_rest(cached: Any) -> None:
    go = threading.Event()
    gateway = cached("openai", held("openai", go, ["Kyo", "to"], after=2))
    with gateway.serving.client() as first, gateway.serving.client() as late:
        for client in (first, late):
            client.send(request(*asking.chat("openai", "r", stream=True)))
            seen = b""
            while b"Kyo" not in seen:
                seen += client.piece()
            client._buffer = seen
        assert not go.is_set()
        go.set()
        found = [first.read(), late.read()]
    assert [a.headers["x-tsuji-cache"] for a in found] == ["miss", "shared"]
    assert [asking.streamed("openai", answer) for answer in found] == ["Kyoto", "Kyoto"]
    assert found[0].summary()["cost"] is not None
    assert b": tsuji " not in found[1].body
    assert gateway.calls == 1


def waiting(gateway: Cached, number: int, open_: ExitStack, stream: bool = False) -> list[Client]:
    clients = [open_.enter_context(gateway.serving.client()) for _ in range(number)]
    for at, client in enumerate(clients):
        client.send(request(*asking.chat("openai", "r", stream)))
        listening(gateway, at + 1)
    return clients


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_is_that_of_one(stream: bool, cached: Any) -> None:
    go = threading.Event()
    good = answers.stream("openai", ["Kyoto"]) if stream else answers.chat("openai", "Kyoto")
    bad = answers.error("openai", 503)
    bad.before = [go]
    gateway = cached("openai", [bad, good])
    with ExitStack() as open_:
        clients = waiting(gateway, 4, open_, stream)
        go.set()
        found = [client.read() for client in clients]
    assert [answer.status for answer in found] == [503, 200, 200, 200]
    assert [a.headers.get("x-tsuji-cache") for a in found] == [None, "miss", "shared", "shared"]
    assert gateway.calls == 2


def test_after_two_failures_each_makes_its_own_call(cached: Any) -> None:
    go = threading.Event()
    bad = answers.error("openai", 503)
    bad.before = [go]
    gateway = cached("openai", [bad, bad, *[answers.chat("openai", "Kyoto")] * 3])
    with ExitStack() as open_:
        clients = waiting(gateway, 5, open_)
        go.set()
        found = [client.read() for client in clients]
    assert sorted([answer.status for answer in found]) == [200, 200, 200, 503, 503]
    assert gateway.calls == 5


def test_a_stream_that_breaks_off_breaks_off_for_all_and_is_not_kept(cached: Any) -> None:
    go = threading.Event()
    begun = answers.stream("openai", ["Kyo", "to"]).body
    assert isinstance(begun, list)
    gateway = cached(
        "openai", [Reply([*begun[:2], go, CUT], content_type=answers.SSE), answers.stream("openai", ["Kyoto"])]
    )
    with ExitStack() as open_:
        clients = waiting(gateway, 3, open_, stream=True)
        go.set()
        found: list[Answer] = [client.read() for client in clients]
    assert [(answer.status, answer.whole) for answer in found] == [(200, False)] * 3
    assert [
        asking.streamed("openai", Answer(200, a.headers, a.body.partition(b'data: {"error')[0])) for a in found
    ] == ["Kyo"] * 3
    gateway.settle()
    assert gateway.ask(*asking.chat("openai", "r", stream=True)).headers["x-tsuji-cache"] == "miss"


def test_without_a_cache_nothing_is_shared(cached: Any) -> None:
    go = threading.Event()
    script = answers.chat("openai", "Kyoto")
    script.before = [go]
    gateway = cached("openai", script, routes={"plain": ["up:m"]})
    with ExitStack() as open_:
        clients = [open_.enter_context(gateway.serving.client()) for _ in range(3)]
        for client in clients:
            client.send(request(*asking.chat("openai", "plain")))
        until(lambda: gateway.calls == 3)
        go.set()
        found = [client.read() for client in clients]
    assert all("x-tsuji-cache" not in answer.headers for answer in found)


def test_one_who_reads_slowly_holds_up_nobody(cached: Any) -> None:
    go = threading.Event()
    pieces = ["x" * 10_000] * 90
    gateway = cached("openai", held("openai", go, pieces, after=1))
    with gateway.serving.client() as slow, gateway.serving.client() as quick:
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        for client in (slow, quick):
            client.send(request(*asking.chat("openai", "r", stream=True)))
        listening(gateway, 2)
        go.set()
        assert len(asking.streamed("openai", quick.read())) == 900_000
        assert len(asking.streamed("openai", slow.read())) == 900_000
    assert gateway.calls == 1


def test_an_answer_too_long_to_keep_still_reaches_all(cached: Any) -> None:
    go = threading.Event()
    gateway = cached("openai", held("openai", go, ["x" * 1000] * 20, after=1), CacheRule(max_entry=5000))
    with ExitStack() as open_:
        clients = waiting(gateway, 2, open_, stream=True)
        go.set()
        found = [client.read() for client in clients]
    assert [len(asking.streamed("openai", answer)) for answer in found] == [20_000] * 2
    gateway.settle()
    assert gateway.ask(*asking.chat("openai", "r", stream=True)).headers["x-tsuji-cache"] == "miss"


def test_a_gateway_that_stops_ends_what_waits(cached: Any) -> None:
    gateway = cached("openai", Reply(before=["stall"]))
    with ExitStack() as open_:
        waiting(gateway, 3, open_)
        gateway.serving.stop(0.1)
    assert not gateway.serving.gateway.cache.flights
