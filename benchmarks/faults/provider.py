"""A provider that speaks OpenAI's chat dialect over HTTP/1.1, one port for each way of behaving.

The right answer is known: TOKENS. A good provider gives it, and goes on with it where a request asks it to, from an
assistant's message at the end or in words.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

TOKENS = [f"token-{number} " for number in range(60)]
RIGHT = "".join(TOKENS)
PACE = 0.004
"""Seconds between two tokens of a stream that is well."""


@dataclass
class Tried:
    """began: a request was there; closed: its client was gone before it was answered. By time.monotonic."""

    began: float
    closed: float | None = None


class Gone(Exception):
    """The client has left."""


@dataclass
class Ask:
    """One request. number: of the provider's, from 1. since: seconds that the provider has been there."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    body: dict[str, Any]
    number: int
    since: float
    tried: Tried

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))

    async def send(self, data: bytes) -> None:
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError:
            raise Gone from None

    async def sleep(self, seconds: float) -> None:
        """Raises Gone as soon as the client leaves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if not await self.reader.read(1):
                    raise Gone

    async def head(self, status: int = 200, kind: str = "application/json", *lines: str, length: int = -1) -> None:
        told = "Transfer-Encoding: chunked" if length < 0 else f"Content-Length: {length}"
        more = "".join([f"{line}\r\n" for line in lines])
        await self.send(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{told}\r\n{more}\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def document(self, status: int, body: Any, *lines: str, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.head(status, kind, *lines, length=len(data))
        await self.send(data)

    async def error(self, status: int, message: str, code: str | None = None, *lines: str) -> None:
        kind = "invalid_request_error" if status == 400 else "server_error"
        await self.document(status, {"error": {"message": message, "type": kind, "code": code}}, *lines)

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    # Answers.

    def whole(self, tokens: list[str] = TOKENS) -> bytes:
        """An answer with all of these."""
        message = {"role": "assistant", "content": "".join(tokens)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": self.body["model"]}
        return json.dumps({**head, "choices": [choice], "usage": _usage(len(tokens))}).encode()

    def event(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.body["model"]}
        return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"

    def usage_event(self, tokens: int) -> bytes:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.body["model"]}
        return b"data: " + json.dumps({**head, "choices": [], "usage": _usage(tokens)}).encode() + b"\n\n"

    async def begin(self, tokens: list[str], pace: float = PACE) -> None:
        """A stream with these."""
        await self.head(200, "text/event-stream")
        await self.role()
        await self.tokens(tokens, pace)

    async def role(self) -> None:
        await self.chunk(self.event({"role": "assistant", "content": ""}))

    async def tokens(self, tokens: list[str], pace: float = PACE) -> None:
        for token in tokens:
            await self.chunk(self.event({"content": token}))
            await self.sleep(pace)

    async def finish(self, tokens: int) -> None:
        await self.chunk(self.event({}, "stop"))
        await self.chunk(self.usage_event(tokens))
        await self.chunk(b"data: [DONE]\n\n")
        await self.end()

    async def answer(self, *, prefill: bool = True) -> None:
        """The right answer, or the rest of it where that is asked for."""
        messages = self.body["messages"]
        tokens = TOKENS
        if messages[-1]["role"] == "assistant":
            if not prefill:
                await self.error(400, "this model does not support assistant message prefill")
                return
            tokens = _rest(_text(messages[-1]).rstrip())
        elif len(messages) > 1 and messages[-2]["role"] == "assistant":
            anchor = _text(messages[-1]).rsplit("\n\n", 1)[-1]
            tokens = [anchor, *_rest(_text(messages[-2]))]
        if self.stream:
            await self.begin(tokens)
            await self.finish(len(tokens))
        else:
            await self.document(200, self.whole(tokens))


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join([part["text"] for part in content])


def _rest(said: str) -> list[str]:
    """Tokens of what follows, of which the first may be a part of one."""
    if not RIGHT.startswith(said):
        return ["<a continuation of something else>"]
    rest = RIGHT[len(said) :]
    first, space, others = rest.partition(" ")
    return [first + space, *[token + " " for token in others.split()]]


Behaviour = Callable[[Ask], Awaitable[None]]


@dataclass
class Provider:
    """What listens on one port. tries: requests that came. port: 0 where nothing listens."""

    behave: Behaviour
    tls: ssl.SSLContext | None = None
    port: int = 0
    tries: list[Tried] = field(default_factory=list)
    opened: int = 0
    _server: asyncio.Server | None = None
    _began: float = 0.0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.reset_clock()

    def reset_clock(self) -> None:
        self._began = time.monotonic()

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):  # the last: the run is over
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether another request may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next((int(x.split(":")[1]) for x in head.split("\r\n") if x.startswith("content-length:")), 0)
        body = json.loads(await reader.readexactly(length) or b"{}")
        now = time.monotonic()
        tried = Tried(now)
        self.tries.append(tried)
        ask = Ask(reader, writer, body, len(self.tries), now - self._began, tried)
        try:
            await self.behave(ask)
        except Gone:
            tried.closed = time.monotonic()
            return False
        return not writer.is_closing()
