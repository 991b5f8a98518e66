"""The listening sockets: made here and nowhere else, and kept for as long as the gateway is there.

Where the system spreads new connections over sockets of one port (SO_REUSEPORT on Linux), each worker has its own, so
that no two are woken for one connection; elsewhere they share one. Whoever made them keeps them: what waits to be
accepted while a worker is replaced is accepted by its successor.
"""

import errno
import socket
import sys
from collections.abc import Iterable

from tsuji.config import Server
from tsuji.core.errors import ConfigError

BACKLOG = 2048
_SPREADS = sys.platform == "linux"


def listening_sockets(server: Server, workers: int = 1) -> list[list[socket.socket]]:
    """For each worker those that it accepts from. Raises ConfigError where they cannot be had."""
    made: list[list[socket.socket]] = []
    port = server.port
    try:
        if workers > 1 and _SPREADS and port:
            close(_bound(server.host, port, spread=False))  # another gateway's socket would let us share its port
        for _ in range(workers):
            if made and not _SPREADS:
                made.append([sock.dup() for sock in made[0]])
                continue
            made.append(_bound(server.host, port, spread=workers > 1 and _SPREADS))
            port = made[0][0].getsockname()[1]
    except OSError as error:
        close(sock for socks in made for sock in socks)
        reason = error.strerror or str(error)
        raise ConfigError(
            f"cannot listen on {server.host}:{server.port}: {reason}; choose another server.port", param="server.port"
        ) from error
    for sock in [sock for socks in made for sock in socks]:
        sock.listen(BACKLOG)
    return made


def url_of(server: Server, sockets: Iterable[socket.socket]) -> str:
    """With the port that was given where the configuration says 0."""
    port = next(iter(sockets)).getsockname()[1]
    return f"http://{f'[{server.host}]' if ':' in server.host else server.host}:{port}"


def close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _bound(host: str, port: int, *, spread: bool) -> list[socket.socket]:
    """One for each address of the host that this machine has, on one port."""
    made: list[socket.socket] = []
    lacking: OSError | None = None
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                made.append(_one(family, kind, protocol, (address[0], port, *address[2:]), spread))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                lacking = error
                continue
            port = made[0].getsockname()[1]
    except OSError:
        close(made)
        raise
    if not made:
        raise lacking or OSError(errno.EADDRNOTAVAIL, "the host has no address")
    return made


def _one(family: int, kind: int, protocol: int, address: tuple[object, ...], spread: bool) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if sys.platform != "win32":  # where it would let another program take the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if spread:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
