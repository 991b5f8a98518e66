"""Reads a stream that is passed through: its usage, and whether it came to its end."""

from typing import Any

import msgspec

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.usage import Usage

from .lines import Lines


class _Line(msgspec.Struct):
    done: bool | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None


_lines = msgspec.json.Decoder(_Line)


class Tail:
    """A StreamTail."""

    __slots__ = ("_lines", "_over", "complete", "failed", "tier", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.tier: str | None = None
        self.complete = False
        self.failed = False
        self._lines = Lines()
        self._over = False

    def feed(self, data: bytes) -> None:
        if self._over:
            return
        try:
            for line in self._lines.feed(data):
                self._read(_lines.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, UpstreamProtocolError):
            self._over = True
            self.complete = False

    def _read(self, line: _Line) -> None:
        if line.error is not None:
            self.failed = True
        if line.done:
            self.complete = True
            if line.prompt_eval_count is not None or line.eval_count is not None:
                self.usage = Usage(line.prompt_eval_count, line.eval_count)
