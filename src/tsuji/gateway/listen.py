"""The listening sockets: made here and nowhere else, and kept for as long as the gateway is there.

Where the system spreads new connections over sockets of one port (SO_REUSEPORT on Linux), each worker has its own, so
that no two are woken for one connection; elsewhere, and of Unix sockets, they share one. Whoever opened them keeps
them: what waits to be accepted while a worker is replaced is accepted by its successor.
"""

import errno
import socket
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from tsuji.config import Listen, Server
from tsuji.core.errors import ConfigError

BACKLOG = 2048
_SPREADS = sys.platform == "linux"

Opened = tuple[int, socket.socket]
"""Which of the server's `listeners` it is for, and the socket."""


def listening_sockets(server: Server, workers: int = 1) -> list[list[Opened]]:
    """For each worker those that it accepts from. Raises ConfigError where they cannot be had."""
    made: list[list[Opened]] = [[] for _ in range(workers)]
    try:
        for place, listen in enumerate(server.listeners):
            spread = workers > 1 and _SPREADS and listen.socket is None
            if spread and listen.port:
                close(open_sockets(listen))  # another gateway's socket would let us share its port
            for opened in made:
                first = made[0][-1][1] if opened is not made[0] else None
                if first is None or spread:
                    if first is not None:
                        listen = replace(listen, port=first.getsockname()[1])
                    opened += [(place, sock) for sock in open_sockets(listen, reuse_port=spread)]
                else:
                    opened += [(at, sock.dup()) for at, sock in made[0] if at == place]
    except BaseException:
        close(sock for opened in made for _, sock in opened)
        raise
    return made


def close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


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
