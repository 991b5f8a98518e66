"""Content blocks to parts; the same forms occur in requests and in answers.

A block is a union: an object with one member, whose name is its type. A cache point is a block of its own here and a
mark on the part before it in core.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tsuji.core.parts import (
    Audio,
    CacheMark,
    Citation,
    Document,
    Image,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)

from ..anthropic.fields import (
    Object,
    Wrong,
    as_bool,
    as_list,
    as_object,
    as_string,
    each,
    json_text,
    object_or_empty,
    rest,
    text_or_none,
    within,
)
from . import carried
from .fields import NAME, ext_of, list_or_empty
from .media import AUDIOS, DOCUMENTS, IMAGES, VIDEOS, parse_media

_MEDIA: Final = frozenset(("format", "source"))
_DOCUMENT: Final = frozenset(("format", "source", "name", "context", "citations"))
_TOOL_USE: Final = frozenset(("toolUseId", "name", "input", "type"))
_TOOL_RESULT: Final = frozenset(("toolUseId", "content", "status", "type"))
_ORDINARY: Final = (None, "tool_use")
"""What the `type` of a call is that the client is to answer; others are of tools that the provider runs."""
_STATUS: Final = {"success": False, "error": True}
_MARKED: Final = (Text, Image, Document, Thinking, ToolCall, ToolResult)

Reader = Callable[[Any, Object], Part]
"""From the block's one member, and the block itself."""


def _opaque(value: Any, block: Object) -> Part:
    return Opaque(NAME, next(iter(block)), block)


def _text(value: Any, block: Object) -> Part:
    return Text(as_string(value))


def _image(value: Any, block: Object) -> Part:
    fields = as_object(value)
    extra = rest(fields, _MEDIA)
    media = parse_media(fields, IMAGES, extra)
    return _opaque(value, block) if media is None or media.text is not None else Image(media, ext=ext_of(extra))


def _video(value: Any, block: Object) -> Part:
    fields = as_object(value)
    extra = rest(fields, _MEDIA)
    media = parse_media(fields, VIDEOS, extra)
    return _opaque(value, block) if media is None or media.text is not None else Video(media, ext=ext_of(extra))


def _audio(value: Any, block: Object) -> Part:
    fields = as_object(value)
    extra = rest(fields, _MEDIA)
    media = parse_media(fields, AUDIOS, extra)
    if media is None or media.text is not None:
        return _opaque(value, block)
    return Audio(media, text_or_none(fields.get("format")), ext=ext_of(extra))


def _document(value: Any, block: Object) -> Part:
    fields = as_object(value)
    extra = rest(fields, _DOCUMENT)
    media = parse_media(fields, DOCUMENTS, extra)
    if media is None:
        return _opaque(value, block)
    cite, asked = None, fields.get("citations")
    if asked is not None:
        if as_object(asked, "citations").keys() == {"enabled"}:
            cite = as_bool(asked["enabled"], "citations.enabled")
        else:
            extra["citations"] = asked
    name, context = fields.get("name"), fields.get("context")
    return Document(
        source=media,
        title=None if name is None else as_string(name, "name"),
        context=None if context is None else as_string(context, "context"),
        cite=cite,
        ext=ext_of(extra),
    )


def _tool_use(value: Any, block: Object) -> Part:
    fields = as_object(value)
    kind = fields.get("type")
    if kind not in _ORDINARY:
        return _opaque(value, block)
    extra = rest(fields, _TOOL_USE)
    if kind is not None:
        extra["~type"] = kind
    given = fields.get("input")
    return ToolCall(
        as_string(fields.get("toolUseId"), "toolUseId"),
        as_string(fields.get("name"), "name"),
        "{}" if given is None else json_text(given),
        ext=ext_of(extra),
    )


def _tool_result(value: Any, block: Object) -> Part:
    fields = as_object(value)
    if fields.get("type") is not None:
        return _opaque(value, block)
    extra = rest(fields, _TOOL_RESULT)
    status = fields.get("status")
    failed = None if status is None else _STATUS.get(as_string(status, "status"))
    if status is not None and failed is None:
        extra["status"] = status
    content = fields.get("content")
    return ToolResult(
        call_id=as_string(fields.get("toolUseId"), "toolUseId"),
        content=() if content is None else within("content", lambda v: parse_blocks(v, RESULT), content),
        is_error=failed,
        ext=ext_of(extra),
    )


def _json(value: Any, block: Object) -> Part:
    return Text(json_text(value), ext={NAME: {"~json": True}})


def _reasoning(value: Any, block: Object) -> Part:
    fields = as_object(value)
    if fields.keys() == {"redactedContent"}:
        return Thinking(redacted=as_string(fields["redactedContent"], "redactedContent"), origin=NAME)
    if fields.keys() != {"reasoningText"}:
        return _opaque(value, block)
    thought = as_object(fields["reasoningText"], "reasoningText")
    text = as_string(thought.get("text"), "reasoningText.text")
    signature = thought.get("signature")
    if signature is not None:
        foreign = carried.unpack_thinking(text, as_string(signature, "reasoningText.signature"))
        if foreign is not None:
            return foreign
    return Thinking(text=text, signature=signature, origin=NAME, ext=ext_of(rest(thought, _THOUGHT)))


_THOUGHT: Final = frozenset(("text", "signature"))


def _guarded(value: Any, block: Object) -> Part:
    """What a guardrail is to look at. Other dialects have the content, and no word for the guard."""
    fields = as_object(value)
    if fields.keys() == {"text"}:
        inner = as_object(fields["text"], "text")
        text = as_string(inner.get("text"), "text.text")
        return Text(text, ext={NAME: {"guardContent": {k: v for k, v in inner.items() if k != "text"}}})
    if fields.keys() == {"image"}:
        part = within("image", lambda v: _image(v, block), fields["image"])
        if type(part) is Image:
            return Image(part.source, ext={NAME: {**(part.ext or {}).get(NAME, {}), "guardContent": {}}})
    return _opaque(value, block)


def parse_citation(value: Any) -> Citation:
    """A `Citation`, or a delta of one: the cited text is the source's, a URL is that of a page."""
    raw = as_object(value)
    quoted: Any = raw.get("sourceContent")
    texts = [text_or_none(object_or_empty(q).get("text")) or "" for q in list_or_empty(quoted)]
    web = object_or_empty(object_or_empty(raw.get("location")).get("web"))
    return Citation(
        text="".join(texts) or None,
        url=text_or_none(web.get("url")),
        title=text_or_none(raw.get("title")),
        ext={NAME: raw},
    )


def _cited(value: Any, block: Object) -> Part:
    fields = as_object(value)
    pieces = within("content", lambda v: each(as_list(v), as_object), fields.get("content") or [])
    if not fields.keys() <= {"content", "citations"} or any(p.keys() != {"text"} for p in pieces):
        return _opaque(value, block)
    texts = [as_string(piece["text"], "content[].text") for piece in pieces]
    citations = within("citations", lambda v: each(as_list(v), parse_citation), fields.get("citations") or [])
    spelled: Object = {"~cited": [k for k in ("content", "citations") if k in fields]}
    if len(texts) != 1:
        spelled["~pieces"] = texts
    return Text("".join(texts), citations=tuple(citations), ext={NAME: spelled})


Readers = dict[str, Reader]

RESULT: Readers = {"text": _text, "json": _json, "image": _image, "document": _document, "video": _video}
"""What a tool result may hold; results do not nest."""

CONTENT: Readers = {
    "text": _text,
    "image": _image,
    "document": _document,
    "video": _video,
    "audio": _audio,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "guardContent": _guarded,
    "citationsContent": _cited,
}
"""All other types are this dialect's own business, and stay as they are."""

ANSWER: Readers = {kind: read for kind, read in CONTENT.items() if kind != "toolResult"}
"""What the model says: a tool result among it is that of a tool which the provider runs."""

SYSTEM: Readers = {"text": _text, "guardContent": _guarded}


def parse_block(value: Any, readers: Readers = CONTENT) -> Part:
    block = {k: v for k, v in as_object(value).items() if v is not None}
    if len(block) != 1:
        raise Wrong("", "an object with one member, such as 'text'")
    ((kind, inner),) = block.items()
    read = readers.get(kind, _opaque)
    return within(kind, lambda v: read(v, block), inner)


def parse_blocks(value: Any, readers: Readers = CONTENT) -> tuple[Part, ...]:
    parts: list[Part] = []
    for index, item in enumerate(as_list(value)):
        try:
            part = parse_block(item, readers)
        except Wrong as wrong:
            raise wrong.under(f"[{index}]") from None
        if type(part) is Thinking and part.redacted and carried.attach(parts, part.redacted):
            continue
        if not (type(part) is Opaque and part.kind == "cachePoint" and _marks(part, parts)):
            parts.append(part)
    return tuple(parts)


def _marks(point: Opaque, parts: list[Part]) -> bool:
    """Whether it could be noted on the part before it."""
    mark = parse_mark(point.data["cachePoint"])
    last = parts[-1] if parts else None
    if mark is None or not isinstance(last, _MARKED) or last.cache is not None:
        return False
    parts[-1] = msgspec.structs.replace(last, cache=mark)
    return True


def parse_mark(value: Any) -> CacheMark | None:
    """None for a form core has no noun for."""
    fields = object_or_empty(value)
    ttl = fields.get("ttl")
    if fields.get("type") != "default" or not fields.keys() <= {"type", "ttl"} or type(ttl) not in (str, type(None)):
        return None
    return CacheMark(ttl=ttl)
