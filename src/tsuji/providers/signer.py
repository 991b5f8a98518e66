"""Who authenticates requests with something that does not last: found at first use, renewed before its end."""

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from time import time
from typing import Protocol

import msgspec

from tsuji.core.errors import ConfigError, TsujiError

Fetch = Callable[[str, str, Mapping[str, str], bytes, float], tuple[int, Mapping[str, str], bytes]]
"""(method, URL, headers, body, seconds) -> (status, headers by lower-case name, body). Raises UpstreamError."""
_EARLY = 300.0
"""Seconds before its end that a grant is renewed, while it is still used; half its life where that is shorter."""
_SPARE = 30.0
"""Seconds before its end that a grant is used no more: a request takes time, and clocks differ."""
_AGAIN = 30.0
"""Seconds until a renewal that failed is tried again, while the grant still lasts."""


class Grant(Protocol):
    """What allows requests. until: seconds since the epoch. secret: what no error may show. settings: those of the
    provider that it knows ("project").
    """

    until: float
    secret: str
    settings: Mapping[str, str]

    def sign(self, method: bytes, host: bytes, target: bytes, headers: bytes, body: bytes, now: float) -> bytes:
        """Header lines that allow this request. headers: those it has, as lines. target: path and query as sent."""
        ...


class Bearer(msgspec.Struct):
    """A token that goes along as it is. lines: with the header that carries it."""

    until: float
    secret: str
    lines: bytes
    settings: Mapping[str, str] = {}

    def sign(self, method: bytes, host: bytes, target: bytes, headers: bytes, body: bytes, now: float) -> bytes:
        return self.lines

    def __repr__(self) -> str:
        return f"Bearer(until={self.until})"


def bearer(token: str, until: float, settings: dict[str, str] | None = None) -> Bearer:
    """Raises ConfigError for what is no token: it would break the request's head."""
    if not token.isascii() or not token.isprintable() or not token:
        raise ConfigError("what was given as a token cannot be sent in a header")
    return Bearer(until, token, b"authorization: Bearer " + token.encode() + b"\r\n", settings or {})


class Signer:
    """obtain: gives a grant, and may block; it runs in a thread of its own, once at a time whoever waits for it.

    `ready` first; if it is not, wait for the future of `refresh`. Then `sign`. Threads and event loops may share one.
    """

    def __init__(self, obtain: Callable[[], Grant]) -> None:
        self._obtain = obtain
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._process = os.getpid()
        self._grant: Grant | None = None
        self._renew = self._until = 0.0
        self._refused = False

    def ready(self, now: float) -> bool:
        """Whether there is a grant to sign with. One that will soon end is renewed meanwhile. now: since the epoch."""
        if self._grant is None or now >= self._until:
            return False
        if now >= self._renew:
            self._renew = now + _AGAIN
            self.refresh()
        return True

    def refresh(self) -> "Future[None]":
        """A new grant is being fetched; the future raises TsujiError if there is none to be had.

        Several may wait for it, and get the same error: it is theirs to copy.
        """
        with self._lock:
            if self._flight is not None and self._process == os.getpid():
                return self._flight
            flight: Future[None] = Future()
            self._flight, self._process = flight, os.getpid()
        flight.set_running_or_notify_cancel()  # who no longer waits does not cancel it for the others
        threading.Thread(target=self._fly, args=(flight,), name="tsuji-credentials", daemon=True).start()
        return flight

    def sign(self, method: bytes, host: bytes, target: bytes, headers: bytes, body: bytes, now: float) -> bytes:
        """See Grant.sign."""
        grant = self._grant
        assert grant is not None, "ready() comes first"
        return grant.sign(method, host, target, headers, body, now)

    @property
    def settings(self) -> Mapping[str, str]:
        """Those of the provider that its credentials know."""
        return self._grant.settings if self._grant is not None else {}

    @property
    def secret(self) -> str:
        """What a provider might repeat in an error and must not be shown; "" where there is none."""
        return self._grant.secret if self._grant is not None else ""

    def refused(self) -> None:
        """The provider did not take the grant: it is fetched anew. Only once: a second refusal has other reasons."""
        if not self._refused:
            self._refused = True
            self._until = 0.0

    def _fly(self, flight: "Future[None]") -> None:
        try:
            self._take(self._obtain())
            error = None
        except TsujiError as failure:
            error = failure
        except Exception as failure:  # of a library that was not expected to fail so
            error = ConfigError(f"credentials could not be had: {type(failure).__name__}: {failure}")
            error.__cause__ = failure
        with self._lock:
            self._flight = None
        if error is None:
            flight.set_result(None)
        else:
            flight.set_exception(error)

    def _take(self, grant: Grant) -> None:
        now = time()
        left = grant.until - now
        if left <= 0:
            raise ConfigError("the credentials that were given have ended already; is this machine's clock right?")
        if self._until:
            self._refused = False
        self._grant = grant
        self._renew = grant.until - min(_EARLY, left / 2)
        self._until = grant.until - min(_SPARE, left / 10)

    def __repr__(self) -> str:
        return "Signer()"
