"""Usage of answers that are passed through undecoded."""

from typing import Any

import msgspec

from tsuji.core.usage import Usage

from ..sse import SSEOverflow, SSEParser
from .fields import UNEXPECTED, Object, object_or_empty
from .usage import merge_usage, parse_usage, tier_of


class _Answer(msgspec.Struct):
    usage: Any = None


class _StreamEvent(msgspec.Struct):
    type: str = ""
    message: _Answer | None = None
    usage: Any = None


_answers = msgspec.json.Decoder(_Answer)
_events = msgspec.json.Decoder(_StreamEvent)
_TOLD = frozenset((b"message_start", b"message_delta", b"message_stop", b"error", b""))
"""The events that say what a tail has to know; b"" is a server that names none."""


def read_usage(body: bytes) -> Usage | None:
    try:
        return parse_usage(_answers.decode(body).usage)
    except UNEXPECTED:
        return None


class StreamTail:
    __slots__ = ("_raw", "_sse", "complete", "failed", "tier", "usage")

    def __init__(self) -> None:
        self._sse = SSEParser()
        self._raw: Object = {}
        self.usage: Usage | None = None
        self.tier: str | None = None
        self.complete = False
        self.failed = False

    def feed(self, data: bytes) -> None:
        try:
            for name, event in self._sse.feed(data):
                if name in _TOLD:
                    self._take(event)
        except SSEOverflow:
            self.failed = True

    def _take(self, data: bytes) -> None:
        try:
            event = _events.decode(data)
        except UNEXPECTED:
            # What a client makes of it is the client's business: this stream is not ours to judge.
            return
        usage = object_or_empty(event.message.usage if event.message is not None else event.usage)
        if usage:
            self._raw = merge_usage(self._raw, usage)
            self.usage = parse_usage(self._raw)
            self.tier = tier_of(self._raw)
        if event.type == "message_stop":
            self.complete = True
        elif event.type == "error":
            self.failed = True
