import asyncio
import gc
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from tests.http.conftest import DEFAULTS, HEAD, OK, PATIENCE, Peer, Server, answering, new_async_pool, unfinished
from tsuji.core.errors import InternalError, InvalidRequestError, TsujiError, UpstreamConnectionError
from tsuji.core.timeouts import Timeouts
from tsuji.http.aio import AsyncPool, Exchange
from tsuji.http.message import ResponseHead
from tsuji.http.tls import TlsConfig
from tsuji.http.url import Origin

Run = Callable[[Awaitable[Any]], Any]
Serve = Callable[..., Server]


class Recorder:
    """A sink that writes down what it is told. `over`: told that the exchange is over."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.over = asyncio.Event()
        self.begun = asyncio.Event()

    def on_head(self, head: ResponseHead) -> None:
        self.events.append(head.status)

    def on_body(self, data: bytes) -> None:
        self.events.append(data)
        self.begun.set()

    def on_end(self) -> None:
        self.events.append("end")
        self.over.set()

    def on_failure(self, error: TsujiError) -> None:
        self.events.append(error)
        self.over.set()


def start(pool: AsyncPool, origin: Origin, sink: Any, body: bytes = b"{}", timeouts: Timeouts = DEFAULTS) -> Exchange:
    return pool.start(b"POST", origin, b"/", b"", body, timeouts, sink)


def test_a_sink_hears_all_in_order(run: Run, serve: Serve) -> None:
    server = serve(answering(OK, OK))

    async def main() -> None:
        pool = new_async_pool()
        for _ in range(2):
            sink = Recorder()
            start(pool, server.origin, sink)
            assert sink.events == []
            await sink.over.wait()
            assert sink.events == [200, b"ok", "end"]
        await pool.close()

    run(main())
    assert server.connections == 1


def test_the_connection_is_free_when_the_end_is_told(run: Run, serve: Serve) -> None:
    server = serve(answering(*[OK] * 5))

    async def main() -> None:
        pool = new_async_pool()
        last = Recorder()

        class Again(Recorder):
            def __init__(self, left: int) -> None:
                super().__init__()
                self.left = left

            def on_end(self) -> None:
                start(pool, server.origin, Again(self.left - 1) if self.left else last)

        start(pool, server.origin, Again(3))
        await last.over.wait()
        assert last.events == [200, b"ok", "end"]
        await pool.close()

    run(main())
    assert server.connections == 1


def test_no_task_and_no_timer_for_a_request_on_a_kept_connection(run: Run, serve: Serve) -> None:
    server = serve(answering(OK, OK))

    async def main() -> None:
        pool = new_async_pool()
        for _ in range(2):
            sink = Recorder()
            start(pool, server.origin, sink)
            before = len(asyncio.all_tasks())
            await sink.over.wait()
        assert before == 1
        await pool.close()

    run(main())


@pytest.mark.parametrize("when", ["connecting", "waiting", "streaming"])
def test_cancel_closes_the_upstream_connection_and_silences_the_sink(run: Run, serve: Serve, when: str) -> None:
    server = serve(unfinished if when == "streaming" else lambda peer: peer.sees_close())

    async def main() -> None:
        pool = new_async_pool()
        sink = Recorder()
        exchange = start(pool, server.origin, sink)
        if when == "streaming":
            await sink.begun.wait()
        elif when == "waiting":
            await asyncio.sleep(0.1)
        exchange.cancel()
        exchange.cancel()
        await asyncio.to_thread(server.stop)
        assert sink.events == ([200, b"some"] if when == "streaming" else [])
        await pool.close()

    run(main())


def test_cancel_from_within_a_callback(run: Run, serve: Serve) -> None:
    chunks = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
    server = serve(answering(chunks))

    async def main() -> None:
        pool = new_async_pool()

        class Impatient(Recorder):
            def on_body(self, data: bytes) -> None:
                super().on_body(data)
                exchange.cancel()

        sink = Impatient()
        exchange = start(pool, server.origin, sink)
        await sink.begun.wait()
        await asyncio.to_thread(server.stop)
        assert sink.events == [200, b"a"]
        await pool.close()

    run(main())


@pytest.mark.parametrize("failing", ["on_head", "on_body"])
def test_a_sink_that_raises_ends_its_exchange_alone(run: Run, serve: Serve, failing: str) -> None:
    server = serve(answering(OK))
    reports: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        pool = new_async_pool()
        sink = Recorder()

        def fail(_: object) -> None:
            raise ZeroDivisionError

        setattr(sink, failing, fail)
        start(pool, server.origin, sink)
        await sink.over.wait()
        assert isinstance(sink.events[-1], InternalError)
        healthy = Recorder()
        start(pool, server.origin, healthy)
        await healthy.over.wait()
        assert healthy.events[-1] == "end"
        await pool.close()

    run(main())
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]


def test_a_sink_that_raises_at_a_failure_does_not_stop_the_watch(run: Run, serve: Serve) -> None:
    server = serve(lambda peer: peer.sees_close())
    reports: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        pool = new_async_pool()
        broken, healthy = Recorder(), Recorder()

        def fail(_: object) -> None:
            raise ZeroDivisionError

        broken.on_failure = fail  # type: ignore[method-assign]
        start(pool, server.origin, broken, timeouts=Timeouts(total=0.1))
        start(pool, server.origin, healthy, timeouts=Timeouts(total=0.3))
        await healthy.over.wait()
        assert [error.timeout for error in healthy.events] == ["total"]
        await pool.close()

    run(main())
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]


def test_an_exchange_leaves_no_garbage_behind(run: Run, serve: Serve) -> None:
    server = serve(answering(*[OK] * 30))

    async def main() -> None:
        pool = new_async_pool()
        gc.collect()
        gc.disable()
        try:
            for _ in range(30):
                sink = Recorder()
                start(pool, server.origin, sink)
                await sink.over.wait()
            assert sum(isinstance(left, Exchange) for left in gc.get_objects()) == 0
        finally:
            gc.enable()
        await pool.close()

    run(main())


def test_pause_stops_reading_and_rests_the_idle_limit(run: Run, serve: Serve) -> None:
    size = 30_000_000
    sent: list[int] = []

    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % size)
        for at in range(0, size, 1_000_000):
            peer.send(bytes(1_000_000))
            sent.append(at)
        peer.sees_close()

    server = serve(handle)

    async def main() -> None:
        pool = new_async_pool()
        sink = Recorder()
        exchange = start(pool, server.origin, sink, timeouts=Timeouts(idle=0.5))
        await sink.begun.wait()
        exchange.pause()
        exchange.pause()
        await asyncio.sleep(1.2)
        assert len(sent) < size // 1_000_000
        assert not sink.over.is_set()
        exchange.resume()
        exchange.resume()
        await sink.over.wait()
        assert sink.events[-1] == "end"
        assert sum(map(len, sink.events[1:-1])) == size
        await pool.close()

    run(main())


def test_a_pause_before_the_connection_is_there(run: Run, serve: Serve) -> None:
    server = serve(answering(OK, OK))

    async def main() -> None:
        pool = new_async_pool()
        for _ in range(2):
            sink = Recorder()
            exchange = start(pool, server.origin, sink, timeouts=Timeouts(first_byte=0.5))
            exchange.pause()
            await asyncio.sleep(0.8)
            assert sink.events == []
            exchange.resume()
            await sink.over.wait()
            assert sink.events == [200, b"ok", "end"]
        await pool.close()

    run(main())


def test_a_pool_serves_one_loop_after_another(serve: Serve) -> None:
    server = serve(answering(*[OK] * 4))
    pool = new_async_pool()

    async def main() -> None:
        for _ in range(2):
            response = await pool.request(b"POST", server.origin, b"/", b"", b"", DEFAULTS)
            assert await response.read() == b"ok"

    for run in (asyncio.run, uvloop.run, asyncio.run):
        run(main())
        gc.collect()
    assert server.connections == 3


def test_a_pool_serves_loops_in_two_threads(serve: Serve) -> None:
    server = serve(answering(*[OK] * 50))
    pool = new_async_pool()
    done: list[bytes] = []

    async def main() -> None:
        for _ in range(20):
            response = await pool.request(b"POST", server.origin, b"/", b"", b"", DEFAULTS)
            done.append(await response.read())

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert done == [b"ok"] * 40
    assert server.connections == 2


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_closed_pool_leaves_nothing_open_on_a_loop_that_closes_at_once(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    serve: Serve,
    server_tls: ssl.SSLContext,
    ca_file: str,
    secure: bool,
) -> None:
    server = serve(answering(OK), server_tls if secure else None)
    pool = new_async_pool(tls=TlsConfig(ca_file=ca_file))

    async def main() -> None:
        response = await pool.request(b"POST", server.origin, b"/", b"", b"", DEFAULTS)
        assert await response.read() == b"ok"
        await pool.close()

    loop = new_loop()
    loop.run_until_complete(main())
    loop.close()
    gc.collect()  # a transport that is still open says so here
    server.stop()


def test_a_connection_whose_request_was_not_taken_is_not_kept(run: Run, serve: Serve) -> None:
    def handle(peer: Peer) -> None:
        peer.socket.recv(1000)
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        threading.Event().wait(0.2)
        assert peer.sees_close()

    server = serve(handle)

    async def main() -> None:
        pool = new_async_pool()
        for _ in range(2):
            sink = Recorder()
            start(pool, server.origin, sink, body=bytes(20_000_000))
            await sink.over.wait()
            assert sink.events == [413, "end"]
        await pool.close()

    run(main())
    assert server.connections == 2


def test_what_is_under_way_when_the_loop_ends(run: Run, serve: Serve) -> None:
    server = serve(unfinished)
    sinks: list[Recorder] = []

    async def main() -> None:
        pool = new_async_pool()
        sinks.extend((Recorder(), Recorder()))
        start(pool, server.origin, sinks[0])
        await sinks[0].begun.wait()
        start(pool, server.origin, sinks[1])

    run(main())
    assert [type(sink.events[-1]) for sink in sinks] == [UpstreamConnectionError] * 2


def test_closing_a_pool_fails_what_is_under_way(run: Run, serve: Serve) -> None:
    server = serve(unfinished)

    async def main() -> None:
        pool = new_async_pool()
        sink = Recorder()
        start(pool, server.origin, sink)
        await sink.begun.wait()
        await pool.close()
        assert isinstance(sink.events[-1], UpstreamConnectionError)
        assert sink.events[-1].fault == "gateway"
        with pytest.raises(InvalidRequestError, match="closed"):
            start(pool, server.origin, sink)

    run(main())


def test_an_idle_connection_that_speaks_is_dropped(run: Run, serve: Serve) -> None:
    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        threading.Event().wait(0.1)
        peer.send(b"?")
        assert peer.sees_close()

    server = serve(handle)

    async def main() -> None:
        pool = new_async_pool()
        for _ in range(2):
            response = await pool.request(b"POST", server.origin, b"/", b"", b"", DEFAULTS)
            assert await response.read() == b"ok"
            await asyncio.sleep(0.3)
        await pool.close()

    run(main())
    assert server.connections == 2


def test_many_at_once(run: Run, serve: Serve) -> None:
    def echo(peer: Peer) -> None:
        while request := peer.request():
            body = request.partition(b"\r\n\r\n")[2]
            peer.send(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    server = serve(echo)

    async def main() -> None:
        pool = new_async_pool(max_idle_per_origin=8)

        async def work(worker: int) -> None:
            for number in range(50):
                body = b"%d-%d" % (worker, number)
                response = await pool.request(b"POST", server.origin, b"/", b"", body, DEFAULTS)
                assert await response.read() == body

        await asyncio.gather(*map(work, range(16)))
        await pool.close()

    run(main())
    assert server.connections >= 16


def test_limits_are_watched_after_a_rest(run: Run, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsuji.http.aio_lanes.REST", 1)
    server = serve(lambda peer: (peer.request(), peer.send(OK), peer.sees_close()))

    async def main() -> None:
        pool = new_async_pool()
        for timeouts in (DEFAULTS, Timeouts(first_byte=0.2)):
            sink = Recorder()
            start(pool, server.origin, sink, timeouts=timeouts)
            await sink.over.wait()
            await asyncio.sleep(0.3)
        assert sink.events[0].timeout == "first_byte"
        await pool.close()

    run(main())
