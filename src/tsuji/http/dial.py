"""A connection for the blocking driver: resolve, connect, ask the proxy for a tunnel, shake hands."""

import socket
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
        return _open(unix_address(origin.host), time_left(until))
    addresses = numeric_address(origin.host, origin.port) or _resolve(origin.host, origin.port, until)
    for address in addresses[:-1]:
        try:
            return _open(address, time_left(until) / 2)  # a silent address must leave time for the next
        except OSError:
            time_left(until)
    return _open(addresses[-1], time_left(until))


def _open(address: Address, seconds: float) -> socket.socket:
    connection = new_socket(address)
    try:
        connection.settimeout(seconds)
        connection.connect(address[4])
    except BaseException:
        connection.close()
        raise
    return connection


def new_socket(address: Address) -> socket.socket:
    """Unconnected. TCP_NODELAY: Nagle's algorithm and delayed ACKs together cost 40 ms a request."""
    family, kind, protocol, _, _ = address
    connection = socket.socket(family, kind, protocol)
    if family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def unix_address(path: str) -> Address:
    return socket.AF_UNIX, socket.SOCK_STREAM, 0, "", path


def numeric_address(host: str, port: int) -> list[Address]:
    """Of a host that is an IP address, without asking anyone; empty for a name."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return []


def _resolve(host: str, port: int, until: float) -> list[Address]:
    """The system's resolver knows no time limit, so it runs in a thread, which is left behind when time is up."""
    from threading import Thread

    outcome: list[list[Address] | OSError] = []

    def run() -> None:
        try:
            outcome.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
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
    tunnel = TunnelAnswer(route)
    while not tunnel.is_open:
        connection.settimeout(time_left(until))
        tunnel.feed(connection.recv(RECEIVE))


class TunnelAnswer:
    """What a proxy answers to CONNECT."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._parser = ResponseParser(f"the proxy {route.via}", decode=False)
        self._parser.begin(_ignore, bodyless=True)
        self.is_open = False

    def feed(self, data: bytes) -> None:
        """Bytes from the proxy, b"" for their end. Raises UpstreamConnectionError and UpstreamProtocolError."""
        if data:
            self._parser.feed(data)
        else:
            self._parser.feed_eof()
        head = self._parser.head
        if head is not None:
            self._parser.discard()
            if not 200 <= head.status < 300:
                raise tunnel_failure(self._route, head.status)
            self.is_open = True


def _ignore(_: bytes) -> None: ...
