"""A connection for the asyncio driver; `dial` says it in blocking words."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, TypeVar

from .dial import RECEIVE, Address, TunnelAnswer, new_socket, numeric_address, unix_address
from .route import Route
from .url import Origin

if TYPE_CHECKING:
    from .tls import TlsConfig

P = TypeVar("P", bound=asyncio.Protocol)


async def dial(route: Route, tls: "TlsConfig | None", seconds: float, protocol: Callable[[], P]) -> P:
    """A protocol that is connected, with TLS for https. The caller sees to the time limit; seconds: what it is.

    Raises what `dial.dial` raises, and closes what was opened when it fails or is cancelled.
    """
    loop = asyncio.get_running_loop()
    connection = await _connect(loop, route.dial, seconds)
    try:
        if route.connect:
            await loop.sock_sendall(connection, route.connect)
            tunnel = TunnelAnswer(route)
            while not tunnel.is_open:
                tunnel.feed(await loop.sock_recv(connection, RECEIVE))
        if route.secure:
            from .tls import client_context

            made = await loop.create_connection(
                protocol, sock=connection, ssl=client_context(tls), server_hostname=route.origin.host
            )
        elif route.dial.scheme == "http+unix":
            made = await loop.create_unix_connection(protocol, sock=connection)
        else:
            made = await loop.create_connection(protocol, sock=connection)
    except BaseException:
        connection.close()
        raise
    return made[1]


async def _connect(loop: asyncio.AbstractEventLoop, origin: Origin, seconds: float) -> socket.socket:
    if origin.scheme == "http+unix":
        return await _open(loop, unix_address(origin.host))
    addresses: list[Address] = numeric_address(origin.host, origin.port)
    if not addresses:
        addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    for address in addresses[:-1]:
        seconds /= 2  # a silent address must leave time for the next
        try:
            async with asyncio.timeout(seconds):
                return await _open(loop, address)
        except OSError:
            continue
    return await _open(loop, addresses[-1])


async def _open(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    connection = new_socket(address)
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, address[4])
    except BaseException:
        connection.close()
        raise
    return connection


async def until_shutdown(shut: Callable[[], None]) -> AsyncGenerator[None]:
    """Calls `shut` when the loop shuts its generators down (asyncio.run does, at its end).

    Without it, connections of a client that nobody closed would outlive their loop, where nothing can close them.
    """
    try:
        yield
    finally:
        shut()
