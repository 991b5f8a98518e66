"""A connection for the blocking driver: resolve, connect, ask the proxy for a tunnel, shake hands."""

import socket
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from .failure import tunnel_failure
from .parser import ResponseParser
from .route import Route
from .url import Origin

if TYPE_CHECKING:
    from .tls import TlsConfig

Address = tuple[Any, Any, int, str, Any]  # what getaddrinfo gives
RECEIVE = 64 * 1024


def dial(route: Route, tls: "TlsConfig | None", until: float) -> socket.socket:
    """A connected socket, with TLS on it for https. until: a time.monotonic().

    Raises TimeoutError when that is reached, OSError as the operating system or ssl do, UpstreamConnectionError for a
    proxy that opens no tunnel and UpstreamProtocolError for one that speaks no HTTP.
    """
    connection = _connect(route.dial, until)
    try:
        if route.connect:
            _open_tunnel(connection, route, until)
        if route.secure:
            from .tls import client_context

            connection.settimeout(time_left(until))
            return client_context(tls).wrap_socket(connection, server_hostname=route.origin.host)
    except BaseException:
        connection.close()
        raise
    return connection


def time_left(until: float) -> float:
    """Seconds until a time.monotonic(). Raises TimeoutError if there are none."""
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connect(origin: Origin, until: float) -> socket.socket:
    if origin.scheme == "http+unix":
        return _open((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", origin.host), time_left(until))
    addresses = _resolve(origin.host, origin.port, until)
    for address in addresses[:-1]:
        try:
            return _open(address, time_left(until) / 2)  # a silent address must leave time for the next
        except OSError:
            time_left(until)
    return _open(addresses[-1], time_left(until))


def _open(address: Address, seconds: float) -> socket.socket:
    family, kind, protocol, _, where = address
    connection = socket.socket(family, kind, protocol)
    try:
        connection.settimeout(seconds)
        if family != getattr(socket, "AF_UNIX", None):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(where)
    except BaseException:
        connection.close()
        raise
    return connection


def _resolve(host: str, port: int, until: float) -> list[Address]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return _in_time(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), until)


def _in_time(resolve: Callable[[], list[Address]], until: float) -> list[Address]:
    """The resolver knows no time limit, so it runs in a thread that is left behind when the limit is reached."""
    from threading import Thread

    outcome: list[list[Address] | OSError] = []

    def run() -> None:
        try:
            outcome.append(resolve())
        except OSError as error:
            outcome.append(error)

    thread = Thread(target=run, name="tsuji-resolver", daemon=True)
    thread.start()
    thread.join(time_left(until))
    if not outcome:
        raise TimeoutError
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def _open_tunnel(connection: socket.socket, route: Route, until: float) -> None:
    connection.settimeout(time_left(until))
    connection.sendall(route.connect or b"")
    parser = ResponseParser(f"the proxy {route.via}", decode=False)
    parser.begin(_ignore, bodyless=True)
    try:
        while parser.head is None:
            connection.settimeout(time_left(until))
            data = connection.recv(RECEIVE)
            if not data:
                parser.feed_eof()
            parser.feed(data)
        if not 200 <= parser.head.status < 300:
            raise tunnel_failure(route, parser.head.status)
    finally:
        parser.discard()


def _ignore(_: bytes) -> None: ...
