"""Limits on one attempt at a target."""

import msgspec

_STREAM_HEAD = 60.0


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All in seconds.

    connect: DNS, TCP, TLS and a proxy's CONNECT together.
    first_byte: from the request sent to the response head. Left out, it is 60 for a stream; a whole answer, whose head
    comes when the model has finished, then has `total` alone.
    idle: between two pieces of the body.
    total: the whole attempt.
    first_token: of a stream, from the request sent to the first content; None is no limit.
    rate: pieces with content (of most models, tokens) per second that a stream must keep up; None is no floor.
    """

    connect: float = 5.0
    first_byte: float | None = None
    idle: float = 30.0
    total: float = 600.0
    first_token: float | None = None
    rate: float | None = None

    @property
    def head(self) -> float:
        """How long the response head may take."""
        return self.total if self.first_byte is None else self.first_byte

    def streaming(self) -> "Timeouts":
        """As they are for a stream."""
        return self if self.first_byte is not None else msgspec.structs.replace(self, first_byte=_STREAM_HEAD)
