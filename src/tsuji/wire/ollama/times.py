"""`created_at`: RFC 3339 on the wire, Unix seconds in core."""

from typing import Any

from .fields import Object, own


def seconds_of(value: Any) -> int | None:
    """None for what is no time, and for the year 1 that Go writes where there is none."""
    from datetime import datetime

    try:
        return max(int(datetime.fromisoformat(value).timestamp()), 0) or None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def written(seconds: int) -> str | None:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def stamp(out: Object, created: int | None, ext: Any) -> None:
    """Puts `created_at` into an answer, as it came where it came so; nothing where the time is not known."""
    text = own(ext).get("~created_at") or (None if created is None else written(created))
    if text is not None:
        out["created_at"] = text
