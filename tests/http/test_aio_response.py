"""The awaitable face of the asyncio driver."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.http.conftest import DEFAULTS, HEAD, OK, Peer, Server, answering, new_async_pool, unfinished

Run = Callable[[Awaitable[Any]], Any]
Serve = Callable[..., Server]


def test_without_decoding_nothing_is_asked_for(run: Run, serve: Serve) -> None:
    requests: list[bytes] = []
    answer = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"
    server = serve(lambda peer: (requests.append(peer.request()), peer.send(answer), peer.sees_close()))

    async def main() -> bytes:
        pool = new_async_pool(decode=False)
        response = await pool.request(b"GET", server.origin, b"/", b"", b"", DEFAULTS)
        body = await response.read()
        await pool.close()
        return body

    assert run(main()) == b"nope"
    assert b"accept-encoding" not in requests[0].lower()


def test_a_slow_reader_holds_the_server_back(run: Run, serve: Serve) -> None:
    sent: list[int] = []

    def handle(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"\r\n")
        for _ in range(30):
            peer.send(bytes(1_000_000))
            sent.append(1)

    server = serve(handle)

    async def main() -> None:
        pool = new_async_pool()
        async with await pool.request(b"POST", server.origin, b"/", b"", b"", DEFAULTS) as response:
            await asyncio.sleep(0.5)
            assert len(sent) < 30
            assert len(await response.read()) == 30_000_000
        await pool.close()

    run(main())


@pytest.mark.parametrize("when", ["connecting", "waiting", "streaming"])
def test_cancelling_a_task_closes_its_connection(run: Run, serve: Serve, when: str) -> None:
    server = serve(unfinished if when == "streaming" else lambda peer: peer.sees_close())

    async def main() -> None:
        pool = new_async_pool()

        async def fetch() -> bytes:
            response = await pool.request(b"POST", server.origin, b"/", b"", b"", DEFAULTS)
            return await response.read()

        task = asyncio.create_task(fetch())
        await asyncio.sleep(0 if when == "connecting" else 0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(server.stop)
        await pool.close()

    run(main())


def test_leaving_an_iteration(run: Run, serve: Serve) -> None:
    server = serve(unfinished)

    async def main() -> None:
        pool = new_async_pool()
        async with await pool.request(b"POST", server.origin, b"/", b"", b"", DEFAULTS) as response:
            async for piece in response.iter_bytes():
                assert piece == b"some"
                break
        await asyncio.to_thread(server.stop)
        await pool.close()

    run(main())


def test_a_response_can_be_read_again(run: Run, serve: Serve) -> None:
    server = serve(answering(OK))

    async def main() -> None:
        pool = new_async_pool()
        response = await pool.request(b"POST", server.origin, b"/", b"", b"", DEFAULTS)
        assert response.get(b"content-length") == b"2"
        assert (await response.read(), await response.read()) == (b"ok", b"ok")
        await pool.close()

    run(main())
