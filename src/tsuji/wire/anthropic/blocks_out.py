"""Parts to content blocks, as far as requests and responses write them alike."""

import msgspec

from tsuji.core.parts import Citation, Ext, Media, Text, Thinking, ToolCall

from .fields import NAME, UNEXPECTED, Object, as_object, render_cache

_decoder = msgspec.json.Decoder()
_MAGIC = (("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lG", "image/gif"), ("UklG", "image/webp"))


def own(ext: Ext | None) -> Object:
    """This dialect's fields, remembered spellings among them."""
    return ext.get(NAME, {}) if ext else {}


def without_spellings(fields: Object) -> Object:
    return {k: v for k, v in fields.items() if not k.startswith("~")}


def text_block(part: Text) -> Object:
    block: Object = {"type": "text", "text": part.text}
    if part.cache is not None:
        block["cache_control"] = render_cache(part.cache)
    return block


def own_thinking_block(part: Thinking) -> Object:
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    block: Object = {"type": "thinking", "thinking": part.text}
    if part.signature is not None:
        block["signature"] = part.signature
    return block


def tool_use_block(part: ToolCall, identity: str) -> Object:
    given = {"input": part.arguments} if part.custom else tool_input(part.arguments)
    block: Object = {"type": "tool_use", "id": identity, "name": part.name, "input": given}
    if part.cache is not None:
        block["cache_control"] = render_cache(part.cache)
    if part.ext:
        fields = own(part.ext)
        if "~caller" in fields:
            block["caller"] = fields["~caller"]
    return block


def tool_input(arguments: str) -> Object:
    """What is no JSON object is wrapped in one, as the documentation advises for broken calls
    (https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming).
    """
    if not arguments or arguments == "{}":
        return {}
    try:
        found = _decoder.decode(arguments)
    except UNEXPECTED:
        found = None
    return as_object(found) if type(found) is dict else {"INVALID_JSON": arguments}


def own_citation(citation: Citation) -> Object | None:
    found = citation.ext.get(NAME) if citation.ext else None
    return found or None


def media_type_of(media: Media) -> str | None:
    """As said, else by the first bytes."""
    if media.media_type or media.data is None:
        return media.media_type
    return next((kind for magic, kind in _MAGIC if media.data.startswith(magic)), None)


def source_of(media: Media) -> Object:
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id}
    if media.url is not None:
        return {"type": "url", "url": media.url}
    if media.text is not None:
        return {"type": "text", "media_type": media.media_type or "text/plain", "data": media.text}
    return {"type": "base64", "media_type": media_type_of(media), "data": media.data}
