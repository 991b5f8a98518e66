"""Servers to talk to: scripted ones on threads, and a real nginx; and the drivers under one face."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
import uvloop

from tsuji.core.timeouts import Timeouts
from tsuji.http.aio import AsyncPool
from tsuji.http.blocking import BlockingPool
from tsuji.http.message import render_headers
from tsuji.http.proxy import Proxies
from tsuji.http.url import Origin

PATIENCE = 10.0  # seconds after which a peer that does nothing counts as stuck
DEFAULTS = Timeouts()
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\nok"
UNFINISHED = HEAD + b"Content-Length: 9\r\nX-A: b\r\n\r\nsome"


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = b""

    def request(self) -> bytes:
        """The next request, head and body; b"" at the end of the connection."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return b""
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(rest) < length:
            if not self._more():
                return b""
            rest = self._buffer.partition(b"\r\n\r\n")[2]
        self._buffer = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def sees_close(self) -> bool:
        """Whether the client closes the connection, within our patience."""
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)


class Server:
    """Runs `handler` in a thread for each connection; what handlers raise comes out of `stop`."""

    def __init__(self, handler: Callable[[Peer], object], context: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    @property
    def origin(self) -> Origin:
        return Origin("https" if self._context else "http", "localhost" if self._context else "127.0.0.1", self.port)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        if self._context:
            try:
                connection = self._context.wrap_socket(connection, server_side=True)
            except OSError:  # the client did not like our certificate
                connection.close()
                return
        self._open.append(connection)
        with closing(connection):
            try:
                self._handler(Peer(connection))
            except BaseException as error:
                self.errors.append(error)

    def stop(self) -> None:
        """Accept no more, and wait until all connections are done."""
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for thread in self._threads:
            thread.join(PATIENCE + 5)
        assert self.errors == []


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(handler: Callable[[Peer], object], context: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(handler, context))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def answering(*answers: bytes) -> Callable[[Peer], None]:
    """A handler that reads a request before each answer, and then waits for the client to close."""

    def handle(peer: Peer) -> None:
        for answer in answers:
            if not peer.request():
                return
            peer.send(answer)
        assert peer.sees_close()

    return handle


def unfinished(peer: Peer) -> None:
    """A handler that answers with half a body, and then waits for the client to close."""
    peer.request()
    peer.send(UNFINISHED)
    assert peer.sees_close()


def new_async_pool(**settings: Any) -> AsyncPool:
    return AsyncPool(proxies=Proxies(), **settings)


class Answer(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def get(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)


class Driver:
    """One pool, blocking or asyncio, with `fetch` for a whole exchange and `pieces` for the body as it came."""

    def __init__(self, name: str, **settings: Any) -> None:
        settings.setdefault("proxies", Proxies())
        self._runner = None
        if name == "blocking":
            self._pool: Any = BlockingPool(**settings)
        else:
            self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop if name == "uvloop" else None)
            self._pool = AsyncPool(**settings)

    def fetch(self, origin: Origin, target: bytes = b"/", *, method: bytes = b"POST", body: bytes = b"{}",
              headers: tuple[tuple[str, str], ...] = (), timeouts: Timeouts = DEFAULTS) -> Answer:  # fmt: skip
        pieces: list[bytes] = []
        status, got = self._run((method, origin, target, render_headers(headers), body, timeouts), pieces.append)
        return Answer(status, got, b"".join(pieces))

    def pieces(self, origin: Origin, into: list[bytes], timeouts: Timeouts = DEFAULTS) -> None:
        self._run((b"POST", origin, b"/", b"", b"{}", timeouts), into.append)

    def _run(self, request: tuple[Any, ...], on_piece: Callable[[bytes], None]) -> tuple[int, list[Any]]:
        if self._runner is not None:
            return self._runner.run(self._run_async(request, on_piece))
        with self._pool.request(*request) as response:
            for piece in response.iter_bytes():
                on_piece(piece)
            return response.status, response.headers

    async def _run_async(self, request: tuple[Any, ...], on_piece: Callable[[bytes], None]) -> tuple[int, list[Any]]:
        async with await self._pool.request(*request) as response:
            async for piece in response.iter_bytes():
                on_piece(piece)
            return response.status, response.headers

    def rest(self, seconds: float) -> None:
        """Do nothing for a while."""
        if self._runner is None:
            time.sleep(seconds)
        else:
            self._runner.run(asyncio.sleep(seconds))

    def close_pool(self) -> None:
        if self._runner is None:
            self._pool.close()
        else:
            self._runner.run(self._pool.close())

    def close(self) -> None:
        if self._runner is None:
            self._pool.close()
        else:
            self._runner.close()  # not the pool: its connections must go with their loop


@pytest.fixture(params=["blocking", "asyncio", "uvloop"])
def make_driver(request: pytest.FixtureRequest, serve: Callable[..., Server]) -> Iterator[Callable[..., Driver]]:
    """Asks for `serve` so that the drivers go first: servers wait for their clients to leave."""
    drivers: list[Driver] = []

    def make(**settings: Any) -> Driver:
        drivers.append(Driver(request.param, **settings))
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.close()


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    return make_driver()


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    return server_context(authority.issue_cert("localhost", "127.0.0.1"))


class Nginx(NamedTuple):
    plain: Origin
    secure: Origin
    unix: Origin
    root: Path


NGINX_CONF = """
worker_processes 1; daemon off; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type application/json; client_max_body_size 1m;
  client_body_temp_path {root}/1; proxy_temp_path {root}/2; fastcgi_temp_path {root}/3; uwsgi_temp_path {root}/4;
  scgi_temp_path {root}/5;
  gzip on; gzip_types application/json; gzip_min_length 100;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl; listen unix:{root}/sock;
    ssl_certificate {root}/cert.pem; ssl_certificate_key {root}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3; root {root}/www;
    location /who {{ return 200 '$connection $connection_requests $http_host $ssl_protocol $ssl_alpn_protocol'; }}
    location /echo {{ add_header x-length $content_length; proxy_pass http://127.0.0.1:{plain}/who; }}
    location /moved {{ return 302 /who; }}
    location /empty {{ return 204; }}
    location /closing {{ keepalive_timeout 0; return 200 'bye'; }}
  }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def nginx(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    root = tmp_path_factory.mktemp("nginx")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(root / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(root / "cert.pem", append=True)
    (root / "www").mkdir()
    (root / "www" / "big.json").write_text('{"n": [' + ", ".join(map(str, range(100_000))) + "]}")
    plain, secure = free_port(), free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not read our temporary folder
    (root / "nginx.conf").write_text(user + NGINX_CONF.format(root=root, plain=plain, secure=secure))
    process = subprocess.Popen([binary, "-c", str(root / "nginx.conf"), "-e", str(root / "error.log")])
    try:
        _wait_for(plain, process)
        unix = Origin("http+unix", str(root / "sock"), 0)
        yield Nginx(Origin("http", "127.0.0.1", plain), Origin("https", "localhost", secure), unix, root / "www")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert process.poll() is None, "nginx did not start"
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
        except OSError:
            threading.Event().wait(0.05)
        else:
            return
    raise AssertionError("nginx does not listen")
