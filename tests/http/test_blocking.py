import gc
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.http.conftest import HEAD, OK, PATIENCE, UNFINISHED, Peer, Server, answering, unfinished
from tsuji.core.errors import StreamInterruptedError, UpstreamProtocolError
from tsuji.core.timeouts import Timeouts
from tsuji.http.blocking import BlockingPool, BlockingResponse
from tsuji.http.proxy import Proxies
from tsuji.http.tls import TlsConfig
from tsuji.http.url import Origin


@pytest.fixture
def pool(serve: Callable[..., Server], ca_file: str) -> Iterator[BlockingPool]:
    """Asks for `serve` so that it closes first: servers wait for their clients to leave."""
    pool = BlockingPool(proxies=Proxies(), tls=TlsConfig(ca_file=ca_file))
    yield pool
    pool.close()


def post(pool: BlockingPool, origin: Origin, body: bytes = b"{}") -> BlockingResponse:
    return pool.request(b"POST", origin, b"/", b"", body, Timeouts())


def test_a_response(pool: BlockingPool, serve: Callable[..., Server]) -> None:
    server = serve(answering(OK.replace(b"Content", b"X-A: b\r\nContent")))
    response = post(pool, server.origin)
    assert (response.status, response.get(b"x-a"), response.get(b"absent")) == (200, b"b", None)
    assert response.read() == b"ok"
    assert response.read() == b"ok"
    assert list(response.iter_bytes()) == [b"ok"]


def test_the_body_is_not_awaited(pool: BlockingPool, serve: Callable[..., Server]) -> None:
    going = threading.Event()

    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(UNFINISHED)
        assert going.wait(PATIENCE)
        peer.send(b" more")
        peer.sees_close()

    response = post(pool, serve(handle).origin)
    assert response.get(b"x-a") == b"b"
    pieces = response.iter_bytes()
    assert next(pieces) == b"some"
    going.set()
    assert list(pieces) == [b" more"]


def test_closing_an_unfinished_response_closes_the_connection(pool: BlockingPool, serve: Callable[..., Server]) -> None:
    server = serve(unfinished)
    with post(pool, server.origin) as response:
        assert response.status == 200
    with pytest.raises(StreamInterruptedError, match="was closed"):
        response.read()


def test_leaving_an_iteration_closes_the_connection(pool: BlockingPool, serve: Callable[..., Server]) -> None:
    for piece in post(pool, serve(unfinished).origin).iter_bytes():
        assert piece == b"some"
        break


def test_forgetting_a_response_closes_the_connection(pool: BlockingPool, serve: Callable[..., Server]) -> None:
    server = serve(unfinished)
    post(pool, server.origin)
    gc.collect()
    server.stop()


def test_another_thread_can_end_a_wait(pool: BlockingPool, serve: Callable[..., Server]) -> None:
    response = post(pool, serve(unfinished).origin)
    outcome: list[BaseException] = []

    def read() -> None:
        try:
            response.read()
        except StreamInterruptedError as error:
            outcome.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    response.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(outcome) == 1


def test_a_body_without_end_is_not_kept_in_memory(
    pool: BlockingPool, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsuji.http.blocking.MAX_WHOLE_BODY", 1_000_000)

    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"\r\n")
        try:
            while True:
                peer.send(bytes(10_000))
        except OSError:
            return

    with pytest.raises(UpstreamProtocolError, match="more than 1000000"):
        post(pool, serve(handle).origin).read()


def echo(peer: Peer) -> None:
    while request := peer.request():
        body = request.partition(b"\r\n\r\n")[2]
        peer.send(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


@pytest.mark.parametrize("secure", [False, True])
def test_eight_threads_share_a_pool(
    pool: BlockingPool, serve: Callable[..., Server], server_tls: ssl.SSLContext, secure: bool
) -> None:
    server = serve(echo, server_tls if secure else None)

    def work(thread: int) -> list[bool]:
        bodies = [b"%d-%d" % (thread, number) for number in range(100)]
        return [post(pool, server.origin, body).read() == body for body in bodies]

    with ThreadPoolExecutor(8) as threads:
        assert all(all(answers) for answers in threads.map(work, range(8)))
    assert server.connections <= 8


def needs_fork(test: Callable[..., None]) -> Callable[..., None]:
    test = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")(test)
    return pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")(test)


@needs_fork
@pytest.mark.parametrize("secure", [False, True])
def test_a_fork_leaves_the_parents_connections_alone(
    pool: BlockingPool, serve: Callable[..., Server], server_tls: ssl.SSLContext, secure: bool
) -> None:
    server = serve(echo, server_tls if secure else None)
    half_read = post(pool, server.origin, bytes(1_000_000))
    assert post(pool, server.origin, b"before").read() == b"before"
    assert server.connections == 2
    child = os.fork()
    if child == 0:
        half_read.close()
        fine = post(pool, server.origin, b"child").read() == b"child"
        pool.close()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.connections == 3
    assert half_read.read() == bytes(1_000_000)
    assert post(pool, server.origin, b"after").read() == b"after"
    assert server.connections == 3


@needs_fork
def test_a_child_that_ends_an_inherited_response_does_not_keep_its_connection(
    pool: BlockingPool, serve: Callable[..., Server]
) -> None:
    server = serve(echo)
    response = post(pool, server.origin, bytes(1_000_000))
    child = os.fork()
    if child == 0:
        fine = response.read() == bytes(1_000_000) and post(pool, server.origin, b"child").read() == b"child"
        pool.close()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.connections == 2
    response.close()


def test_a_response_that_ends_after_the_pool_closed(pool: BlockingPool, serve: Callable[..., Server]) -> None:
    going = threading.Event()

    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(UNFINISHED)
        assert going.wait(PATIENCE)
        peer.send(b" more")
        assert peer.sees_close()

    server = serve(handle)
    response = post(pool, server.origin)
    pool.close()
    going.set()
    assert response.read() == b"some more"
    server.stop()


def test_old_connections_do_not_pile_up(serve: Callable[..., Server]) -> None:
    """Under a light load after a heavy one, those at the bottom of the stack would never be looked at."""
    together = threading.Barrier(4)
    ended: list[Peer] = []

    def handle(peer: Peer) -> None:
        peer.request()
        together.wait(PATIENCE)
        peer.send(OK)
        echo(peer)
        ended.append(peer)

    server = serve(handle)
    pool = BlockingPool(proxies=Proxies(), idle_expiry=0.3)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: post(pool, server.origin).read(), range(4))) == [b"ok"] * 4
    for _ in range(100):
        if len(ended) == 3:
            break
        assert post(pool, server.origin).read() == b"{}"
        threading.Event().wait(0.05)
    assert (server.connections, len(ended)) == (4, 3)
    pool.close()
