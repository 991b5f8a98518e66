"""Content blocks to parts; the same forms occur in requests and in responses."""

from collections.abc import Callable
from typing import Any

from tsuji.core.parts import Citation, Document, Image, Media, Opaque, Part, Text, Thinking, ToolCall, ToolResult

from . import carried
from .fields import (
    NAME,
    Object,
    Wrong,
    as_bool,
    as_list,
    as_object,
    as_string,
    each,
    ext_of,
    json_text,
    parse_cache,
    rest,
    text_or_none,
    within,
)

LISTED = {NAME: {"~list": True}}
"""Remembers that a content which could have been a plain string was written as a list."""

_TEXT = frozenset(("type", "text", "citations", "cache_control"))
_IMAGE = frozenset(("type", "source", "cache_control"))
_DOCUMENT = frozenset(("type", "source", "title", "context", "citations", "cache_control"))
_THINKING = frozenset(("type", "thinking", "signature"))
_REDACTED = frozenset(("type", "data"))
_TOOL_USE = frozenset(("type", "id", "name", "input", "caller", "cache_control"))
_TOOL_RESULT = frozenset(("type", "tool_use_id", "content", "is_error", "cache_control"))
_DIRECT = {"type": "direct"}

_SOURCES = {
    "base64": ("data", "media_type"),
    "url": ("url",),
    "file": ("file_id",),
    "text": ("data", "media_type"),
}


def parse_media(value: Any) -> Media | None:
    """A `source`; None for a form core has no noun for."""
    source = as_object(value, "source")
    kind = as_string(source.get("type"), "source.type")
    names = _SOURCES.get(kind)
    if names is None or len(source) != len(names) + 1:
        return None
    found = [as_string(source.get(name), f"source.{name}") for name in names]
    if kind == "url":
        return Media(url=found[0])
    if kind == "file":
        return Media(file_id=found[0])
    if kind == "text":
        return Media(text=found[0], media_type=found[1])
    return Media(data=found[0], media_type=found[1])


def parse_citation(value: Any) -> Citation:
    """https://platform.claude.com/docs/en/build-with-claude/citations"""
    raw = as_object(value)
    return Citation(
        text=text_or_none(raw.get("cited_text")),
        url=text_or_none(raw.get("url")),
        title=text_or_none(raw.get("title")) or text_or_none(raw.get("document_title")),
        ext={NAME: raw},
    )


def _text(block: Object) -> Part:
    text = as_string(block.get("text"), "text")
    if len(block) == 2:
        return Text(text)
    extra = rest(block, _TEXT)
    cache = parse_cache(block, extra)
    raw = block.get("citations")
    citations = within("citations", lambda v: each(as_list(v), parse_citation), raw) if raw else ()
    if raw == []:
        extra["~citations"] = raw
    return Text(text, cache, tuple(citations), None, ext_of(extra))


def _image(block: Object) -> Part:
    source = parse_media(block.get("source"))
    if source is None or source.text is not None:
        return _opaque(block)
    extra = rest(block, _IMAGE)
    return Image(source=source, cache=parse_cache(block, extra), ext=ext_of(extra))


def _document(block: Object) -> Part:
    source = parse_media(block.get("source"))
    if source is None:
        return _opaque(block)
    extra = rest(block, _DOCUMENT)
    cite, raw = None, block.get("citations")
    if raw is not None:
        asked = as_object(raw, "citations")
        if asked.keys() == {"enabled"}:
            cite = as_bool(asked["enabled"], "citations.enabled")
        else:
            extra["citations"] = asked
    title, context = block.get("title"), block.get("context")
    return Document(
        source=source,
        title=None if title is None else as_string(title, "title"),
        context=None if context is None else as_string(context, "context"),
        cite=cite,
        cache=parse_cache(block, extra),
        ext=ext_of(extra),
    )


def _thinking(block: Object) -> Part:
    text = as_string(block.get("thinking"), "thinking")
    signature = block.get("signature")
    if signature is not None:
        foreign = carried.unpack_thinking(text, as_string(signature, "signature"))
        if foreign is not None:
            return foreign
    return Thinking(text=text, signature=signature, origin=NAME, ext=ext_of(rest(block, _THINKING)))


def _redacted(block: Object) -> Part:
    data = as_string(block.get("data"), "data")
    return Thinking(redacted=data, origin=NAME, ext=ext_of(rest(block, _REDACTED)))


def _tool_use(block: Object) -> Part:
    identity = as_string(block.get("id"), "id")
    name = as_string(block.get("name"), "name")
    given = block.get("input")
    arguments = "{}" if given is None else json_text(given)
    if len(block) == 4:
        return ToolCall(identity, name, arguments)
    extra = rest(block, _TOOL_USE)
    caller = block.get("caller")
    if caller is not None:
        # A direct call is the ordinary one: only this dialect has a word for it, and no other need refuse it.
        extra["~caller" if caller == _DIRECT else "caller"] = caller
    return ToolCall(identity, name, arguments, None, parse_cache(block, extra), ext_of(extra))


def _tool_result(block: Object) -> Part:
    identity = as_string(block.get("tool_use_id"), "tool_use_id")
    content, listed = within("content", parse_result_content, block.get("content"))
    is_error = block.get("is_error")
    extra = rest(block, _TOOL_RESULT)
    if listed:
        extra["~list"] = True
    return ToolResult(
        call_id=identity,
        content=content,
        is_error=None if is_error is None else as_bool(is_error, "is_error"),
        cache=parse_cache(block, extra),
        ext=ext_of(extra),
    )


def parse_result_content(value: Any) -> tuple[tuple[Part, ...], bool]:
    if value is None:
        return (), False
    return _parse_content(value, RESULT_BLOCKS)


def _opaque(block: Object) -> Part:
    return Opaque(NAME, block["type"], block)


Blocks = dict[str, Callable[[Object], Part]]

RESULT_BLOCKS: Blocks = {"text": _text, "image": _image, "document": _document}
"""What a tool result may hold; results do not nest."""

BLOCKS: Blocks = {
    **RESULT_BLOCKS,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
"""All other types are this dialect's own business, and stay as they are."""


def parse_block(value: Any, table: Blocks = BLOCKS) -> Part:
    block = as_object(value)
    kind = block.get("type")
    if type(kind) is not str:
        raise Wrong("type", "a string")
    return table.get(kind, _opaque)(block)


def parse_blocks(values: list[Any], table: Blocks = BLOCKS) -> tuple[Part, ...]:
    parts: list[Part] = []
    early: list[str] = []
    for index, value in enumerate(values):
        try:
            part = parse_block(value, table)
        except Wrong as wrong:
            raise wrong.under(f"[{index}]") from None
        if type(part) is Thinking and part.redacted and carried.attach(parts, part.redacted, early):
            continue
        parts.append(part)
    if early:
        carried.attach_early(parts, early)
    return tuple(parts)


def plain(parts: tuple[Part, ...]) -> bool:
    """Whether the content can be written as a string."""
    if len(parts) != 1:
        return not parts
    part = parts[0]
    return type(part) is Text and part.cache is None and not part.citations and part.ext is None


def _parse_content(value: Any, table: Blocks) -> tuple[tuple[Part, ...], bool]:
    if type(value) is str:
        return (Text(value),), False
    if type(value) is not list:
        raise Wrong("", "a string or a list of content blocks")
    parts = parse_blocks(as_list(value), table)
    return parts, plain(parts)


def parse_content(value: Any) -> tuple[tuple[Part, ...], bool]:
    """A string or a list of blocks; and whether it must be remembered that it was a list."""
    return _parse_content(value, BLOCKS)
