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
    """

    connect: float = 5.0
    first_byte: float | None = None
    idle: float = 30.0
    total: float = 600.0

    @property
    def head(self) -> float:
        """How long the response head may take."""
        return self.total if self.first_byte is None else self.first_byte

    def streaming(self) -> "Timeouts":
        """As they are for a stream."""
        return self if self.first_byte is not None else msgspec.structs.replace(self, first_byte=_STREAM_HEAD)
