"""How connections on each listening socket are taken.

A TCP port or Unix socket without more is the loop's own server: nothing is between the kernel and a Connection. TLS and
the PROXY protocol come before a Connection is made, in a task of the connection's own with a time limit.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from tsuji.config import Listen, Server
from tsuji.core.errors import ConfigError, InvalidRequestError

from .client_address import UNIX, plain
from .listen import BACKLOG, Opened, close, url
from .proxy_protocol import MAX_HEADER, read
from .server import Connection

if TYPE_CHECKING:
    from .gateway import Gateway
    from .tls import Certificates

log = logging.getLogger("tsuji.gateway")

HEADER_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0
_SHUTDOWN_SECONDS = 2.0
_AGAIN_SECONDS = 0.5
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_WITHOUT_LIMIT = 10_000
_KEPT_FILES = 64
"""Open files, at least, that are not for clients' connections."""


def connection_limit(asked: int | None) -> int:
    """How many clients one process takes at one time. asked: by the configuration.

    An exhausted table of files would close connections in the middle of an answer, and the ledger's files.
    """
    try:
        import resource
    except ImportError:  # Windows
        return asked or _WITHOUT_LIMIT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard or soft == resource.RLIM_INFINITY:
        hard = hard if hard != resource.RLIM_INFINITY else 1 << 20
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            soft = hard
    most = max(soft - max(_KEPT_FILES, soft // 8), 8)
    return most if asked is None else min(asked, most)


class Listener:
    """A listening socket in use: `start`, then `close`. The file of a Unix socket is the opener's, not this one's."""

    def __init__(
        self, gateway: "Gateway", listen: Listen, sock: socket.socket, certificates: "Certificates | None"
    ) -> None:
        self.url = url(listen, sock)
        self.certificates = certificates
        self._gateway = gateway
        self._listen = listen
        self._socket = sock
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # while we accept by ourselves
        self._again: asyncio.TimerHandle | None = None
        self._arriving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        loop, gateway = asyncio.get_running_loop(), self._gateway
        if self.certificates is not None or self._listen.proxy_protocol:
            self._loop = loop
            self._listen_on()
        elif self._listen.socket is not None:
            self._server = await loop.create_unix_server(
                lambda: _protocol(gateway, loop, UNIX), sock=self._socket, backlog=BACKLOG
            )
        else:
            self._server = await loop.create_server(
                lambda: _protocol(gateway, loop), sock=self._socket, backlog=BACKLOG
            )

    async def close(self, *, patient: bool = False) -> None:
        """No new connections. patient: but those that have been accepted, and have not shaken hands yet."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._loop = None
        if self._again is not None:
            self._again.cancel()
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()
        if patient and self._arriving:
            await asyncio.wait(self._arriving)
        for task in self._arriving:
            task.cancel()

    async def wait_closed(self) -> None:
        if self._server is not None:
            await self._server.wait_closed()
        if self._arriving:
            await asyncio.wait(self._arriving)

    def _accept(self) -> None:
        try:
            sock, peer = self._socket.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED and self._loop is not None:
                log.error("no connection can be accepted: %s", error.strerror)
                self._loop.remove_reader(self._socket)  # who waits would call us again at once
                self._again = self._loop.call_later(_AGAIN_SECONDS, self._listen_on)
            return
        if self._loop is None or len(self._arriving) + len(self._gateway.connections) >= self._gateway.max_connections:
            sock.close()
            return
        sock.setblocking(False)
        address = plain(peer[0]) if self._listen.socket is None else UNIX
        task = self._loop.create_task(self._arrive(self._loop, sock, address))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    def _listen_on(self) -> None:
        if self._loop is not None:
            self._loop.add_reader(self._socket, self._accept)

    async def _arrive(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, address: str) -> None:
        """From an accepted socket to a Connection; what cannot become one is closed without a word."""
        try:
            if self._listen.socket is None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._listen.proxy_protocol:
                async with asyncio.timeout(HEADER_SECONDS):
                    address = await self._proxied(loop, sock, address)
            secure = self.certificates is not None
            await loop.connect_accepted_socket(
                lambda: _protocol(self._gateway, loop, address),
                sock,
                ssl=self.certificates.context if self.certificates is not None else None,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if secure else None,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS if secure else None,
            )
        except (OSError, TimeoutError, InvalidRequestError, asyncio.CancelledError) as error:
            sock.close()
            log.info("a connection of %s was not taken: %s", address, error or "it took too long")

    async def _proxied(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, peer: str) -> str:
        """The address in the PROXY protocol's header, which is taken off the connection and nothing after it.

        Raises InvalidRequestError.
        """
        proxies = self._gateway.proxies
        if proxies is None or not proxies.trust(peer):
            raise InvalidRequestError("it is no trusted proxy's")
        seen = b""
        while (header := read(seen)) is None:
            await _more(loop, sock)
            had = len(seen)
            seen = sock.recv(MAX_HEADER, socket.MSG_PEEK)
            if not seen:
                raise InvalidRequestError("it ended before its PROXY protocol header")
            if len(seen) == had:
                await asyncio.sleep(0.01)  # what is there stays readable, so there is nothing to wait for
        sock.recv(header.size)
        return peer if header.address is None else plain(header.address)


def listeners(gateway: "Gateway", server: Server, sockets: Sequence[Opened]) -> list[Listener]:
    """One for each socket, which is closed if a ConfigError is raised: a certificate may be missing."""
    try:
        places = [(listen, _certificates(listen)) for listen in server.listeners]
    except ConfigError:
        close(sock for _, sock in sockets)
        raise
    return [Listener(gateway, places[place][0], sock, places[place][1]) for place, sock in sockets]


def _certificates(listen: Listen) -> "Certificates | None":
    if listen.tls is None:
        return None
    from .tls import Certificates

    return Certificates(listen.tls)


async def _more(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    """Until something can be read."""
    ready = loop.create_future()
    loop.add_reader(sock, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _protocol(gateway: "Gateway", loop: asyncio.AbstractEventLoop, address: str = "") -> asyncio.Protocol:
    """Connection is no subclass, which mypyc could not make fast; it has all that a loop calls."""
    return cast("asyncio.Protocol", Connection(gateway, loop, address))
