"""Thinking and signatures of other dialects, inside the opaque strings that an Anthropic client gives back unread.

A client keeps `thinking.signature` and `redacted_thinking.data` and returns them on the next turn. What another dialect
needs back travels there as a token: a fixed prefix, then JSON in base64. A signature that belongs to a text or a tool
call, which have no such field here, travels in a `redacted_thinking` block right behind it.
"""

from binascii import a2b_base64, b2a_base64

import msgspec

from tsuji.core.parts import Part, Text, Thinking, ToolCall

from .fields import UNEXPECTED

PREFIX = "tsuji."
MARK = b'"tsuji.'
"""In a request body where something is carried: the API would refuse it, so it must not get there undecoded."""


class _Token(msgspec.Struct, omit_defaults=True):
    """One-letter names keep the token short. a: the signature belongs to the part before the block."""

    o: str | None = None
    s: str | None = None
    r: str | None = None
    i: str | None = None
    m: bool = False
    a: bool = False


_decoder = msgspec.json.Decoder(_Token)


def _write(token: _Token) -> str:
    return PREFIX + b2a_base64(msgspec.json.encode(token), newline=False).decode()


def _read(data: str) -> _Token | None:
    if not data.startswith(PREFIX):
        return None
    try:
        return _decoder.decode(a2b_base64(data[len(PREFIX) :].encode()))
    except UNEXPECTED:
        return None


def pack_thinking(part: Thinking) -> str:
    """All of a foreign Thinking but its text, which stays readable in the block."""
    return _write(_Token(o=part.origin, s=part.signature, r=part.redacted, i=part.id, m=part.summary))


def unpack_thinking(text: str, signature: str) -> Thinking | None:
    """The foreign Thinking; None where the signature is Anthropic's own."""
    token = _read(signature)
    if token is None:
        return None
    return Thinking(text=text, signature=token.s, redacted=token.r, id=token.i, summary=token.m, origin=token.o)


def pack_signature(signature: str) -> str:
    """Of a text or a tool call: the `data` of the block behind it."""
    return _write(_Token(s=signature, a=True))


def attach(parts: list[Part], data: str, early: list[str] | None = None) -> bool:
    """Give the last of `parts` the signature in `data`. False where `data` is Anthropic's own.

    early: takes a signature that has nothing to belong to before it.
    """
    token = _read(data)
    if token is None or not token.a:
        return False
    if parts and type(parts[-1]) in (Text, ToolCall):
        parts[-1] = msgspec.structs.replace(parts[-1], signature=token.s)
    elif early is not None and token.s is not None:
        early.append(token.s)
    return True


def attach_early(parts: list[Part], early: list[str]) -> None:
    """Gives calls the signatures that came before them: LiteLLM puts all thinking of an answer at its beginning."""
    waiting = iter(early)
    for at, part in enumerate(parts):
        if type(part) is ToolCall and part.signature is None and (signature := next(waiting, None)) is not None:
            parts[at] = msgspec.structs.replace(part, signature=signature)
