"""What both drivers do with what a server does."""

import gzip
import socket
import threading
from collections.abc import Callable

import pytest

from tests.http.conftest import HEAD, OK, Driver, Peer, Server, answering
from tsuji.core.errors import (
    InvalidRequestError,
    StreamInterruptedError,
    TsujiError,
    UpstreamConnectionError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)
from tsuji.core.timeouts import Timeouts
from tsuji.http.dial import new_socket
from tsuji.http.url import Origin

Make = Callable[..., Driver]
Serve = Callable[..., Server]


def test_a_connection_is_kept(driver: Driver, serve: Serve) -> None:
    server = serve(answering(*[OK] * 5))
    for _ in range(5):
        assert driver.fetch(server.origin).body == b"ok"
    assert server.connections == 1


def test_what_is_sent(driver: Driver, serve: Serve) -> None:
    requests: list[bytes] = []
    server = serve(lambda peer: (requests.append(peer.request()), peer.send(OK), peer.sees_close()))
    driver.fetch(server.origin, b"/v1/chat?beta=true", body=b'{"a": 1}', headers=(("Authorization", "Bearer k"),))
    assert requests == [
        b"POST /v1/chat?beta=true HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept-Encoding: gzip, deflate\r\n"
        b'Authorization: Bearer k\r\nContent-Length: 8\r\n\r\n{"a": 1}' % server.port
    ]


@pytest.mark.parametrize("status", [200, 301, 404, 429, 500, 503])
def test_any_status_is_a_response(driver: Driver, serve: Serve, status: int) -> None:
    server = serve(answering(b"HTTP/1.1 %d X\r\nLocation: /x\r\nContent-Length: 1\r\n\r\nx" % status))
    answer = driver.fetch(server.origin)
    assert (answer.status, answer.body) == (status, b"x")


@pytest.mark.parametrize(
    "ending", [b"Connection: close\r\nContent-Length: 2\r\n\r\nok", b"Content-Length: 2\r\n\r\nokHTTP/1.1 200"]
)
def test_a_connection_that_may_not_be_kept_is_closed(driver: Driver, serve: Serve, ending: bytes) -> None:
    server = serve(answering(HEAD + ending))
    assert driver.fetch(server.origin).body == b"ok"
    assert driver.fetch(server.origin).body == b"ok"
    assert server.connections == 2


def test_a_body_until_the_end_of_the_connection(driver: Driver, serve: Serve) -> None:
    server = serve(lambda peer: (peer.request(), peer.send(HEAD + b"\r\n"), peer.send(b"some")))
    assert driver.fetch(server.origin).body == b"some"


def test_head_and_get(driver: Driver, serve: Serve) -> None:
    server = serve(answering(HEAD + b"Content-Length: 9\r\n\r\n", OK))
    assert driver.fetch(server.origin, method=b"HEAD", body=b"").body == b""
    assert driver.fetch(server.origin, method=b"GET", body=b"").body == b"ok"
    assert server.connections == 1


def test_continue_and_early_hints_are_skipped(driver: Driver, serve: Serve) -> None:
    def handle(peer: Peer) -> None:
        peer.request()
        for part in (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", OK):
            peer.send(part)
        peer.sees_close()

    assert driver.fetch(serve(handle).origin).body == b"ok"


def test_chunks_arrive_as_they_are_sent(driver: Driver, serve: Serve) -> None:
    went_on = threading.Event()

    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        assert went_on.wait(10)
        peer.send(b"3\r\ntwo\r\n0\r\n\r\n")
        peer.sees_close()

    class Pieces(list[bytes]):
        def append(self, piece: bytes) -> None:
            super().append(piece)
            went_on.set()

    pieces = Pieces()
    driver.pieces(serve(handle).origin, pieces)
    assert pieces == [b"one", b"two"]


def test_a_compressed_stream_arrives_as_it_is_sent(driver: Driver, serve: Serve) -> None:
    data = gzip.compress(b"event " * 1000)
    server = serve(answering(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(data) + data))
    assert driver.fetch(server.origin).body == b"event " * 1000


def test_a_large_body_both_ways(driver: Driver, serve: Serve) -> None:
    def handle(peer: Peer) -> None:
        body = peer.request().partition(b"\r\n\r\n")[2]
        peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
        peer.send(body)
        peer.sees_close()

    body = bytes(range(256)) * 20_000
    assert driver.fetch(serve(handle).origin, body=body).body == body


def test_an_answer_before_the_request_was_taken(driver: Driver, serve: Serve) -> None:
    def handle(peer: Peer) -> None:
        peer.socket.recv(1000)
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.sees_close()

    server = serve(handle)
    for _ in range(2):
        assert driver.fetch(server.origin, body=bytes(3_000_000)).status == 413
    assert server.connections == 2


def test_a_kept_connection_that_the_server_closed_is_not_used(driver: Driver, serve: Serve) -> None:
    server = serve(lambda peer: (peer.request(), peer.send(OK)))
    for _ in range(3):
        assert driver.fetch(server.origin).body == b"ok"
    assert server.connections == 3


@pytest.mark.parametrize("reset", [True, False])
def test_a_request_that_meets_the_close_of_a_kept_connection_is_sent_again(
    driver: Driver, serve: Serve, reset: bool
) -> None:
    requests: list[bytes] = []

    def handle(peer: Peer) -> None:
        requests.append(peer.request())
        peer.send(OK)
        if len(requests) == 1:
            requests.append(peer.request())
            if reset:
                peer.reset()
        else:
            peer.sees_close()

    server = serve(handle)
    assert driver.fetch(server.origin, body=b"1").body == b"ok"
    assert driver.fetch(server.origin, body=b"2").body == b"ok"
    assert [request[-1:] for request in requests] == [b"1", b"2", b"2"]


def test_it_is_sent_again_only_once(driver: Driver, serve: Serve) -> None:
    requests: list[bytes] = []

    def handle(peer: Peer) -> None:
        requests.append(peer.request())
        if len(requests) == 1:
            peer.send(OK)
            requests.append(peer.request())

    server = serve(handle)
    driver.fetch(server.origin)
    with pytest.raises(UpstreamConnectionError, match="before it answered"):
        driver.fetch(server.origin)
    assert len(requests) == 3


def test_a_kept_connection_that_dies_in_mid_answer_is_not_tried_again(driver: Driver, serve: Serve) -> None:
    requests: list[bytes] = []

    def handle(peer: Peer) -> None:
        requests.append(peer.request())
        peer.send(OK)
        requests.append(peer.request())
        peer.send(b"HTTP/1.1 2")

    server = serve(handle)
    driver.fetch(server.origin)
    with pytest.raises(UpstreamConnectionError):
        driver.fetch(server.origin)
    assert len(requests) == 2


@pytest.mark.parametrize("reset", [True, False])
def test_a_new_connection_that_dies_is_an_error_at_once(driver: Driver, serve: Serve, reset: bool) -> None:
    server = serve(lambda peer: (peer.request(), peer.reset() if reset else None))
    with pytest.raises(UpstreamConnectionError, match="before it answered") as caught:
        driver.fetch(server.origin)
    assert caught.value.retryable
    assert server.connections == 1


@pytest.mark.parametrize(
    "start", [b"Content-Length: 100\r\n\r\nsome", b"Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"]
)
@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_answer_is_an_error_after_what_was_delivered(
    driver: Driver, serve: Serve, start: bytes, reset: bool
) -> None:
    pieces: list[bytes] = []
    delivered = threading.Event()

    class Pieces(list[bytes]):
        def append(self, piece: bytes) -> None:
            pieces.append(piece)
            delivered.set()

    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + start)
        assert delivered.wait(10)
        if reset:
            peer.reset()

    with pytest.raises(StreamInterruptedError, match="in the middle"):
        driver.pieces(serve(handle).origin, Pieces())
    assert pieces == [b"some"]


def test_garbage_after_a_good_start_does_not_lose_the_start(driver: Driver, serve: Serve) -> None:
    pieces: list[bytes] = []
    server = serve(
        lambda peer: (peer.request(), peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n"))
    )
    with pytest.raises(UpstreamProtocolError, match="malformed"):
        driver.pieces(server.origin, pieces)
    assert pieces == [b"ok"]


def test_garbage(driver: Driver, serve: Serve) -> None:
    server = serve(lambda peer: (peer.request(), peer.send(b"220 smtp.example ESMTP\r\n")))
    with pytest.raises(UpstreamProtocolError, match="malformed"):
        driver.fetch(server.origin)


@pytest.mark.parametrize(
    ("kind", "sent", "timeouts"),
    [
        ("first_byte", b"", Timeouts(first_byte=0.2)),
        ("first_byte", HEAD, Timeouts(first_byte=0.2)),
        ("idle", HEAD + b"Content-Length: 9\r\n\r\n1", Timeouts(idle=0.2)),
        ("total", b"", Timeouts(total=0.2)),
        ("total", HEAD + b"Content-Length: 9\r\n\r\n1", Timeouts(total=0.2)),
    ],
)
def test_silence_is_bounded(driver: Driver, serve: Serve, kind: str, sent: bytes, timeouts: Timeouts) -> None:
    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(sent)
        assert peer.sees_close()

    with pytest.raises(UpstreamTimeoutError, match=f"timeouts.{kind}") as caught:
        driver.fetch(serve(handle).origin, timeouts=timeouts)
    assert caught.value.timeout == kind


@pytest.mark.parametrize(
    ("kind", "drop", "timeouts"),
    [
        ("first_byte", b"X: y\r\n", Timeouts(first_byte=0.4, idle=5)),
        ("total", b"1\r\nx\r\n", Timeouts(first_byte=5, total=0.4)),
    ],
)
def test_dripping_does_not_lift_a_limit(
    driver: Driver, serve: Serve, kind: str, drop: bytes, timeouts: Timeouts
) -> None:
    stopped = threading.Event()

    def handle(peer: Peer) -> None:
        peer.request()
        try:
            peer.send(HEAD + (b"" if kind == "first_byte" else b"Transfer-Encoding: chunked\r\n\r\n"))
            while not stopped.wait(0.05):
                peer.send(drop)
        except OSError:
            return

    server = serve(handle)
    try:
        with pytest.raises(UpstreamTimeoutError) as caught:
            driver.fetch(server.origin, timeouts=timeouts)
    finally:
        stopped.set()
    assert caught.value.timeout == kind


def test_steady_drops_are_not_idle(driver: Driver, serve: Serve) -> None:
    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"Content-Length: 8\r\n\r\n")
        for _ in range(8):
            threading.Event().wait(0.2)
            peer.send(b"x")
        peer.sees_close()

    assert driver.fetch(serve(handle).origin, timeouts=Timeouts(idle=1)).body == b"x" * 8


def full_listener() -> tuple[socket.socket, list[socket.socket]]:
    """A port whose queue of connections is full, so that the next one gets no answer."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting: list[socket.socket] = []
    for _ in range(4):
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(listener.getsockname())
    return listener, waiting


def test_a_connection_that_is_not_taken(driver: Driver) -> None:
    listener, waiting = full_listener()
    try:
        with pytest.raises(UpstreamTimeoutError) as caught:
            driver.fetch(Origin("http", "127.0.0.1", listener.getsockname()[1]), timeouts=Timeouts(connect=0.3))
    finally:
        for one in [listener, *waiting]:
            one.close()
    assert caught.value.timeout == "connect"


def test_a_tls_handshake_that_never_ends(driver: Driver, serve: Serve) -> None:
    server = serve(lambda peer: peer.sees_close())
    with pytest.raises(UpstreamTimeoutError) as caught:
        driver.fetch(Origin("https", "localhost", server.port), timeouts=Timeouts(connect=0.3))
    assert caught.value.timeout == "connect"


def test_a_refused_connection(driver: Driver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UpstreamConnectionError, match="refused") as caught:
        driver.fetch(Origin("http", "127.0.0.1", port))
    assert caught.value.fault == "upstream"


def test_a_host_without_an_address(driver: Driver) -> None:
    with pytest.raises(UpstreamConnectionError, match="has no address"):
        driver.fetch(Origin("http", "no-such-host.invalid", 80))


def test_the_next_address_is_tried(driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for localhost where only one of ::1 and 127.0.0.1 is listened on."""
    server = serve(answering(OK))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in (closed, ("127.0.0.1", server.port))]
    for module in ("dial", "aio_dial"):
        monkeypatch.setattr(f"tsuji.http.{module}.numeric_address", lambda *_: addresses)
    assert driver.fetch(Origin("http", "two-addresses.example", 80)).body == b"ok"


def test_a_name_is_resolved(driver: Driver, serve: Serve) -> None:
    assert driver.fetch(Origin("http", "localhost", serve(answering(OK)).port)).body == b"ok"


def test_idle_connections_are_limited_in_number(make_driver: Make, serve: Serve) -> None:
    server = serve(answering(OK))
    driver = make_driver(max_idle_per_origin=0)
    driver.fetch(server.origin)
    driver.fetch(server.origin)
    assert server.connections == 2


def test_idle_connections_expire(make_driver: Make, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsuji.http.aio_lanes.IDLE_SWEEP", 0.01)
    server = serve(answering(OK))
    driver = make_driver(idle_expiry=0.05)
    driver.fetch(server.origin)
    driver.rest(0.3)
    driver.fetch(server.origin)
    assert server.connections == 2


def test_nagle_is_off() -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        with new_socket((family, socket.SOCK_STREAM, 0, "", ())) as made:
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("target", [b"/a b", b"/\r\nX: y"])
def test_a_request_that_cannot_be_sent_is_the_callers_fault(driver: Driver, serve: Serve, target: bytes) -> None:
    server = serve(answering(OK))
    with pytest.raises(InvalidRequestError):
        driver.fetch(server.origin, target)
    assert server.connections == 0


def test_a_closed_pool_says_so(driver: Driver, serve: Serve) -> None:
    server = serve(answering(OK))
    driver.fetch(server.origin)
    driver.close_pool()
    with pytest.raises(TsujiError, match="closed"):
        driver.fetch(server.origin)
