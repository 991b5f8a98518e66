"""A provider that does as it is told: a small HTTP/1.1 server on a free loopback port.

    with Scripted(answers.chat("openai", "hello")) as server:       # the same reply to every request
    with Scripted([Reply(status=429), answers.chat(...)]) as server: # one after the other; then it answers 599
    with Scripted(lambda request: ...) as server:                    # a function from Request to Reply
        server.url         "http://127.0.0.1:PORT", no slash at its end
        server.requests    what came: method, target, headers (lower-case names), body, .json()
        server.connections how many were accepted
        server.left        an Event: a client went away while a reply was still being sent

A reply's body is bytes (sent with Content-Length) or a list of steps (sent chunked): bytes are one chunk; a number
waits that many seconds; an Event waits for it; CUT closes the connection there; RESET resets it; STALL sends nothing
more until the client leaves. `tests/answers.py` has bodies of the three dialects ready made.
"""

import contextlib
import json
import select
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

CUT, RESET, STALL = "cut", "reset", "stall"
Step = bytes | float | str | threading.Event


@dataclass
class Request:
    """number: counts from 0 over the server's life. connection: which connection it came on, from 0."""

    number: int
    connection: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """headers: more of them, or others than the content type's. close: the connection ends after it.

    length: a Content-Length that is announced whatever the body is; before: steps to take before the head is sent.
    """

    body: bytes | Sequence[Step] = b""
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False
    length: int | None = None
    before: Sequence[Step] = ()


Script = Reply | Iterable[Reply] | Callable[[Request], Reply]
_EXHAUSTED = Reply(b'{"error":{"message":"the script has no more replies","type":"script_exhausted"}}', 599)


class _Gone(Exception):
    """The connection is over: the client left, the server stops, or the script says so."""


class Scripted:
    """See the top of this file."""

    def __init__(self, script: Script = (), *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.left = threading.Event()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._answer = _answering(script)
        self._server = _Server((host, 0), _connection(self))
        self._server.tls = tls
        self.host, self.port = host, int(self._server.server_address[1])
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def script(self, script: Script) -> None:
        """From the next request on."""
        self._answer = _answering(script)

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def close(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):  # the client was first
                    sock.shutdown(socket.SHUT_RDWR)
        self._server.server_close()  # joins the connections' threads

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, sock: socket.socket) -> int:
        with self._lock:
            self._open.add(sock)
            self.connections += 1
            return self.connections - 1

    def _closed(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.discard(sock)

    def _reply(self, connection: int, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        with self._lock:
            request = Request(len(self.requests), connection, method, target, headers, body)
            self.requests.append(request)
            return self._answer(request)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def get_request(self) -> Any:
        sock, address = super().get_request()
        if self.tls is not None:
            sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        raise  # noqa: PLE0704 - a failing test function must be seen


def _answering(script: Script) -> Callable[[Request], Reply]:
    if isinstance(script, Reply):
        return lambda request: script
    if callable(script):
        return script
    replies = iter(script)
    return lambda request: next(replies, _EXHAUSTED)


def _connection(server: Scripted) -> type[socketserver.StreamRequestHandler]:
    class Connection(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            sock: socket.socket = self.request
            number = server._opened(sock)
            try:
                while self.one(sock, number):
                    pass
            except (_Gone, OSError):
                pass
            finally:
                server._closed(sock)

        def one(self, sock: socket.socket, number: int) -> bool:
            line = self.rfile.readline(65536)
            if not line.strip():
                return False
            method, target, _ = line.decode("latin-1").split()
            headers = self.headers()
            if headers.get("expect", "").lower() == "100-continue":
                sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            reply = server._reply(number, method, target, headers, self.body(headers))
            try:
                _send(server, sock, reply, method == "HEAD")
            except OSError:
                server.left.set()
                raise
            return not reply.close and headers.get("connection", "").lower() != "close"

        def headers(self) -> dict[str, str]:
            found: dict[str, str] = {}
            while line := self.rfile.readline(65536).strip():
                name, _, value = line.decode("latin-1").partition(":")
                found[name.strip().lower()] = value.strip()
            return found

        def body(self, headers: dict[str, str]) -> bytes:
            if headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(headers.get("content-length", "0")))
            pieces: list[bytes] = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.headers()
            return b"".join(pieces)

    return Connection


def _send(server: Scripted, sock: socket.socket, reply: Reply, no_body: bool) -> None:
    for step in reply.before:
        _step(server, sock, step, chunked=False)
    whole = reply.body if isinstance(reply.body, bytes) else None
    framing = f"content-length: {len(whole)}" if whole is not None else "transfer-encoding: chunked"
    if reply.length is not None:
        framing = f"content-length: {reply.length}"
    lines = [f"HTTP/1.1 {reply.status} Scripted", f"content-type: {reply.content_type}", framing]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += ["connection: close"] if reply.close else []
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if whole is not None:
        sock.sendall(head if no_body else head + whole)
        if reply.length is not None and reply.length != len(whole):
            raise _Gone
        return
    sock.sendall(head)
    chunked = reply.length is None
    for step in reply.body:
        _step(server, sock, step, chunked)
    if chunked:
        sock.sendall(b"0\r\n\r\n")


def _step(server: Scripted, sock: socket.socket, step: Step, chunked: bool) -> None:
    if isinstance(step, bytes):
        if step:
            sock.sendall(b"%x\r\n%b\r\n" % (len(step), step) if chunked else step)
    elif step == CUT:
        raise _Gone
    elif step == RESET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        raise _Gone
    elif step == STALL:
        _wait(server, sock, lambda: False)
    elif isinstance(step, threading.Event):
        _wait(server, sock, step.is_set)
    else:
        end = threading.Event()
        timer = threading.Timer(float(step), end.set)
        timer.daemon = True
        timer.start()
        try:
            _wait(server, sock, end.is_set)
        finally:
            timer.cancel()


def _wait(server: Scripted, sock: socket.socket, over: Callable[[], bool]) -> None:
    """Until `over`; sees the client leave and the server stop."""
    while not over():
        if server._stopping.is_set():
            raise _Gone
        readable, _, _ = select.select([sock], [], [], 0.005)
        if readable and not sock.recv(1, socket.MSG_PEEK):
            server.left.set()
            raise _Gone
        if readable and not over():
            server._stopping.wait(0.005)  # a pipelined request: leave it where it is
