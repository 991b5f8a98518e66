"""Thousands of requests at once over workers that share one budget; what was served, and what the books say after.

`make budget-run` prints it for SQLite and PostgreSQL.
"""

import asyncio
import resource
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from sqlalchemy import Engine, func, select, update

from tests.ledger.workers import Worker, configure
from tsuji.ledger import limitstore, tables
from tsuji.ledger.database import ready
from tsuji.ledger.limits import Limit, new_limit_id

CENT = 10_000_000
"""Nano-dollars. It is the most that a request can cost: ten tokens of an answer, at a tenth of a cent each."""
ROUTE = """
[routes.fast]
targets = [{model = "openai:m", price = {input = 0, output = 1000}}]
"""
BODY = b'{"model":"fast","max_tokens":10,"messages":[{"role":"user","content":"hello"}]}'
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
ANSWER = (
    '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    '"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":%d,"total_tokens":%d}}'
)


class Provider:
    """Answers after `seconds` with a use of `tokens`. asked: how often."""

    def __init__(self, tokens: int = 10, seconds: float = 0.05) -> None:
        body = (ANSWER % (tokens, tokens + 5)).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._answer, self._seconds = head + body, seconds
        self.asked = 0
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def _run(self, ready: threading.Event) -> None:
        async def begin() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096)
            self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
            ready.set()

        self._loop.create_task(begin())
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                self.asked += 1
                await asyncio.sleep(self._seconds)
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.1)  # transports close in a turn of the loop after

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Books:
    """What the ledger says. cost: of all usage records. Nano-dollars."""

    spent: int
    held: int
    cost: int
    requests: int


@dataclass
class Town:
    """Workers that share a database. `with` starts them, and leaves none."""

    url: str
    folder: Path
    provider: Provider
    count: int = 4
    workers: list[Worker] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.engine: Engine = ready(self.url)
        self.file = configure(self.folder, f'url = "{self.url}"', openai=self.provider.url)
        self.file.write_text(self.file.read_text() + ROUTE)
        for _ in range(self.count):
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.engine.dispose()

    def start(self) -> Worker:
        self.workers.append(self._stack.enter_context(Worker(self.file)))
        return self.workers[-1]

    def budget(self, amount: int) -> Limit:
        one = Limit(id=new_limit_id(), kind="gateway", unit="usd", amount=amount, period="total", created=1)
        one = limitstore.put(self.engine, one)
        time.sleep(1.0)  # what is promised
        return one

    def books(self, of: Limit, *, settled: bool = True) -> Books:
        """settled: once nothing is held any more, and all requests are booked."""
        until = time.monotonic() + 60
        while True:
            with self.engine.connect() as connection:
                cost = select(func.coalesce(func.sum(tables.usage.c.cost), 0), func.count())
                total, requests = connection.execute(cost).one()
            (standing,) = [s for s in limitstore.standings(self.engine, 1) if s.limit.id == of.id]
            found = Books(standing.spent, standing.held, int(total), int(requests))
            if not settled or (found.held == 0 and found.spent == found.cost) or time.monotonic() > until:
                return found
            time.sleep(0.2)

    def expire(self) -> None:
        """As if the half minute had passed that a worker's leases outlive its last sign of life."""
        with self.engine.begin() as connection:
            connection.execute(update(tables.runs).values(expires=0))


@dataclass
class Answers:
    """statuses: how many of each; 0: the connection broke. longest: seconds that one took."""

    statuses: Counter[int]
    longest: float


def ask_at_once(ports: Sequence[int]) -> Answers:
    """A request for each of the ports given, each on a connection of its own; all are open before the first is sent."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = len(ports) + 1000
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    opened = [socket.create_connection(("127.0.0.1", port), 60) for port in ports]
    began = time.perf_counter()
    statuses: Counter[int] = Counter()
    with selectors.DefaultSelector() as selector:
        for sock in opened:
            sock.sendall(REQUEST)
            selector.register(sock, selectors.EVENT_READ)
        longest = 0.0
        while selector.get_map():
            for key, _ in selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                selector.unregister(sock)
                statuses[_status(sock)] += 1
                longest = time.perf_counter() - began
                sock.close()
    return Answers(statuses, longest)


def _status(sock: socket.socket) -> int:
    """Of an answer that has begun to come. Each is one small write of the gateway's."""
    data = b""
    try:
        while True:
            more = sock.recv(65536)
            data += more
            head, blank, body = data.partition(b"\r\n\r\n")
            if blank and len(body) == int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
                return int(head[9:12])
            if not more:
                return 0
    except OSError:
        return 0
