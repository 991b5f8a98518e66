"""Images, documents, videos and audio: `format` and `source` on the wire, a media type in core.

A source in S3 or of several pieces of content is this dialect's own business. The other way round a URL that begins
with s3:// is such a source; other URLs are not fetched by the API.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from typing import Any, Final

from tsuji.core.parts import Media

from ..anthropic.blocks_out import media_type_of
from ..anthropic.fields import Object, as_object, as_string

IMAGES: Final = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
DOCUMENTS: Final = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
VIDEOS: Final = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "flv": "video/x-flv",
    "mpeg": "video/mpeg",
    "mpg": "video/mpg",
    "wmv": "video/x-ms-wmv",
    "three_gp": "video/3gpp",
}
AUDIOS: Final = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "x-aac": "audio/x-aac",
    "m4a": "audio/x-m4a",
    "mp4": "audio/mp4",
    "mpeg": "audio/x-mpeg",
    "mpga": "audio/mpga",
    "mka": "audio/x-matroska",
    "mkv": "audio/matroska",
    "pcm": "audio/pcm",
    "webm": "audio/webm",
}
_ALIASES: Final = {"image/jpg": "jpeg", "audio/mp3": "mp3", "audio/x-wav": "wav", "application/x-pdf": "pdf"}
Formats = dict[str, str]


def parse_media(fields: Object, formats: Formats, extra: Object) -> Media | None:
    """None for a source that core has no noun for. extra: gets a `format` that its media type would not give back."""
    source = as_object(fields.get("source"), "source")
    kind: Any = fields.get("format")
    media_type = None
    if kind is not None:
        media_type = formats.get(as_string(kind, "format"))
        if media_type is None:
            extra["~format"] = kind
            media_type = kind if "/" in kind else None
    if source.keys() == {"bytes"}:
        return Media(data=as_string(source["bytes"], "source.bytes"), media_type=media_type)
    if source.keys() == {"text"}:
        return Media(text=as_string(source["text"], "source.text"), media_type=media_type)
    return None


def format_of(media: Media, formats: Formats) -> str | None:
    """What `format` is for the media type; None where there is none for it."""
    kind = (media_type_of(media) or "").partition(";")[0].strip().lower()
    found = next((name for name, media_type in formats.items() if media_type == kind), None) or _ALIASES.get(kind)
    if found is None and formats is DOCUMENTS and (kind.startswith("text/") or kind == "application/json"):
        return "txt"
    return found if found in formats else None


def source_of(media: Media) -> Object | None:
    """None for what the API would have to fetch."""
    if media.data is not None:
        return {"bytes": media.data}
    if media.text is not None:
        return {"bytes": b2a_base64(media.text.encode(errors="replace"), newline=False).decode()}
    if media.url is not None and media.url.startswith("s3://"):
        return {"s3Location": {"uri": media.url}}
    return None


def joined(pieces: list[str]) -> str:
    """One base64 text of several that were encoded one by one; what is no base64 is kept as it came."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b2a_base64(b"".join([a2b_base64(piece) for piece in pieces]), newline=False).decode()
    except (Base64Error, ValueError):
        return "".join(pieces)
