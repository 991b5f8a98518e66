"""What was read in two ways elsewhere is refused here or read in the one right way: alone, cut, and behind nginx."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import answers
from tests.gateway.fronts import nginx
from tests.gateway.serving import Client, Serving, config, start
from tests.gateway.smuggling import INNER, READ, REFUSED
from tests.scripted import Scripted

NEXT = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Watched:
    """A gateway, and the paths of all requests that it has taken for ones."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.paths: list[bytes] = []
        admit = serving.gateway.admit

        def spy(request: Any, connection: Any) -> Any:
            self.paths.append(request.path)
            return admit(request, connection)

        serving.gateway.admit = spy  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with Scripted(answers.chat("anthropic")) as provider:
        serving = start(config({"up": ("anthropic", provider.url)}))
        yield Watched(serving)
        serving.stop()


@pytest.fixture(scope="module")
def front(watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of an nginx in front of it, and where nginx writes down what it has passed on."""
    root = tmp_path_factory.mktemp("front")
    with nginx(root, f"127.0.0.1:{watched.serving.port}") as port:
        yield port, root / "access.log"


def _statuses(port: int, pieces: list[bytes]) -> list[int]:
    """Of all answers up to the connection's end."""
    statuses: list[int] = []
    with Client(port, 20) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # it may be refused before the end
            for piece in pieces:
                client.send(piece)
        with contextlib.suppress(EOFError):
            while True:
                statuses.append(client.read().status)
    return statuses


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_and_ends_the_connection(name: str, watched: Watched) -> None:
    data = REFUSED[name]
    assert INNER in data
    for pieces in ([data + NEXT], [data, NEXT], [data[:40], data[40:], NEXT]):
        watched.paths.clear()
        statuses = _statuses(watched.serving.port, pieces)
        assert len(statuses) == 1
        assert statuses[0] in (400, 404, 405, 415, 417, 505)
        assert not {b"/smuggled", b"/readyz"} & {*watched.paths}


@pytest.mark.parametrize("name", READ)
def test_what_is_one_request_is_read_as_one(name: str, watched: Watched) -> None:
    data = READ[name]
    assert INNER in data
    for pieces in ([data + NEXT], [data, NEXT], [data[:40], data[40:-7], data[-7:], NEXT]):
        watched.paths.clear()
        statuses = _statuses(watched.serving.port, pieces)
        assert statuses[-1] == 200
        assert len(statuses) == 2
        assert watched.paths[-1] == b"/readyz"
        assert len(watched.paths) == 2


@pytest.mark.parametrize("name", [*REFUSED, *READ])
def test_nothing_is_smuggled_past_nginx(name: str, front: tuple[int, Path], watched: Watched) -> None:
    """Whatever nginx makes of it: what the gateway takes for requests are those that nginx has sent, in their order."""
    port, log = front
    watched.paths.clear()
    before = log.read_text()
    _statuses(port, [(REFUSED | READ)[name] + NEXT])
    assert _statuses(port, [NEXT]) == [200]
    lines = log.read_text().removeprefix(before).splitlines()
    sent = iter([line.rsplit(" ", 1)[0].encode() for line in lines if not line.endswith(" -")])
    assert all(path in sent for path in watched.paths)  # each after the one before it
    assert watched.paths[-1] == b"/readyz"
    assert len(watched.paths) <= len(lines)
