"""Limits on one attempt at a target."""

import msgspec


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All in seconds.

    connect: DNS, TCP, TLS and a proxy's CONNECT together.
    first_byte: from the request sent to the response head.
    idle: between two pieces of the body.
    total: the whole attempt.
    """

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 30.0
    total: float = 600.0
