"""What a route has stored of its requests: prompts and answers, until their time is over.

They take the records' way, through the spool, in frames of their own kind.
"""

import msgspec

MARK = b"\xc1"
"""The one byte that MessagePack never uses: what begins with it is no Record."""


class Contents(msgspec.Struct, array_like=True):
    """It is written as an array: fields may only be added, at the end, with a default.

    expires: microseconds since 1970. request, response: text; None where it is not stored. request_bytes,
    response_bytes: how long the whole was; the text may be its beginning only.
    """

    request_id: str
    time: int
    expires: int
    request: str | None = None
    response: str | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None


def encode(contents: Contents) -> bytes:
    return MARK + msgspec.msgpack.encode(contents)


def decode(frame: bytes) -> Contents:
    """Raises msgspec.MsgspecError."""
    return msgspec.msgpack.decode(frame[len(MARK) :], type=Contents)
