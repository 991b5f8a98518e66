"""A ChatResponse to a Message. Nothing is refused.

The first choice is the answer. Thinking and signatures of other dialects are carried (carried.py). A refusal is text,
an image is Markdown with a data URL, spoken audio is its transcript, since an answer here has none of these; parts and
fields that only another dialect understands are left out.
"""

from typing import Any

from tsuji.core.parts import (
    Audio,
    Citation,
    Document,
    Image,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Video,
)
from tsuji.core.response import ChatResponse, Choice

from ..passthrough import encode
from . import carried
from .blocks_out import own, own_citation, own_thinking_block, text_block, tool_use_block, without_spellings
from .fields import NAME, Object
from .stops import render_stop
from .usage import render_usage


def call_id(call: ToolCall, response_id: str, index: int) -> str:
    """The call's own id, else one that no other answer of the conversation will have."""
    return call.id or "_".join(["call", *filter(None, [response_id]), str(index)])


def citation_fields(citation: Citation) -> Object | None:
    """Another dialect's web citation as this one's, marked by its index so that it is never sent to the API."""
    found = own_citation(citation)
    if found is not None or citation.url is None:
        return found
    return {
        "type": "web_search_result_location",
        "cited_text": citation.text or "",
        "encrypted_index": carried.PREFIX,
        "title": citation.title,
        "url": citation.url,
    }


def thinking_block(part: Thinking) -> Object:
    if part.origin != NAME:
        return {"type": "thinking", "thinking": part.text, "signature": carried.pack_thinking(part)}
    block = own_thinking_block(part)
    if block["type"] == "thinking":
        # The official client's type requires what servers that sign nothing leave out.
        block.setdefault("signature", "")
    return block


def signature_block(signature: str) -> Object:
    """What follows a text or a tool call that another dialect signed."""
    return {"type": "redacted_thinking", "data": carried.pack_signature(signature)}


def words_of(part: Part) -> str | None:
    """What a part without counterpart says as text; None where it says nothing."""
    if isinstance(part, Refusal):
        return part.text
    if isinstance(part, Audio):
        return part.transcript
    return _markdown(part.source) if isinstance(part, (Image, Document, Video)) else None


def _markdown(media: Media) -> str | None:
    if media.url is not None:
        return f"![]({media.url})"
    if media.data is not None:
        return f"![](data:{media.media_type or 'application/octet-stream'};base64,{media.data})"
    return media.text


def _extended(block: Object, part: Text | Thinking | ToolCall) -> Object:
    if part.ext:
        block.update(without_spellings(own(part.ext)))
    return block


def _blocks(choice: Choice, response_id: str) -> list[Object]:
    blocks: list[Object] = []
    for index, part in enumerate(choice.content):
        signature = None
        if isinstance(part, Text):
            signature = part.signature
            block = _extended(text_block(part), part)
            if part.citations:
                block["citations"] = [c for c in map(citation_fields, part.citations) if c is not None]
        elif isinstance(part, ToolCall):
            signature = part.signature
            block = _extended(tool_use_block(part, call_id(part, response_id, index)), part)
        elif isinstance(part, Thinking):
            block = _extended(thinking_block(part), part)
        elif isinstance(part, Opaque):
            if part.dialect != NAME:
                continue
            block = part.data
        else:
            words = words_of(part)
            if words is None:
                continue
            block = {"type": "text", "text": words}
        blocks.append(block)
        if signature:
            blocks.append(signature_block(signature))
    return blocks


def message_fields(response_id: str, model: str, content: list[Object], usage: Object, ext: Any) -> Object:
    fields: Object = {
        "id": response_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    fields.update(without_spellings(own(ext)))
    return fields


def render_response(response: ChatResponse) -> bytes:
    choice = response.choices[0] if response.choices else Choice(stop="other")
    usage = render_usage(response.usage, response.service_tier)
    content = _blocks(choice, response.id)
    fields = message_fields(response.id, response.model, content, usage, response.ext)
    fields["stop_reason"] = render_stop(choice.stop, choice.stop_raw, bool(choice.tool_calls))
    fields["stop_sequence"] = choice.stop_sequence
    fields.update(without_spellings(own(choice.ext)))
    return encode(fields)
