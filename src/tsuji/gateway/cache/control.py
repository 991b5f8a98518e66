"""What a client says of the cache for this one request."""

import msgspec

from tsuji.core.errors import InvalidRequestError

HEADER = b"x-tsuji-cache"
_MAX_DIGITS = 9


class Control(msgspec.Struct, frozen=True):
    """read: an entry may answer. write: the answer may be kept, and shared with who asks the same meanwhile. max_age:
    of an entry, in seconds.
    """

    read: bool = True
    write: bool = True
    max_age: int | None = None


_FREE = Control()


def control(headers: dict[bytes, bytes]) -> Control:
    """From `cache-control: no-cache`, `no-store` and `max-age=N` (https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1),
    and `x-tsuji-cache: off` or `refresh`. Raises InvalidRequestError for another word in the latter.
    """
    said, asked = headers.get(HEADER), headers.get(b"cache-control")
    if said is None and asked is None:
        return _FREE
    word = (said or b"").strip().lower()
    if word not in (b"", b"off", b"refresh"):
        raise InvalidRequestError("x-tsuji-cache is 'off' or 'refresh'", param="x-tsuji-cache")
    words = [piece.strip() for piece in (asked or b"").lower().split(b",")]
    ages = [age for piece in words if (age := _age(piece)) is not None]
    return Control(
        read=not word and b"no-cache" not in words,
        write=word != b"off" and b"no-store" not in words,
        max_age=min(ages) if ages else None,
    )


def _age(word: bytes) -> int | None:
    name, _, value = word.partition(b"=")
    value = value.strip(b'"')
    return int(value[:_MAX_DIGITS]) if name == b"max-age" and value.isdigit() else None
