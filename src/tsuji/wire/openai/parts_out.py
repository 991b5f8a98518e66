"""Content parts of a message, to the wire.

| core | here |
|---|---|
| Text | `text` |
| Image by data or URL | `image_url` |
| Audio by data | `input_audio` |
| Document by data or file id | `file`; by text: a `text` part; by URL: only where it came as Mistral's `document_url` |
| Video by data or URL | `video_url` (OpenRouter, vLLM, Z.ai) |

Everything else is refused by name. A cache mark goes out only as it came in: this dialect caches by itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tsuji.core.parts import Audio, Document, Image, Media, Opaque, Part, Text, Video
from tsuji.wire.dialect import Losses

from .fields import NAME, is_object, own


def write_parts(parts: Sequence[Part], losses: Losses, where: str) -> list[dict[str, Any]]:
    """The parts that a message's `content` list can hold, in order. `where` is the content's path."""
    out: list[dict[str, Any]] = []
    for index, part in enumerate(parts):
        out += write_part(part, losses, f"{where}[{index}]")
    return out


def write_part(part: Part, losses: Losses, place: str) -> list[dict[str, Any]]:
    write = _WRITERS.get(type(part))
    if write is None:
        losses.refuse(f"{place} ({kind_of(part)})", "a message here cannot hold it")
        return []
    return write(part, losses, place)


def kind_of(part: Part) -> str:
    return part.kind if type(part) is Opaque else type(part).__name__.lower()


def add_ext(out: dict[str, Any], part: Any, losses: Losses, where: str) -> None:
    """Adds what this dialect kept of a part: "image_url.x" goes into `image_url`."""
    if not part.ext:
        return
    for name, value in losses.ext(part.ext, where + ".").items():
        put(out, name, value)
    mark = own(part.ext).get("~cache")
    if mark:
        out.update(mark)


def put(out: dict[str, Any], name: str, value: Any) -> None:
    """Sets a field; "a.b" is b of a where a is an object, else a name like any other."""
    outer, dot, inner = name.partition(".")
    holder: Any = out.get(outer) if dot else None
    if is_object(holder):
        holder[inner] = value
    else:
        out[name] = value


def address(source: Media) -> str | None:
    """A URL, made of the data where there is no URL."""
    if source.data is not None:
        return f"data:{source.media_type or 'application/octet-stream'};base64,{source.data}"
    return source.url


def write_text(part: Text, losses: Losses, where: str) -> list[dict[str, Any]]:
    out: dict[str, Any] = {"type": "text", "text": part.text}
    add_ext(out, part, losses, where)
    return [out]


def _image(part: Image, losses: Losses, where: str) -> list[dict[str, Any]]:
    url = address(part.source)
    if url is None:
        losses.refuse(where + " (image by file id)", "images go by URL or data")
        return []
    if own(part.ext).get("~string"):
        out: dict[str, Any] = {"type": "image_url", "image_url": url}
    else:
        out = {"type": "image_url", "image_url": {"url": url, "detail": part.detail} if part.detail else {"url": url}}
    add_ext(out, part, losses, where)
    return [out]


def _audio(part: Audio, losses: Losses, where: str) -> list[dict[str, Any]]:
    if own(part.ext).get("~string"):
        plain: dict[str, Any] = {"type": "input_audio", "input_audio": part.source.data or part.source.url}
        add_ext(plain, part, losses, where)
        return [plain]
    if part.source.data is None:
        losses.refuse(where + " (audio without data)", "audio goes as base64 data")
        return []
    audio: dict[str, Any] = {"data": part.source.data}
    form = part.format or _audio_format(part.source.media_type)
    if form:
        audio["format"] = form
    out = {"type": "input_audio", "input_audio": audio}
    add_ext(out, part, losses, where)
    return [out]


def _audio_format(media_type: str | None) -> str | None:
    if not media_type:
        return None
    name = media_type.partition(";")[0].rpartition("/")[2].removeprefix("x-")
    return {"mpeg": "mp3", "wave": "wav", "vnd.wave": "wav", "mp4": "m4a"}.get(name, name)


def _document(part: Document, losses: Losses, where: str) -> list[dict[str, Any]]:
    if part.cite:
        losses.refuse(where + ".citations", "answers carry no citations of documents")
    source = part.source
    if source.text is not None:
        head = "\n".join([t for t in (part.title, part.context) if t])
        return [{"type": "text", "text": f"{head}\n\n{source.text}" if head else source.text}]
    spelled = own(part.ext).get("~type")
    out: dict[str, Any]
    if spelled == "document_url":
        out = {"type": "document_url", "document_url": address(source)}
        if source.name:
            out["document_name"] = source.name
    elif spelled == "file_id":
        out = {"type": "file", "file_id": source.file_id}
    else:
        file = _file(part, spelled == "file")
        if file is None:
            losses.refuse(where + " (document by URL)", "files go as data or by file id")
            return []
        out = {"type": "file", "file": file}
    add_ext(out, part, losses, where)
    return [{"type": "text", "text": part.context}, out] if part.context else [out]


def _file(part: Document, spelled: bool) -> dict[str, Any] | None:
    source = part.source
    name = source.name or part.title
    out: dict[str, Any] = {"filename": name} if name else {}
    if source.file_id is not None:
        out["file_id"] = source.file_id
    elif source.data is not None:
        out["file_data"] = source.data if source.media_type is None else address(source)
        if not spelled and not name:  # OpenAI refuses data without a name, which other dialects don't ask for.
            out["filename"] = _file_name(source.media_type)
    elif spelled and source.url is not None:  # OpenRouter takes a URL here.
        out["file_data"] = source.url
    else:
        return None
    return out


def _file_name(media_type: str | None) -> str:
    return "document." + ((media_type or "application/pdf").partition(";")[0].rpartition("/")[2] or "pdf")


def _video(part: Video, losses: Losses, where: str) -> list[dict[str, Any]]:
    url = address(part.source)
    if url is None:
        losses.refuse(where + " (video by file id)", "videos go by URL or data")
        return []
    out = {"type": "video_url", "video_url": {"url": url}}
    add_ext(out, part, losses, where)
    return [out]


def _opaque(part: Opaque, losses: Losses, where: str) -> list[dict[str, Any]]:
    if part.dialect == NAME:
        return [part.data]
    losses.refuse(f"{where} ({part.kind})", f"it is a part of the {part.dialect} dialect")
    return []


_WRITERS: dict[type[Part], Callable[[Any, Losses, str], list[dict[str, Any]]]] = {
    Text: write_text,
    Image: _image,
    Audio: _audio,
    Document: _document,
    Video: _video,
    Opaque: _opaque,
}
