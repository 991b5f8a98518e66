"""A provider that does as a request's mark says: `python -m benchmarks.soak.upstream PORT`, in OpenAI's dialect.

Two of them in one: below /first and below /second. GET /made says how often each kind was done, as JSON.
"""

import asyncio
import json
import re
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable

from .faults import BURST, CHUNK_SECONDS, CHUNKS, FAULTS_AFTER, INPUT_TOKENS, MARK, tokens

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_LATE = 0.7
_SLOW = 0.25
Step = Callable[["Provider"], None]

made: Counter[str] = Counter()


def _json(status: str, body: bytes, kind: bytes = b"application/json", more: bytes = b"", length: int = -1) -> bytes:
    size = length if length >= 0 else len(body)
    return b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b\r\n%b" % (
        status.encode(),
        kind,
        size,
        more,
        body,
    )


def _error(status: str) -> bytes:
    body = json.dumps({"error": {"message": "made for the soak", "type": "soak", "param": None, "code": "soak"}})
    return _json(status, body.encode(), more=b"retry-after: 1\r\n" if status.startswith("429") else b"")


def _usage(number: int) -> dict[str, int]:
    made = tokens(number)
    return {"prompt_tokens": INPUT_TOKENS, "completion_tokens": made, "total_tokens": INPUT_TOKENS + made}


def _answer(number: int) -> bytes:
    message = {"role": "assistant", "content": f"answer <{number}>"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    base = {"id": "chatcmpl-soak", "object": "chat.completion", "created": 1700000000, "model": "m"}
    return json.dumps({**base, "choices": choices, "usage": _usage(number)}).encode()


def _event(choices: list[object], **more: object) -> bytes:
    base = {"id": "chatcmpl-soak", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}
    return _framed(b"data: " + json.dumps({**base, "choices": choices, **more}).encode() + b"\n\n")


def _framed(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def _delta(text: str) -> bytes:
    return _event([{"index": 0, "delta": {"content": text}, "finish_reason": None}])


def _end(number: int) -> bytes:
    last = _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    return last + _event([], usage=_usage(number)) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


_ERROR_EVENT = _framed(b'data: {"error":{"message":"made for the soak","type":"server_error","code":null}}\n\n')
_GARBLED = _framed(b'data: {"id":"chatcmpl-soak","choices":[{"index":0,"delta"\n\n')
_TORN = _delta("never whole")[:40]
_FILL = _delta("x")
_PAGE = _json("200 OK", b"<!doctype html><title>Sign in</title>", b"text/html; charset=utf-8")


class Provider(asyncio.Protocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not blank or len(body) < int(length[1] if length else 0):
            return
        self._buffer = b""
        if head.startswith(b"GET "):
            self.send(_json("200 OK", json.dumps(made).encode()))
            return
        mark = MARK.search(body)
        if mark is None:
            self.send(_error("400 Bad Request"))
            return
        kind, number = mark[1].decode(), int(mark[2])
        base = kind.removesuffix("-once")
        if base != kind and b" /second/" in head.split(b"\r\n", 1)[0]:
            base = "plain"
        else:
            made[kind] += 1
        self._do(base, number, b'"stream":true' in body)

    def _do(self, kind: str, number: int, stream: bool) -> None:
        if kind in _BEFORE:
            _BEFORE[kind](self)
        elif kind == "short":
            self.send(_json("200 OK", _answer(number), length=5000))
            self._transport.close()
        elif kind == "half":
            self.send(_json("200 OK", _answer(number)[:100]))
        elif kind in ("late", "leave"):
            self._loop.call_later(_LATE, self._plain, number, stream, CHUNK_SECONDS)
        elif stream:
            self._stream(kind, number)
        else:
            self._plain(number, stream, CHUNK_SECONDS)

    def _plain(self, number: int, stream: bool, pause: float) -> None:
        if not stream:
            self.send(_json("200 OK", _answer(number)))
            return
        self.send(_HEAD + _delta(f"<{number}>"))
        self._play([_FILL] * CHUNKS + [_end(number)], pause)

    def _stream(self, kind: str, number: int) -> None:
        begun = [_FILL] * FAULTS_AFTER
        if kind in _MIDDLE:
            self.send(_HEAD + _delta(f"<{number}>"))
            self._play([*begun, _MIDDLE[kind]], CHUNK_SECONDS)
        elif kind == "garbled":
            self.send(_HEAD + _delta(f"<{number}>"))
            self._play([*begun, _GARBLED, *begun, _end(number)], CHUNK_SECONDS)
        elif kind == "slow-reader":
            self.send(_HEAD + _delta(f"<{number}>") + _FILL * BURST + _end(number))
        else:
            self._plain(number, True, _SLOW if kind in ("slow", "leave-stream", "reset-stream") else CHUNK_SECONDS)

    def _play(self, steps: list[bytes | Step], pause: float, at: int = 0) -> None:
        if self._transport.is_closing() or at == len(steps):
            return
        step = steps[at]
        if isinstance(step, bytes):
            self.send(step)
        else:
            step(self)
        self._loop.call_later(pause, self._play, steps, pause, at + 1)

    def send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _tear(provider: Provider) -> None:
    provider.send(_TORN)
    asyncio.get_running_loop().call_later(CHUNK_SECONDS, provider.reset)


def _fail(provider: Provider) -> None:
    provider.send(_ERROR_EVENT + b"0\r\n\r\n")


_BEFORE: dict[str, Step] = {
    "error": lambda provider: provider.send(_error("500 Internal Server Error")),
    "limited": lambda provider: provider.send(_error("429 Too Many Requests")),
    "reset": Provider.reset,
    "stall": lambda provider: None,
    "page": lambda provider: provider.send(_PAGE),
}
_MIDDLE: dict[str, Step] = {"cut": Provider.close, "torn": _tear, "hang": lambda provider: None, "event": _fail}


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    run(main(int(sys.argv[1])))
