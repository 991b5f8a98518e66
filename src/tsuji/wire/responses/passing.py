"""What is read of answers that pass through in this dialect, undecoded: usage, and whether a stream ended well."""

from typing import Any

import msgspec

from tsuji.core.usage import Usage
from tsuji.wire.openai.guard import MALFORMED
from tsuji.wire.sse import SSEOverflow, SSEParser

from .usage import read_usage as usage_of


class _Answer(msgspec.Struct):
    usage: dict[str, Any] | None = None
    service_tier: Any = None


class _Event(msgspec.Struct):
    type: str = ""
    error: Any = None
    response: _Answer | None = None


_answer = msgspec.json.Decoder(_Answer).decode
_event = msgspec.json.Decoder(_Event).decode
_ENDS = frozenset(("response.completed", "response.incomplete"))
_FAILURES = frozenset(("response.failed", "error"))
_TELLING = frozenset(name.encode() for name in _ENDS | _FAILURES)


def read_usage(body: bytes) -> Usage | None:
    """Never raises: what is not understood is None."""
    try:
        usage = _answer(body).usage
        return usage_of(usage) if usage else None
    except MALFORMED:
        return None


class ResponsesStreamTail:
    """See StreamTail."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.tier: str | None = None
        self.complete = False
        self.failed = False
        self._sse = SSEParser()

    def feed(self, data: bytes) -> None:
        try:
            for name, payload in self._sse.feed(data):
                if not name or name in _TELLING:
                    self._look(payload)
        except SSEOverflow:
            self.failed = True

    def _look(self, payload: bytes) -> None:
        try:
            event = _event(payload)
            answer = event.response
            if answer is not None and answer.service_tier and answer.service_tier.__class__ is str:
                self.tier = answer.service_tier
            if answer is not None and answer.usage:
                self.usage = usage_of(answer.usage)
        except MALFORMED:
            return
        if event.type in _FAILURES or (event.error and not event.type):
            self.failed, self.complete = True, False
        elif event.type in _ENDS:
            self.complete = not self.failed
