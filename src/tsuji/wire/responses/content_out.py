"""Content parts of an item, to the wire.

| core | here |
|---|---|
| Text | `input_text` |
| Image by data, URL or file id | `input_image` |
| Document by data, URL or file id | `input_file`; by text: an `input_text` |
| Audio | `input_audio` where it came as that, which some providers take |

Everything else is refused by name. A cache mark goes out only as it came in: this dialect caches by itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tsuji.core.parts import Audio, Document, Image, Opaque, Part, Text
from tsuji.wire.dialect import Losses
from tsuji.wire.openai.parts_out import address, kind_of

from .fields import NAME, Fields, own


def write_content(parts: Sequence[Part], losses: Losses, where: str) -> list[Fields]:
    """where: the path of the content in the request."""
    out: list[Fields] = []
    for index, part in enumerate(parts):
        place = f"{where}[{index}]"
        write = _WRITERS.get(type(part))
        if write is None:
            losses.refuse(f"{place} ({kind_of(part)})", "an item here cannot hold it")
        else:
            out += write(part, losses, place)
    return out


def _with_ext(out: Fields, part: Any, losses: Losses, where: str) -> list[Fields]:
    if part.ext:
        out.update(losses.ext(part.ext, where + "."))
        out.update(own(part.ext).get("~cache", {}))
    return [out]


def _text(part: Text, losses: Losses, where: str) -> list[Fields]:
    said = own(part.ext).get("~part")
    if said is not None:
        return [{"type": "output_text", "text": part.text, **said}]
    return _with_ext({"type": "input_text", "text": part.text}, part, losses, where)


def _image(part: Image, losses: Losses, where: str) -> list[Fields]:
    out: Fields = {"type": "input_image"}
    url = address(part.source)
    if part.source.file_id is not None:
        out["file_id"] = part.source.file_id
    elif url is not None:
        out["image_url"] = url
    if part.detail is not None or "~own" not in own(part.ext):
        out["detail"] = part.detail or "auto"
    return _with_ext(out, part, losses, where)


def _document(part: Document, losses: Losses, where: str) -> list[Fields]:
    if part.cite:
        losses.refuse(where + ".citations", "answers carry no citations of documents")
    source = part.source
    if source.text is not None:
        head = "\n".join([t for t in (part.title, part.context) if t])
        return [{"type": "input_text", "text": f"{head}\n\n{source.text}" if head else source.text}]
    name = source.name or part.title
    out: Fields = {"type": "input_file"}
    if source.file_id is not None:
        out["file_id"] = source.file_id
    elif source.url is not None:
        out["file_url"] = source.url
    else:
        out["file_data"] = source.data if source.media_type is None else address(source)
        name = name or _file_name(source.media_type)  # OpenAI refuses data without a name.
    if name and source.file_id is None:
        out["filename"] = name
    written = _with_ext(out, part, losses, where)
    return [{"type": "input_text", "text": part.context}, *written] if part.context else written


def _file_name(media_type: str | None) -> str:
    return "document." + ((media_type or "application/pdf").partition(";")[0].rpartition("/")[2] or "pdf")


def _audio(part: Audio, losses: Losses, where: str) -> list[Fields]:
    if "~own" not in own(part.ext):
        losses.refuse(where + " (audio)", "an item here holds text, images and files")
        return []
    audio = {"data": part.source.data, "format": part.format}
    return _with_ext({"type": "input_audio", "input_audio": audio}, part, losses, where)


def _opaque(part: Opaque, losses: Losses, where: str) -> list[Fields]:
    if part.dialect == NAME:
        return [part.data]
    losses.refuse(f"{where} ({part.kind})", f"it is a part of the {part.dialect} dialect")
    return []


_WRITERS: dict[type[Part], Callable[[Any, Losses, str], list[Fields]]] = {
    Text: _text,
    Image: _image,
    Document: _document,
    Audio: _audio,
    Opaque: _opaque,
}
