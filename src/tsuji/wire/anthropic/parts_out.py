"""Parts of a request to content blocks. What cannot be said is refused by name."""

from collections.abc import Callable
from typing import Any

from tsuji.core.errors import InvalidRequestError
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

from ..dialect import Losses
from ..media import text_of
from .blocks_in import plain
from .blocks_out import media_type_of, own, own_citation, own_thinking_block, source_of, text_block, tool_use_block
from .carried import PREFIX
from .fields import NAME, Object, render_cache

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


class ToolIds:
    """Ids as this dialect takes them: letters, digits, "_" and "-".

    Others are spelled anew, the same way every time; a missing one becomes "call_0", "call_1" ...
    longest: letters that an id may have, on a platform that counts them.
    """

    __slots__ = ("_count", "_longest", "_open", "_spelled", "_used")

    def __init__(self, longest: int | None = None) -> None:
        self._longest = longest
        self._spelled: dict[str, str] = {}
        self._used: set[str] = set()
        self._open: list[tuple[str, str]] = []
        self._count = 0

    def of_call(self, call: ToolCall) -> str:
        given = call.id
        if given and _allowed(given) and given == given[: self._longest]:
            self._used.add(given)
            return given
        identity = self._spelled.get(given) or self._fresh(given)
        if given:
            self._spelled[given] = identity
        else:
            self._open.append((call.name, identity))
        return identity

    def _fresh(self, given: str) -> str:
        stem = "".join([c if _allowed(c) else "_" for c in given])
        if self._longest is not None:
            stem = stem[: self._longest - 6]
        candidate = stem
        while not candidate or candidate in self._used:
            candidate = f"{stem or 'call'}_{self._count}"
            self._count += 1
        self._used.add(candidate)
        return candidate

    def of_result(self, result: ToolResult) -> str:
        """Raises InvalidRequestError for a result without id when no call is left that it could answer."""
        if result.call_id:
            return self._spelled.get(result.call_id, result.call_id)
        for place, (name, identity) in enumerate(self._open):
            if result.name is None or result.name == name:
                del self._open[place]
                return identity
        tool = result.name or "an unnamed tool"
        raise InvalidRequestError(f"a tool result (of {tool}) answers no tool call before it; give it the call's id")


def _allowed(text: str) -> bool:
    return text.isascii() and text.replace("_", "0").replace("-", "0").isalnum()


class Place:
    """Where in the request the rendering is, for the names of what is refused."""

    __slots__ = ("ids", "losses", "message", "part", "role")

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self.ids = ToolIds()
        self.role: str = "user"
        self.message = 0
        self.part = 0

    @property
    def name(self) -> str:
        return f"messages[{self.message}].content[{self.part}]"

    def refuse(self, what: str, why: str = "") -> None:
        self.losses.refuse(f"{self.name} ({what})", why)

    def extend(self, block: Object, ext: Ext | None) -> None:
        """Add this dialect's own fields; those of others are refused."""
        if ext:
            block.update(self.losses.ext(ext, self.name + "."))


def render_parts(parts: tuple[Part, ...], place: Place) -> list[Object]:
    blocks: list[Object] = []
    for index, part in enumerate(parts):
        place.part = index
        block = _RENDER[type(part)](part, place)
        if block is not None:
            blocks.append(block)
    return blocks


def _text(part: Text, place: Place) -> Object | None:
    if not part.text and place.role == "assistant" and part.ext is None:
        # Other dialects write "" beside tool calls; here an empty block is an error.
        return None
    block = text_block(part)
    if part.citations:
        citations = [c for c in map(_citation, part.citations) if c is not None]
        if citations:
            block["citations"] = citations
        if len(citations) < len(part.citations):
            place.losses.note(place.name + " (citations)")
    if part.ext:
        place.extend(block, part.ext)
        if "~citations" in own(part.ext):
            block["citations"] = []
    return block


def _citation(citation: Citation) -> Object | None:
    """None for one that was made of another dialect's for a client to see: the API would not know it."""
    found = own_citation(citation)
    return None if found is None or found.get("encrypted_index") == PREFIX else found


def _mark(block: Object, cache: CacheMark | None) -> Object:
    if cache is not None:
        block["cache_control"] = render_cache(cache)
    return block


def _image(part: Image, place: Place) -> Object | None:
    source = part.source
    if place.role == "assistant":
        place.refuse("image", "an assistant turn cannot hold one")
        return None
    if source.data is not None and media_type_of(source) not in _IMAGE_TYPES:
        place.refuse("image", f"its type, {source.media_type or 'not given'}, is none of {', '.join(_IMAGE_TYPES)}")
        return None
    block = _mark({"type": "image", "source": source_of(source)}, part.cache)
    place.extend(block, part.ext)
    return block


def _document(part: Document, place: Place) -> Object | None:
    source = _document_source(part.source)
    if source is None:
        place.refuse("document", f"type {part.source.media_type} is neither PDF nor text")
        return None
    block = _mark({"type": "document", "source": source}, part.cache)
    title = part.title or part.source.name
    if title is not None:
        block["title"] = title
    if part.context is not None:
        block["context"] = part.context
    if part.cite is not None:
        block["citations"] = {"enabled": part.cite}
    place.extend(block, part.ext)
    return block


def _document_source(media: Media) -> Object | None:
    """PDF goes as it is; text in base64 is decoded, since the API takes text only as text."""
    if media.data is None:
        return source_of(media)
    kind = (media.media_type or "application/pdf").partition(";")[0].strip().lower()
    if kind == "application/pdf":
        return {"type": "base64", "media_type": kind, "data": media.data}
    text = text_of(media)
    return None if text is None else {"type": "text", "media_type": "text/plain", "data": text}


def _thinking(part: Thinking, place: Place) -> Object | None:
    if part.origin != NAME:
        place.losses.note(place.name + " (thinking)")
        return None
    block = own_thinking_block(part)
    place.extend(block, part.ext)
    return block


def _tool_call(part: ToolCall, place: Place) -> Object:
    block = tool_use_block(part, place.ids.of_call(part))
    place.extend(block, part.ext)
    return block


def _tool_result(part: ToolResult, place: Place) -> Object:
    block: Object = {"type": "tool_result", "tool_use_id": place.ids.of_result(part)}
    fields = own(part.ext)
    if part.content or "~list" in fields:
        inner = Place(place.losses)
        inner.message, inner.role = place.message, "tool"
        block["content"] = content_of(part.content, render_parts(part.content, inner), "~list" in fields)
    if part.is_error is not None:
        block["is_error"] = part.is_error
    _mark(block, part.cache)
    place.extend(block, part.ext)
    return block


def content_of(parts: tuple[Part, ...], blocks: list[Object], listed: bool) -> str | list[Object]:
    """A plain string where that says it all and the caller did not write a list."""
    if not listed and plain(parts):
        return blocks[0]["text"] if blocks else ""
    return blocks


def _refusal(part: Refusal, place: Place) -> Object:
    block: Object = {"type": "text", "text": part.text}
    place.extend(block, part.ext)
    return block


def _opaque(part: Opaque, place: Place) -> Object | None:
    if part.dialect == NAME:
        return part.data
    place.refuse(part.kind, f"it is a part of the {part.dialect} dialect")
    return None


def _audio(part: Audio, place: Place) -> Object | None:
    if part.transcript and place.role == "assistant":
        return {"type": "text", "text": part.transcript}
    place.refuse("audio")
    return None


def _video(part: Video, place: Place) -> Object | None:
    place.refuse("video")
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
