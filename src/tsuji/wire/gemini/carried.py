"""Thinking of other dialects, inside the thoughtSignature that a Gemini client gives back unread.

The client may spell the signature in either base64 alphabet; Google's own changes the one it got. A stream has said the
words by the time their proof comes, and clients keep its chunks as parts of their own, so there the token holds the
words as well: what comes back is whole, and the loose thoughts before it carry nothing.
"""

from binascii import Error, a2b_base64, b2a_base64

import msgspec

from tsuji.core.parts import Thinking

_MARK = b"tsuji:"
_PREFIX = b2a_base64(_MARK, newline=False).decode()
FOREIGN_MARK = _PREFIX.encode()
"""Six bytes are eight letters, alike in both alphabets."""

_STANDARD = str.maketrans("-_", "+/")


class _Token(msgspec.Struct, omit_defaults=True):
    """One-letter names keep the token short: origin, signature, redacted data, id, whether a summary, text."""

    o: str
    s: str | None = None
    r: str | None = None
    i: str | None = None
    m: bool = False
    t: str | None = None


_decoder = msgspec.json.Decoder(_Token)


def pack(part: Thinking, said: str | None = None) -> str | None:
    """The signature that carries `part`, or None if there is nothing to carry. said: text that is not beside it."""
    if part.origin is None:
        return None
    token = _Token(part.origin, part.signature, part.redacted, part.id, part.summary, said)
    return b2a_base64(_MARK + msgspec.json.encode(token), newline=False).decode()


def unpack(text: str, signature: str) -> Thinking | None:
    """The other dialect's Thinking; None where the signature is Gemini's own."""
    if not signature.startswith(_PREFIX):
        return None
    try:
        token = _decoder.decode(a2b_base64(signature.translate(_STANDARD))[len(_MARK) :])
    except (msgspec.MsgspecError, Error, ValueError):
        return None
    return Thinking(
        text=text if token.t is None else token.t,
        signature=token.s,
        redacted=token.r,
        id=token.i,
        summary=token.m,
        origin=token.o,
    )
