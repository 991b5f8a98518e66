"""One process: its token, its listener, its end."""

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tsuji.config import Config, load_config
from tsuji.core.errors import ConfigError, LedgerError
from tsuji.http.url import is_loopback
from tsuji.ledger.keys import Hasher
from tsuji.ledger.place import folder
from tsuji.ledger.secret import secret_of, server_secret

from .app import Application
from .call import Admin
from .door import Door

log = logging.getLogger("tsuji.control")

FILE = "admin.token"
"""That the token is made in, beside the ledger. It is the setting's name as well."""
HEAD_SECONDS = 10.0
_HEAD_BYTES = 32_768
_CONNECTIONS = 200
_IDLE_SECONDS = 5
_DRAIN_SECONDS = 10
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    config: Config, path: Path | None, on_ready: Callable[[str], None] | None, *, until_input_ends: bool = False
) -> int:
    """See tsuji.control.serve. until_input_ends: of standard input; signals are then its parent's business."""
    if config.admin.token is None and not is_loopback(config.admin.host):
        raise ConfigError(
            f"the admin API refuses to listen on {config.admin.host} without a token of yours; set admin.token, or "
            "admin.host to 127.0.0.1",
            param="admin.token",
        )
    admin = Admin(config, lambda: load_config(path))
    door = the_door(config)
    try:
        admin.ledger()
    except LedgerError as error:
        log.error("%s; the admin API tries again at each request", error.message)
    try:
        with listener(config) as listening:
            server = Server(Application(admin, door), on_ready, listening, signals=not until_input_ends)
            if until_input_ends:
                threading.Thread(target=server.stop_after_input, daemon=True).start()
            server.run(sockets=[listening])
    finally:
        admin.close()
    return 0


def the_door(config: Config) -> Door:
    """Raises ConfigError where the token is not there, is too short, or cannot be made."""
    token = secret_of(FILE, config.admin.token, folder(config.ledger) / FILE)
    # A digest under another secret: whoever reads the audit cannot try tokens against it.
    who = Hasher(server_secret(config.server.secret, folder(config.ledger))).digest(token)[:4].hex()
    return Door(config.admin, token, f"token_{who}")


@contextmanager
def listener(config: Config) -> Generator[socket.socket]:
    """Raises ConfigError."""
    host, port = config.admin.host, config.admin.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(found[0], socket.SOCK_STREAM)
    except OSError as error:
        raise _no_address(host, port, error) from error
    with listening:
        try:
            if sys.platform != "win32":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(found[4])
        except OSError as error:
            raise _no_address(host, port, error) from error
        yield listening


def _no_address(host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(
        f"the admin API cannot listen on {host}:{port}: {error.strerror or error}; choose another admin.port",
        param="admin.port",
    )


def url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class Server(uvicorn.Server):
    """signals: SIGINT and SIGTERM end it; else they are not its business."""

    def __init__(
        self,
        application: Application,
        on_ready: Callable[[str], None] | None,
        listening: socket.socket,
        *,
        signals: bool,
    ) -> None:
        settings: dict[str, Any] = {"lifespan": "off", "ws": "none", "log_config": None, "access_log": False}
        settings |= {
            "log_level": "error",
            "server_header": False,
            "proxy_headers": False,
            "h11_max_incomplete_event_size": _HEAD_BYTES,
        }
        super().__init__(
            uvicorn.Config(
                application,
                http=Impatient,
                limit_concurrency=_CONNECTIONS,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
                **settings,
            )
        )
        self._on_ready = on_ready
        self._listening = listening
        self._signals = signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready(url(self._listening))

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """uvicorn's own raises them once more at the end, which would make this an end by a signal."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handler = self.handle_exit if self._signals else signal.SIG_IGN
        before = [(number, signal.signal(number, handler)) for number in _SIGNALS]
        try:
            yield
        finally:
            for number, known in before:
                signal.signal(number, known)

    def stop_after_input(self) -> None:
        while sys.stdin.buffer.read(4096):
            pass
        self.should_exit = True


class Impatient(H11Protocol):
    """uvicorn's protocol, with a limit on the time that a request's head may take."""

    _head: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unwatch()

    def _watch(self) -> None:
        """A head is awaited: time runs from the connection, or from the first byte after an answer."""
        if self.conn.their_state is not h11.IDLE:
            self._unwatch()
        elif self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _unwatch(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
