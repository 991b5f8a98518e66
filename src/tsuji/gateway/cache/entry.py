"""What is kept of an answer, and its form at rest."""

import hmac

import msgspec

_MARK = b"TC\x01"
"""Of this format; another one's entries are misses."""
_SEAL = 16


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """A whole answer in the client's dialect.

    created: seconds since 1970. body: as a client that asks for no stream has it. target: "provider:model" that gave
    it. cost: nano-dollars, None: unknown. used: it says what it used, as a whole answer does; a stream may not have
    been asked to. dropped: parameters that the target did not take.
    """

    created: float
    body: bytes
    target: str
    cost: int | None = None
    used: bool = True
    dropped: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.body) + 256

    def age(self, now: float) -> float:
        """Seconds. A clock that was set back makes nothing older than it is."""
        return max(0.0, now - self.created)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def seal(secret: bytes, key: bytes, entry: Entry) -> bytes:
    """At rest: a mark, a MAC over key and content, the content. Who can only write to the store can make none that is
    taken, nor move one to another key.
    """
    content = _encoder.encode(entry)
    return _MARK + _mac(secret, key, content) + content


def unseal(secret: bytes, key: bytes, data: bytes) -> Entry | None:
    """None for what is damaged, of another format, or of another key."""
    start = len(_MARK) + _SEAL
    if not data.startswith(_MARK) or not hmac.compare_digest(data[len(_MARK) : start], _mac(secret, key, data[start:])):
        return None
    try:
        return _decoder.decode(data[start:])
    except msgspec.MsgspecError:
        return None


def _mac(secret: bytes, key: bytes, content: bytes) -> bytes:
    return hmac.digest(secret, key + content, "sha256")[:_SEAL]
