"""What somebody thinks of an answer: the client by POST /v1/feedback, or a judge model.

It takes the records' way, through the spool, in frames of its own kind.
"""

import msgspec

from . import contents

MARK = contents.MARK * 2
"""No MessagePack begins so: it is neither a Record nor Contents."""
CLIENT, JUDGE = "client", "judge"


class Feedback(msgspec.Struct, array_like=True):
    """It is written as an array: fields may only be added, at the end, with a default.

    key_id: of whoever says it, "" for none; it counts for a request of the same key only. source: CLIENT or JUDGE.
    time: microseconds since 1970; of several from one source, the last counts. value, choice: one of the two.
    """

    request_id: str
    source: str
    key_id: str
    time: int
    value: float | None = None
    choice: str | None = None
    comment: str | None = None


def encode(feedback: Feedback) -> bytes:
    return MARK + msgspec.msgpack.encode(feedback)


def decode(frame: bytes) -> Feedback:
    """Raises msgspec.MsgspecError."""
    return msgspec.msgpack.decode(frame[len(MARK) :], type=Feedback)
