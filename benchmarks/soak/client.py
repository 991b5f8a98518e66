"""One connection of a client's, on which one request is asked after the other, and what came of each."""

import asyncio
import json
import re
import socket
import struct
from dataclasses import dataclass
from time import perf_counter

from .faults import BROKEN, CUT, DONE, FAULTS_AFTER, HUNG, LEFT, REFUSED, WRONG, Kind

PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "responses": "/v1/responses"}
_ENDS = {"openai": b"data: [DONE]", "anthropic": b"event: message_stop", "responses": b"event: response.completed"}
_ERRORS = re.compile(rb'^(data: \{"error"|event: (error|response\.failed))', re.MULTILINE)
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_ID = re.compile(rb"\r\nx-tsuji-request-id: *(\w+)")
_ATTEMPTS = re.compile(rb"\r\nx-tsuji-attempts: *(\d+)")
_FIELDS = {"openai": "messages", "anthropic": "messages", "responses": "input"}
_PIECES = 5
_PAUSE = 1.0
LEAVE_SECONDS = 0.1


@dataclass(frozen=True)
class Asked:
    kind: Kind
    number: int
    dialect: str
    stream: bool
    key: str

    def bytes(self) -> bytes:
        fields = {"model": "chat", "max_tokens": 100, "stream": self.stream}
        if self.dialect == "responses":
            fields["max_output_tokens"] = fields.pop("max_tokens")
        message = {"role": "user", "content": f"[[{self.kind.name}:{self.number}]] " + "How far is it to Kyoto? " * 8}
        body = json.dumps({**fields, _FIELDS[self.dialect]: [message]}, separators=(",", ":")).encode()
        if self.kind.name == "not-json":
            body = body[:-1]
        key = f"{self.key[:-8]}00000000" if self.kind.name == "no-key" else self.key
        head = (
            f"POST {PATHS[self.dialect]} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(frozen=True)
class Seen:
    """id: of the gateway's, "" where no head came. seconds: until the end. unanswered: the connection had been kept,
    and was gone before anything of an answer came, as HTTP allows; any client asks again on a new one.
    """

    outcome: str
    id: str
    attempts: int
    seconds: float
    unanswered: bool


class Client(asyncio.Protocol):
    """One connection, used by one request at a time. began: when the running one did; 0 where there is none."""

    def __init__(self, port: int) -> None:
        self.began = 0.0
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._over: asyncio.Future[str] | None = None
        self._asked: Asked | None = None
        self._data = bytearray()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, asked: Asked) -> Seen:
        self.began = start = perf_counter()
        kept, self._asked = self._transport is not None, asked
        self._data.clear()
        outcome = await self._outcome(asked)
        self.began = 0.0
        head = bytes(self._data).partition(b"\r\n\r\n")[0]
        id, attempts = _ID.search(head), _ATTEMPTS.search(head)
        return Seen(
            outcome,
            id[1].decode() if id else "",
            int(attempts[1]) if attempts else 0,
            perf_counter() - start,
            kept and outcome == BROKEN and not self._data,
        )

    def hang_up(self) -> None:
        """It has taken too long."""
        self._finish(HUNG)
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _outcome(self, asked: Asked) -> str:
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        if self._transport is None:
            try:
                self._transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self._port)
            except OSError:
                return REFUSED
        await self._send(self._transport, asked)
        return await self._over

    async def _send(self, transport: asyncio.Transport, asked: Asked) -> None:
        sent, name = asked.bytes(), asked.kind.name
        if name == "trickle":
            size = len(sent) // _PIECES + 1
            for at in range(0, len(sent), size):
                if transport.is_closing():  # it has been refused meanwhile, and that is the outcome
                    return
                transport.write(sent[at : at + size])
                await asyncio.sleep(_PAUSE / _PIECES)
        elif name == "part":
            transport.write(sent[: len(sent) // 2])
            await asyncio.sleep(LEAVE_SECONDS)
            self._leave()
        else:
            transport.write(sent)
            if name == "leave":
                asyncio.get_running_loop().call_later(LEAVE_SECONDS, self._leave)

    def _leave(self, reset: bool = False) -> None:
        transport = self._transport
        self._finish(LEFT)
        if transport is not None and not transport.is_closing():
            sock = transport.get_extra_info("socket")
            if reset and sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    # Called by the transport.

    def data_received(self, data: bytes) -> None:
        if self._over is None or self._over.done() or self._asked is None or self._transport is None:
            return
        first, name = not self._data, self._asked.kind.name
        self._data += data
        if name == "slow-reader" and first:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(_PAUSE, self._read_on, self._transport)
        elif name in ("leave-stream", "reset-stream") and self._data.count(b"data: ") > FAULTS_AFTER:
            self._leave(reset=name == "reset-stream")
            return
        if self._is_whole():
            self._finish(self._judge(self._asked))

    def connection_lost(self, error: Exception | None) -> None:
        if self._over is not None and not self._over.done() and self._asked is not None:
            judged = self._judge(self._asked) if self._data else BROKEN
            self._finish(judged if judged == CUT else BROKEN)

    def _read_on(self, transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            transport.resume_reading()

    def _is_whole(self) -> bool:
        at = self._data.find(b"\r\n\r\n")
        if at < 0:
            return False
        length = _LENGTH.search(self._data, 0, at + 2)
        return len(self._data) - at - 4 >= int(length[1]) if length else self._data.endswith(b"0\r\n\r\n")

    def _judge(self, asked: Asked) -> str:
        if not self._data.startswith(b"HTTP/1.1 200 "):
            return bytes(self._data[9:12]).decode()
        if b"<%d>" % asked.number not in self._data:
            return WRONG
        if not asked.stream:
            return DONE
        ended, failed = _ENDS[asked.dialect] in self._data, _ERRORS.search(self._data) is not None
        if ended and not failed and self._data.endswith(b"0\r\n\r\n"):
            return DONE
        return CUT if failed and not ended else BROKEN

    def _finish(self, outcome: str) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(outcome)
