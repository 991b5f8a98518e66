"""Reads a stream that is passed through: its usage, and whether it came to its end."""

from typing import Any

import msgspec

from tsuji.core.usage import Usage
from tsuji.wire.sse import SSEOverflow, SSEParser

from .usage import parse_usage, tier_of


class _Candidate(msgspec.Struct):
    index: int | None = None
    finishReason: str | None = None


class _Feedback(msgspec.Struct):
    blockReason: str | None = None


class _Chunk(msgspec.Struct):
    candidates: list[_Candidate] | None = None
    usageMetadata: dict[str, Any] | None = None
    promptFeedback: _Feedback | None = None
    error: Any = None


_chunks = msgspec.json.Decoder(_Chunk)


class Tail:
    """A StreamTail."""

    __slots__ = ("_over", "_sse", "_unfinished", "complete", "failed", "tier", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.tier: str | None = None
        self.complete = False
        self.failed = False
        self._sse = SSEParser()
        self._unfinished: set[int] = set()
        self._over = False

    def feed(self, data: bytes) -> None:
        if self._over:
            return
        try:
            for _, event in self._sse.feed(data):
                self._read(_chunks.decode(event))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, SSEOverflow):
            self._over = True
            self.complete = False

    def _read(self, chunk: _Chunk) -> None:
        if chunk.error is not None:
            self.failed = True
        if chunk.usageMetadata is not None:
            self.usage = parse_usage(chunk.usageMetadata)
            self.tier = tier_of(chunk.usageMetadata)
        for position, candidate in enumerate(chunk.candidates or ()):
            index = position if candidate.index is None else candidate.index
            if candidate.finishReason is None:
                self._unfinished.add(index)
            else:
                self._unfinished.discard(index)
            self.complete = not self._unfinished
        if chunk.promptFeedback is not None and chunk.promptFeedback.blockReason is not None:
            self.complete = True
