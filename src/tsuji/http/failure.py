"""What errors of sockets, resolvers and limits mean to the caller; one place for both drivers."""

import socket

from tsuji.core.errors import (
    StreamInterruptedError,
    TimeoutKind,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamTimeoutError,
)
from tsuji.core.timeouts import Timeouts

from .route import Route


def connect_failure(route: Route, error: OSError) -> UpstreamConnectionError:
    """No connection: DNS, TCP, TLS or the proxy."""
    if route.secure:
        from .tls import tls_failure

        if failure := tls_failure(error, route.peer):
            return failure
    where = f"the proxy {route.via}" if route.via else route.peer
    if isinstance(error, socket.gaierror):
        message = f"the host of {where} has no address ({error.strerror}); check its name and this machine's DNS"
    elif isinstance(error, ConnectionRefusedError):
        message = f"{where} refused the connection; is a server running there?"
    else:
        message = f"{where} cannot be reached ({error.strerror or type(error).__name__})"
    return UpstreamConnectionError(message, fault="gateway" if route.via else None)


def tunnel_failure(route: Route, status: int) -> UpstreamConnectionError:
    """The proxy answered CONNECT, but not with a tunnel."""
    advice = "give it a user and a password: http://user:password@host:port" if status == 407 else "check NO_PROXY"
    message = f"the proxy {route.via} answered {status} when asked to connect to {route.origin.authority}; {advice}"
    return UpstreamConnectionError(message, fault="gateway", code=str(status))


def lost(route: Route, error: Exception, *, head_seen: bool) -> UpstreamError:
    """An established connection broke."""
    reason = getattr(error, "strerror", None) or type(error).__name__
    if head_seen:
        return StreamInterruptedError(f"the connection to {route.peer} broke in the middle of its answer ({reason})")
    return UpstreamConnectionError(f"the connection to {route.peer} broke before it answered ({reason})", reached=True)


def timed_out(route: Route, kind: TimeoutKind, timeouts: Timeouts) -> UpstreamTimeoutError:
    """A limit was passed."""
    seconds = f"{timeouts.head if kind == 'first_byte' else getattr(timeouts, kind):g} s"
    message = {
        "connect": f"no connection to {route.via or route.peer} within {seconds}",
        "first_byte": f"{route.peer} did not begin to answer within {seconds}",
        "idle": f"{route.peer} went silent for {seconds} in the middle of its answer",
        "total": f"{route.peer} did not complete its answer within {seconds}",
    }[kind]
    return UpstreamTimeoutError(f"{message}; raise timeouts.{kind} if that is expected", timeout=kind)
