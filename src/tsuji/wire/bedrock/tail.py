"""Usage of answers that are passed through undecoded."""

from typing import Any

import msgspec

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.usage import Usage

from ..anthropic.fields import UNEXPECTED
from ..eventstream import Frames, decode_message
from .response_in import tier_of
from .usage import parse_usage


class _Answer(msgspec.Struct):
    usage: Any = None
    serviceTier: Any = None


_answers = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes) -> Usage | None:
    try:
        return parse_usage(_answers.decode(body).usage)
    except UNEXPECTED:
        return None


class Tail:
    """A StreamTail: of most messages it reads the headers alone."""

    __slots__ = ("_frames", "_over", "complete", "failed", "tier", "usage")

    def __init__(self) -> None:
        self._frames = Frames()
        self._over = False
        self.usage: Usage | None = None
        self.tier: str | None = None
        self.complete = False
        self.failed = False

    def feed(self, data: bytes) -> None:
        if self._over:
            return
        try:
            for frame in self._frames.feed(data):
                self._take(frame)
        except UpstreamProtocolError:
            # A client will see that it is damaged: it must not be taken for a whole answer.
            self._over = True
            self.complete = False

    def _take(self, frame: bytes) -> None:
        headers, payload = decode_message(frame)
        if headers.get(":message-type") != "event":
            self.failed = True
            return
        kind = headers.get(":event-type")
        if kind == "messageStop":
            self.complete = True
        elif kind == "metadata":
            self._measure(payload)

    def _measure(self, payload: bytes) -> None:
        try:
            metadata = _answers.decode(payload)
            self.usage = parse_usage(metadata.usage) or self.usage
        except UNEXPECTED:
            return
        self.tier = tier_of({"serviceTier": metadata.serviceTier})
