"""What the gateway's tests are made of: a gateway in a thread, and a client that sees every byte."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import uvloop
from botocore.eventstream import EventStreamBuffer

from tsuji.config import Config, LedgerConfig, ProviderConfig, Server
from tsuji.core.timeouts import Timeouts
from tsuji.gateway import Gateway
from tsuji.routing import Route, Target
from tsuji.routing.retry import Retry

PREFIX = {"openai": "/v1", "anthropic": "", "gemini": "", "ollama": "", "responses": "/v1", "cohere": "", "bedrock": ""}
"""What the base URL of a dialect's official client ends in."""


def config(
    providers: Mapping[str, tuple[str, str]],
    routes: Mapping[str, Iterable[str] | Route] | None = None,
    *,
    timeouts: Timeouts | None = None,
    retry: Retry | None = None,
    server: Server | None = None,
    ledger: LedgerConfig | None = None,
    **more: Any,
) -> Config:
    """providers: id -> (dialect, URL of the server). routes: name -> "provider:model"s, or a Route."""
    return Config(
        server=server or Server(port=0),
        ledger=ledger or LedgerConfig(enabled=False),
        providers={
            name: ProviderConfig(dialect=dialect, base_url=url + PREFIX[dialect], api_key="upstream-key")
            for name, (dialect, url) in providers.items()
        },
        routes={
            name: targets
            if isinstance(targets, Route)
            else Route(
                name,
                tuple([Target(*t.split(":", 1)) for t in targets]),
                timeouts=timeouts or Timeouts(),
                retry=retry or Retry(),
            )
            for name, targets in (routes or {}).items()
        },
        **more,
    )


class Serving:
    """A gateway that runs. `call` runs a function in its loop and gives what it returns."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        self.gateway = gateway
        self.loop = loop
        self._thread = thread
        self.url = gateway.url
        port = gateway.url.rsplit(":", 1)[1]
        self.port = int(port) if port.isdigit() else 0  # a Unix socket has none

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def stop(self, seconds: float = 2.0) -> None:
        if self.loop.is_running():
            self.call(self.gateway.stop(seconds))
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def client(self) -> "Client":
        return Client(self.port)

    def ask(self, path: str, body: Any, headers: Mapping[str, str] | None = None, method: str = "POST") -> "Answer":
        """One request on a connection of its own. body: bytes as they are, else JSON."""
        with self.client() as client:
            client.send(request(path, body, headers, method))
            return client.read()


def start(settings: Config) -> Serving:
    loop = uvloop.new_event_loop()
    ready: list[Any] = []
    there = threading.Event()

    async def begin() -> None:
        gateway = Gateway(settings)
        try:
            await gateway.start()
            ready.append(gateway)
        except Exception as error:
            ready.append(error)
        there.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.create_task(begin())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    there.wait(20)
    if isinstance(ready[0], Exception):
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        raise ready[0]
    return Serving(ready[0], loop, thread)


def request(path: str, body: Any = b"", headers: Mapping[str, str] | None = None, method: str = "POST") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(content))}
    lines |= headers or {}
    head = "".join([f"{name}: {value}\r\n" for name, value in lines.items() if value])
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


@dataclass
class Answer:
    """whole: the body ended as its framing says it should. closed: and then the connection did."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    whole: bool = True
    interim: list[int] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The data of server-sent events, "[DONE]" as it is; lines of JSON; or messages, as {type: payload}."""
        if self.headers["content-type"] == "application/vnd.amazon.eventstream":
            return [{name: payload} for name, payload in aws_messages(self.body)]
        if self.headers["content-type"] == "application/x-ndjson":
            return [json.loads(line) for line in self.body.decode().splitlines()]
        lines = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    def summary(self) -> Any:
        """The last comment of a stream."""
        lines = [line for line in self.body.decode().splitlines() if line.startswith(": tsuji ")]
        return json.loads(lines[-1][8:])


def aws_messages(body: bytes) -> list[tuple[str, Any]]:
    """Type and payload of the messages of an AWS event stream, read by botocore."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [(m.headers.get(":event-type") or m.headers[":exception-type"], json.loads(m.payload)) for m in buffer]


class Client:
    """A socket, and just enough HTTP to read answers off it."""

    def __init__(self, port: int, timeout: float = 60.0, sock: socket.socket | None = None) -> None:
        """sock: connected already, with TLS on it or not."""
        self.sock = sock or socket.create_connection(("127.0.0.1", port), timeout)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self, *, head: bool = False) -> Answer:
        """The next answer. head: it is one to HEAD."""
        interim: list[int] = []
        while True:
            lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
            if status >= 200:
                break
            interim.append(status)
        headers = {name.lower(): value.strip() for name, _, value in [x.partition(":") for x in lines[1:] if x]}
        answer = Answer(status, headers, interim=interim)
        if head or status in (204, 304):
            return answer
        if "content-length" in headers:
            answer.body = self._exactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            self._chunks(answer)
        else:
            answer.body = self.rest()
        return answer

    def _chunks(self, answer: Answer) -> None:
        pieces: list[bytes] = []
        try:
            while size := int(self._until(b"\r\n"), 16):
                pieces.append(self._exactly(size))
                self._until(b"\r\n")
            self._until(b"\r\n")
        except EOFError:
            answer.whole = False
        answer.body = b"".join(pieces)

    def piece(self) -> bytes:
        """What has come, or comes next."""
        if not self._buffer:
            self._more()
        found, self._buffer = self._buffer, b""
        return found

    def rest(self) -> bytes:
        """Everything up to the connection's end."""
        try:
            while True:
                self._more()
        except EOFError:
            found, self._buffer = self._buffer, b""
            return found

    def _more(self) -> None:
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError(self._buffer)
        self._buffer += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found
