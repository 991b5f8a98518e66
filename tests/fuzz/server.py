"""A client's connection without a socket: what a fuzzer feeds, and what came of it."""

import asyncio
from typing import Any

from tsuji.config import Config, LedgerConfig, Server
from tsuji.gateway import Gateway, reply
from tsuji.gateway.request import Request
from tsuji.gateway.server import Connection


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed or not data
        self.written += data

    def writelines(self, pieces: Any) -> None:
        for piece in pieces:
            self.write(piece)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 4711) if name == "peername" else None


class Served:
    """A gateway that lets requests in by its own rules, and answers each at once with 200."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.taken: list[tuple[bytes, bytes, bytes]] = []
        config = Config(Server(keys=["k"], trusted_proxies=["192.0.2.0/24"]), ledger=LedgerConfig(enabled=False))
        self.gateway = self.loop.run_until_complete(self._made(config))
        self.gateway.answer = self._answer  # type: ignore[method-assign]

    async def _made(self, config: Config) -> Gateway:
        return Gateway(config)

    def _answer(self, request: Request, connection: Connection) -> None:
        assert request.complete or request.refusal is not None
        if request.refusal is None:
            self.taken.append((request.method, request.path, request.body))
        status = 200 if request.refusal is None else reply.error_status(request.refusal)
        assert isinstance(connection.address, str)
        connection.whole(reply.status_line(status), b"")

    def feed(self, pieces: list[bytes]) -> tuple[list[tuple[bytes, bytes, bytes]], bytes]:
        """The requests that were let in, and what was answered."""
        self.taken = []
        transport = Transport()
        connection = Connection(self.gateway, self.loop)
        connection.connection_made(transport)  # type: ignore[arg-type]
        for piece in pieces:
            if not transport.closed:
                connection.data_received(piece)
        connection.expire(self.loop.time())
        connection.connection_lost(None)
        assert not self.gateway.connections
        return self.taken, transport.written
