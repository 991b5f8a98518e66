"""A provider that streams: `python -m benchmarks.gateways.upstream PORT PACED BURST`, in OpenAI's dialect.

A POST below /paced gets PACED chunks, 50 a second; one below /single gets the first of them only; one below /burst gets
BURST chunks as fast as they are taken. The
text of each chunk is `@SECONDS `, when it was sent on the clock that time.perf_counter reads, which on Linux is one
clock for all processes.
"""

import asyncio
import re
import sys
from time import perf_counter

PER_SECOND = 50
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = (
    'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini",'
    '"choices":%s}\n\n'
)
DELTA = EVENT % '[{"index":0,"delta":{"content":"@%.6f "},"finish_reason":null}]'
LAST = [
    EVENT % '[{"index":0,"delta":{},"finish_reason":"stop"}]',
    EVENT.replace("%s", '[],"usage":{"prompt_tokens":9,"completion_tokens":400,"total_tokens":409}'),
    "data: [DONE]\n\n",
]


def framed(event: str) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event.encode())


END = b"".join([framed(event) for event in LAST]) + b"0\r\n\r\n"


class Provider(asyncio.Protocol):
    def __init__(self, paced: int, burst: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._paced, self._burst = paced, burst
        self._buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not blank or len(body) < int(length[1] if length else 0):
            return
        self._buffer = b""
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/burst/"):
            self._transport.write(self._burst)
        else:
            self._transport.write(HEAD)
            self._send(0, 1 if path.startswith(b"/single/") else self._paced, self._loop.time())

    def _send(self, number: int, count: int, start: float) -> None:
        if self._transport.is_closing():
            return
        if number == count:
            self._transport.write(END)
            return
        self._transport.write(framed(DELTA % perf_counter()))
        self._loop.call_at(start + (number + 1) / PER_SECOND, self._send, number + 1, count, start)


async def main(port: int, paced: int, chunks: int) -> None:
    burst = HEAD + framed(DELTA % 0.0) * chunks + END
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Provider(paced, burst), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    run(main(*[int(text) for text in sys.argv[1:4]]))
