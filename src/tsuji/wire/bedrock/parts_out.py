"""Parts of a request to content blocks. What cannot be said is refused by name.

Fitted to the API where another dialect said them: blank texts are left out, as it refuses them; documents get names of
letters, digits, spaces, hyphens and brackets, each its own; ids of calls get letters, digits, "_" and "-"; a cache mark
becomes a cache point where the model takes them, else nothing; `status` of a tool result likewise.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tsuji.core.parts import (
    Audio,
    CacheMark,
    Citation,
    Document,
    Ext,
    Image,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)

from ..anthropic.blocks_out import tool_input
from ..anthropic.fields import UNEXPECTED, Object
from ..anthropic.parts_out import ToolIds
from ..dialect import Losses
from .families import Family
from .fields import NAME, own
from .media import AUDIOS, DOCUMENTS, IMAGES, VIDEOS, Formats, format_of, source_of

_decode = msgspec.json.Decoder().decode
_NAME_MARKS: Final = " -()[]"
_MAX_ID: Final = 64


class Place:
    """Where in the request the rendering is, for the names of what is refused; and what has to be known of the rest.

    native: the request was said in this dialect, so nothing is fitted.
    """

    __slots__ = ("family", "ids", "losses", "message", "names", "native", "part", "role")

    def __init__(self, losses: Losses, family: Family, native: bool) -> None:
        self.losses = losses
        self.family = family
        self.native = native
        self.ids = ToolIds(_MAX_ID)
        self.names: set[str] = set()
        self.role: str = "user"
        self.message = 0
        self.part = 0

    @property
    def name(self) -> str:
        return f"messages[{self.message}].content[{self.part}]"

    def refuse(self, what: str, why: str = "") -> None:
        self.losses.refuse(f"{self.name} ({what})", why)

    def own_fields(self, ext: Ext | None) -> Object:
        """This dialect's own fields; those of others are refused."""
        return dict(self.losses.ext(ext, self.name + ".")) if ext else {}


def render_parts(parts: tuple[Part, ...], place: Place) -> list[Object]:
    blocks: list[Object] = []
    for index, part in enumerate(parts):
        place.part = index
        block = _RENDER[type(part)](part, place)
        if block is None:
            continue
        blocks.append(block)
        mark = getattr(part, "cache", None)
        if mark is not None and (place.native or (place.family.caches and place.role != "tool")):
            blocks.append(cache_point(mark))
    return blocks


def cache_point(mark: CacheMark) -> Object:
    return {"cachePoint": {"type": "default"} if mark.ttl is None else {"type": "default", "ttl": mark.ttl}}


def _text(part: Text, place: Place) -> Object | None:
    said = own(part.ext)
    extra = place.own_fields(part.ext)
    if "guardContent" in extra:
        return {"guardContent": {"text": {"text": part.text, **extra["guardContent"]}}}
    if "~json" in said:
        return {"json": _decode(part.text)}
    if "~cited" in said:
        return cited_block(part, [c for c in map(own_citation, part.citations) if c is not None])
    if part.citations:
        place.losses.note(place.name + " (citations)")
    return {"text": part.text} if place.native or part.text.strip() else None


def own_citation(citation: Citation) -> Object | None:
    return citation.ext.get(NAME) if citation.ext else None


def cited_block(part: Text, citations: list[Object]) -> Object:
    said = own(part.ext)
    content = [{"text": text} for text in said.get("~pieces", [part.text])]
    both: Object = {"content": content, "citations": citations}
    return {"citationsContent": {name: both[name] for name in said.get("~cited", both)}}


def media_block(kind: str, media: Media, formats: Formats, ext: Ext | None) -> Object | None:
    """None for a source or a type that the API does not take."""
    form = own(ext).get("~format") or format_of(media, formats)
    source = source_of(media)
    return None if form is None or source is None else {kind: {"format": form, "source": source}}


def _media(kind: str, media: Media, formats: Formats, ext: Ext | None, place: Place) -> Object | None:
    block = media_block(kind, media, formats, ext)
    if block is None:
        types = ", ".join(formats)
        place.refuse(kind, f"it must be data or an s3:// URL, of a type among {types}")
        return None
    extra = place.own_fields(ext)
    guarded = extra.pop("guardContent", None)
    block[kind].update(extra)
    return block if guarded is None else {"guardContent": block}


def _image(part: Image, place: Place) -> Object | None:
    if place.role == "assistant" and not place.native:
        place.refuse("image", "an assistant turn cannot hold one")
        return None
    return _media("image", part.source, IMAGES, part.ext, place)


def _video(part: Video, place: Place) -> Object | None:
    return _media("video", part.source, VIDEOS, part.ext, place)


def _audio(part: Audio, place: Place) -> Object | None:
    if part.transcript and place.role == "assistant":
        return {"text": part.transcript}
    media = part.source
    if media.media_type is None and part.format in AUDIOS:
        media = msgspec.structs.replace(media, media_type=AUDIOS[part.format])
    return _media("audio", media, AUDIOS, part.ext, place)


def _document(part: Document, place: Place) -> Object | None:
    media, said = part.source, own(part.ext)
    if place.native:
        form = said.get("~format") or (media.media_type and format_of(media, DOCUMENTS))
        source = {"text": media.text} if media.text is not None else source_of(media)
        name = part.title
    else:
        form = "txt" if media.text is not None else format_of(media, DOCUMENTS)
        source = None if form is None else source_of(media)
        name = _document_name(part, place)
    if source is None:
        place.refuse("document", f"it must be text, data or an s3:// URL, of a type among {', '.join(DOCUMENTS)}")
        return None
    given: Object = {"format": form, "name": name, "source": source, "context": part.context}
    block: Object = {k: v for k, v in given.items() if v is not None}
    if part.cite is not None:
        block["citations"] = {"enabled": part.cite}
    return {"document": {**block, **place.own_fields(part.ext)}}


def _document_name(part: Document, place: Place) -> str:
    given = part.title or part.source.name or "document"
    letters = [c if (c.isascii() and c.isalnum()) or c in _NAME_MARKS else " " for c in given]
    stem = " ".join("".join(letters).split())[:180] or "document"
    name, count = stem, 1
    while name in place.names:
        count += 1
        name = f"{stem} {count}"
    place.names.add(name)
    return name


def _thinking(part: Thinking, place: Place) -> Object | None:
    """Claude's signatures hold on every platform that serves it
    (https://platform.claude.com/docs/en/build-with-claude/extended-thinking).
    """
    claude = part.origin == "anthropic" and place.family.name == "claude" and part.signature and not part.redacted
    if part.origin != NAME and not claude:
        place.losses.note(place.name + " (thinking)")
        return None
    return reasoning_block(part, place.own_fields(part.ext))


def reasoning_block(part: Thinking, extra: Object) -> Object:
    if part.redacted is not None:
        return {"reasoningContent": {"redactedContent": part.redacted}}
    thought: Object = {"text": part.text}
    if part.signature is not None:
        thought["signature"] = part.signature
    return {"reasoningContent": {"reasoningText": {**thought, **extra}}}


def _tool_call(part: ToolCall, place: Place) -> Object:
    identity = part.id if place.native else place.ids.of_call(part)
    return tool_use_block(part, identity, place.own_fields(part.ext), place.native)


def tool_use_block(part: ToolCall, identity: str, extra: Object, exact: bool = False) -> Object:
    """exact: the arguments may be something else than an object."""
    fields: Object = {"toolUseId": identity, "name": part.name, "input": _input(part.arguments, exact), **extra}
    if "~type" in own(part.ext):
        fields["type"] = own(part.ext)["~type"]
    return {"toolUse": fields}


def _input(arguments: str, exact: bool) -> Any:
    if exact:
        try:
            return _decode(arguments)
        except UNEXPECTED:
            pass
    return tool_input(arguments)


def _tool_result(part: ToolResult, place: Place) -> Object:
    inner = Place(place.losses, place.family, place.native)
    inner.message, inner.role, inner.names = place.message, "tool", place.names
    fields: Object = {
        "toolUseId": part.call_id if place.native else place.ids.of_result(part),
        "content": render_parts(part.content, inner),
    }
    if part.is_error is not None:
        if place.native or place.family.status:
            fields["status"] = "error" if part.is_error else "success"
        elif part.is_error:
            place.losses.note(place.name + ".is_error")
    return {"toolResult": {**fields, **place.own_fields(part.ext)}}


def _refusal(part: Refusal, place: Place) -> Object:
    place.own_fields(part.ext)
    return {"text": part.text}


def _opaque(part: Opaque, place: Place) -> Object | None:
    if part.dialect == NAME:
        return part.data
    place.refuse(part.kind, f"it is a part of the {part.dialect} dialect")
    return None


_RENDER: dict[type, Callable[[Any, Place], Object | None]] = {
    Text: _text,
    Image: _image,
    Document: _document,
    Audio: _audio,
    Video: _video,
    Thinking: _thinking,
    ToolCall: _tool_call,
    ToolResult: _tool_result,
    Refusal: _refusal,
    Opaque: _opaque,
}
