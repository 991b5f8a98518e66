"""What is read of answers that pass through in this dialect, undecoded: usage, and whether a stream ended well."""

from typing import Any

import msgspec

from tsuji.core.usage import Usage
from tsuji.wire.openai.guard import MALFORMED
from tsuji.wire.sse import SSEOverflow, SSEParser

from .stops import is_failure
from .usage import read_meta
from .usage import read_usage as usage_of


class _Answer(msgspec.Struct):
    usage: dict[str, Any] | None = None
    meta: dict[str, Any] | None = None


class _Delta(msgspec.Struct):
    finish_reason: Any = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Event(msgspec.Struct):
    type: str = ""
    delta: _Delta | None = None
    message: Any = None


_answer = msgspec.json.Decoder(_Answer).decode
_event = msgspec.json.Decoder(_Event).decode
_TELLING = frozenset((b"message-end", b"error", b""))
"""The events that say what a tail has to know; b"" is a server that names none."""


def read_usage(body: bytes) -> Usage | None:
    """Of a chat or of an embedding. Never raises: what is not understood is None."""
    try:
        found = _answer(body)
        if found.usage:
            return usage_of(found.usage)
        return read_meta(found.meta) if found.meta else None
    except MALFORMED:
        return None


class StreamTail:
    """See tsuji.wire.dialect.StreamTail."""

    __slots__ = ("_sse", "complete", "failed", "tier", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.tier: str | None = None
        self.complete = False
        self.failed = False
        self._sse = SSEParser()

    def feed(self, data: bytes) -> None:
        try:
            for name, payload in self._sse.feed(data):
                if name in _TELLING:
                    self._look(payload)
        except SSEOverflow:
            self.failed = True

    def _look(self, payload: bytes) -> None:
        try:
            event = _event(payload)
        except MALFORMED:
            return
        if event.type == "error" or (not event.type and event.message):
            self.failed, self.complete = True, False
        elif event.type == "message-end":
            end = event.delta or _Delta()
            if end.usage:
                self.usage = usage_of(end.usage)
            self.failed = self.failed or bool(end.error) or is_failure(end.finish_reason)
            self.complete = not self.failed
