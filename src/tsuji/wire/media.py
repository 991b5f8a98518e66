"""What several dialects need to know of media."""

from binascii import Error, a2b_base64

from tsuji.core.parts import Media

_TEXTS = ("application/json", "application/xml")


def text_of(media: Media) -> str | None:
    """The text of a document that is text, also where it came as base64; None for any other."""
    if media.text is not None or media.data is None:
        return media.text
    kind = (media.media_type or "").partition(";")[0].strip().lower()
    if not (kind.startswith("text/") or kind in _TEXTS):
        return None
    try:
        return a2b_base64(media.data.encode()).decode()
    except (Error, UnicodeError):
        return None
