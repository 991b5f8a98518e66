"""Clients that read streams: each chunk's delay on the way, or only how many come."""

import asyncio
import re
from dataclasses import dataclass, field
from time import perf_counter

SENT = re.compile(rb"@(\d+\.\d+) ")
LONGEST = 1024
"""Bytes that a mark cut in two by the network, or the end of a stream, may need."""
ENDS = re.compile(rb"data: \[DONE\]|event: message_stop")


@dataclass
class Seen:
    """Seconds each chunk was on its way, seconds until the first of each stream, chunks, and what went wrong."""

    delays: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    chunks: int = 0
    failures: list[str] = field(default_factory=list)


class Reader(asyncio.Protocol):
    """Sends the request when told to, and reads one stream; `over` is done at its end or its failure."""

    def __init__(self, seen: Seen, request: bytes, expected: int) -> None:
        self._seen, self._request, self._expected = seen, request, expected
        self._rest, self._chunks, self._asked = b"", 0, 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def ask(self) -> asyncio.Future[None]:
        self._rest, self._chunks = b"", 0
        self.over = asyncio.get_running_loop().create_future()
        self._asked = perf_counter()
        self._transport.write(self._request)
        return self.over

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        now, last = perf_counter(), 0
        if not self._rest and not self._chunks and not data.startswith(b"HTTP/1.1 200"):
            self._fail(data[:200].decode(errors="replace"))
            return
        self._rest += data
        for found in SENT.finditer(self._rest):
            if not self._chunks:
                self._seen.first.append(now - self._asked)
            self._chunks += 1
            self._seen.delays.append(now - float(found[1]))
            last = found.end()
        rest = self._rest[last:]
        if rest.endswith(b"0\r\n\r\n") and ENDS.search(rest):
            self._finish()
        self._rest = rest[-LONGEST:]

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection broke: {error}")

    def _finish(self) -> None:
        self._seen.chunks += self._chunks
        if self._chunks != self._expected:
            self._fail(f"{self._chunks} of {self._expected} chunks came")
        elif not self.over.done():
            self.over.set_result(None)

    def _fail(self, why: str) -> None:
        if not self.over.done():
            self._seen.failures.append(why)
            self.over.set_result(None)


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, *[f"{name}: {value}" for name, value in headers.items()], "", ""]).encode() + body


async def _connected(port: int, seen: Seen, sent: bytes, expected: int) -> Reader:
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(lambda: Reader(seen, sent, expected), "127.0.0.1", port)
    return reader


async def paced(port: int, sent: bytes, streams: int, expected: int) -> Seen:
    """That many streams at once, begun over a second."""
    seen = Seen()
    readers = [await _connected(port, seen, sent, expected) for _ in range(streams)]

    async def read(number: int, reader: Reader) -> None:
        await asyncio.sleep(number / streams)
        await reader.ask()

    await asyncio.gather(*[read(number, reader) for number, reader in enumerate(readers)])
    for reader in readers:
        reader.close()
    return seen


async def burst(port: int, sent: bytes, connections: int, expected: int, seconds: float) -> tuple[Seen, float]:
    """Stream after stream on each connection: what was seen, and the seconds it took."""
    seen = Seen()
    readers = [await _connected(port, seen, sent, expected) for _ in range(connections)]
    start = perf_counter()

    async def read(reader: Reader) -> None:
        while perf_counter() - start < seconds and not seen.failures:
            await reader.ask()

    await asyncio.gather(*[read(reader) for reader in readers])
    took = perf_counter() - start
    for reader in readers:
        reader.close()
    return seen, took


async def one_by_one(port: int, sent: bytes, streams: int) -> Seen:
    """Streams of one chunk on one connection, each after the other."""
    seen = Seen()
    reader = await _connected(port, seen, sent, 1)
    for _ in range(streams):
        await reader.ask()
        if seen.failures:
            break
    reader.close()
    return seen
