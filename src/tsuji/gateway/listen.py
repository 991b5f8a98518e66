"""Listening sockets from the configuration, and how connections on each are taken.

A TCP port or Unix socket without more is the loop's own server: nothing is between the kernel and a Connection. TLS and
the PROXY protocol come before a Connection is made, in a task of the connection's own with a time limit.
"""

import asyncio
import errno
import logging
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tsuji.config import Listen, Server
from tsuji.core.errors import ConfigError, InvalidRequestError

from .client_address import UNIX, plain
from .proxy_protocol import MAX_HEADER, read
from .server import Connection

if TYPE_CHECKING:
    from .gateway import Gateway
    from .tls import Certificates

log = logging.getLogger("tsuji.gateway")

BACKLOG = 2048
HEADER_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0
_SHUTDOWN_SECONDS = 2.0
_AGAIN_SECONDS = 0.5
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_WITHOUT_LIMIT = 10_000
_KEPT_FILES = 64
"""Open files, at least, that are not for clients' connections."""


def open_sockets(listen: Listen, *, reuse_port: bool = False) -> list[socket.socket]:
    """Sockets that listen where `listen` says: one, or one for each address of its host's name.

    reuse_port: other processes may listen there as well. Raises ConfigError.
    """
    try:
        if listen.socket is not None:
            return [_unix(listen)]
        return _tcp(listen, reuse_port)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {listen}: {error.strerror or error}; choose another "
            f"{'server.socket' if listen.socket is not None else 'server.port'}",
            param="server.socket" if listen.socket is not None else "server.port",
        ) from error


def _tcp(listen: Listen, reuse_port: bool) -> list[socket.socket]:
    found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    opened: list[socket.socket] = []
    port = listen.port
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sock = socket.socket(family, kind, protocol)
            opened.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port, *address[2:]))
            port = sock.getsockname()[1]
            sock.listen(BACKLOG)
            sock.setblocking(False)
    except BaseException:
        for sock in opened:
            sock.close()
        raise
    return opened


def _unix(listen: Listen) -> socket.socket:
    """What is left of a gateway that died is taken away; what somebody listens on is not."""
    path = str(listen.socket)
    with suppress(FileNotFoundError):
        _take_away(path)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(path)
        Path(path).chmod(listen.mode)  # before anyone can connect
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _take_away(path: str) -> None:
    """Raises OSError where there is none, where somebody listens on it, and for what is no socket."""
    if not stat.S_ISSOCK(Path(path).lstat().st_mode):
        raise FileExistsError(errno.EEXIST, "there is something that is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        else:
            raise OSError(errno.EADDRINUSE, "somebody listens there")


def remove_files(server: Server) -> None:
    """Of Unix sockets that nobody listens on any more. For who opened them."""
    for listen in server.listeners:
        if listen.socket is not None:
            with suppress(OSError):
                _take_away(str(listen.socket))


def url(listen: Listen, sock: socket.socket) -> str:
    """What a client calls it by."""
    scheme = "https" if listen.tls is not None else "http"
    if listen.socket is not None:
        from urllib.parse import quote

        return f"{scheme}+unix://{quote(str(listen.socket), safe='')}"
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{scheme}://{host}:{sock.getsockname()[1]}"


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
                lambda: Connection(gateway, loop, UNIX), sock=self._socket, backlog=BACKLOG
            )
        else:
            self._server = await loop.create_server(
                lambda: Connection(gateway, loop), sock=self._socket, backlog=BACKLOG
            )

    def close(self) -> None:
        """No new connections, and none of those that have not shaken hands yet."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._loop = None
        if self._again is not None:
            self._again.cancel()
        for task in self._arriving:
            task.cancel()
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()

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
                lambda: Connection(self._gateway, loop, address),
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


def open_listeners(gateway: "Gateway", server: Server) -> list[Listener]:
    """Wherever the configuration says; all, or none and a ConfigError."""
    made: list[Listener] = []
    try:
        for listen in server.listeners:
            certificates = _certificates(listen)
            made += [Listener(gateway, listen, sock, certificates) for sock in open_sockets(listen)]
    except BaseException:
        for listener in made:
            listener.close()
        raise
    return made


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
