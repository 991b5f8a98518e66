"""What is read of answers that pass through in this dialect, undecoded: usage, and whether a stream ended well."""

from typing import Any

import msgspec

from tsuji.core.usage import Usage
from tsuji.wire.sse import SSEOverflow, SSEParser

from .fields import is_object
from .guard import MALFORMED
from .usage import read_usage as usage_of


class _Answer(msgspec.Struct):
    usage: dict[str, Any] | None = None


class _ChoicePeek(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None


class _ChunkPeek(msgspec.Struct):
    choices: list[_ChoicePeek] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    object: str | None = None


_answer = msgspec.json.Decoder(_Answer).decode
_chunk = msgspec.json.Decoder(_ChunkPeek).decode


def read_usage(body: bytes) -> Usage | None:
    """Never raises: an answer that is not understood has no usage."""
    try:
        found = _answer(body).usage
        return usage_of(found) if found else None
    except MALFORMED:
        return None


class ChatStreamTail:
    """See StreamTail."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.complete = False
        self.failed = False
        self._sse = SSEParser()
        self._open: set[int] = set()
        self._finished: set[int] = set()

    def feed(self, data: bytes) -> None:
        try:
            for name, payload in self._sse.feed(data):
                self._event(name, payload)
        except SSEOverflow:
            self.failed = True

    def _event(self, name: bytes, payload: bytes) -> None:
        if payload.startswith(b"[DONE]"):
            self.complete = not self.failed and not self._open - self._finished
            return
        try:
            chunk = _chunk(payload)
        except MALFORMED:
            return
        if chunk.error or name == b"error" or chunk.object == "error":
            self.failed = True
            self.complete = False
            return
        for choice in chunk.choices or ():
            self._open.add(choice.index)
            if choice.finish_reason is not None:
                self._finished.add(choice.index)
                self.complete = self._open == self._finished
        if chunk.usage and is_object(chunk.usage):
            self.usage = usage_of(chunk.usage)
