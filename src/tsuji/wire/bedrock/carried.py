"""Thinking and signatures of other dialects, inside the opaque values that a Bedrock client gives back unread.

The tokens are those of ../anthropic/carried.py, in base64 once more: `redactedContent` is bytes, and a signature that
is written in the same way lets one mark find both. A signature of a text or a tool call travels in a block of redacted
reasoning right behind it.
"""

from binascii import a2b_base64, b2a_base64

from tsuji.core.parts import Part, Thinking

from ..anthropic import carried
from ..anthropic.fields import UNEXPECTED


def _write(token: str) -> str:
    return b2a_base64(token.encode(), newline=False).decode()


PREFIX = _write(carried.PREFIX)
"""Six bytes are eight letters of base64, so every token begins with them."""
MARK = b'"' + PREFIX.encode()
"""In a request body where something is carried: the API would refuse it, so it must not get there undecoded."""


def _read(data: str) -> str:
    if not data.startswith(PREFIX):
        return ""
    try:
        return a2b_base64(data.encode()).decode()
    except UNEXPECTED:
        return ""


def pack_thinking(part: Thinking) -> str:
    return _write(carried.pack_thinking(part))


def unpack_thinking(text: str, signature: str) -> Thinking | None:
    """The foreign Thinking; None where the signature is Bedrock's own."""
    return carried.unpack_thinking(text, _read(signature))


def pack_signature(signature: str) -> str:
    return _write(carried.pack_signature(signature))


def attach(parts: list[Part], data: str) -> bool:
    """Give the last of `parts` the signature in `data`. False where `data` is Bedrock's own."""
    return carried.attach(parts, _read(data))
