"""What several endpoints share: texts, times, pages and their cursors."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from tsuji.core.errors import InvalidRequestError
from tsuji.ledger.keys import moment

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]+$(?!\n)"

Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=_PRINTABLE)]
"""Of one line; no database refuses it, and no terminal obeys it."""
KeyId = Annotated[str, Meta(pattern=r"^k_[0-9A-Za-z]{10}$(?!\n)", description="Of a virtual key.")]
Time = Annotated[datetime, Meta(tz=True, description="RFC 3339, with its offset from UTC.")]
Cursor = Annotated[
    str, Meta(max_length=4000, pattern=r"^[A-Za-z0-9_-]+$(?!\n)", description="`next` of the page before this one.")
]
Limit = Annotated[int, Meta(ge=1, le=1000, description="The most items that are wanted.")]


_Position = tuple[Annotated[int, Meta(ge=-(2**62), le=2**62)], Annotated[str, Meta(pattern=r"^[^\u0000]*$(?!\n)")]]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is sent: a field that is not known is a mistake."""


class Paged(Body, frozen=True, kw_only=True):
    """A page of a list. after: where it begins."""

    limit: Limit = 100
    after: Cursor | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """next: for `after`, null where there is no more."""

    items: list[T]
    next: str | None


def maybe(micro: int | None) -> datetime | None:
    return None if micro is None else moment(micro)


def micro(time: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def cursor(at: tuple[int, str] | None) -> str | None:
    """Where a page ends, as clients give it back."""
    return None if at is None else base64.urlsafe_b64encode(msgspec.json.encode(at)).rstrip(b"=").decode()


def position(text: str | None) -> tuple[int, str] | None:
    """The other way. Raises InvalidRequestError for what was no cursor."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Position)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidRequestError("this is no cursor; pass on `next` of the page before it", param="after") from None
