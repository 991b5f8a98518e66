"""A ChatResponse to a Converse answer. Nothing is refused.

The first choice is the answer. Thinking and signatures of other dialects are carried (carried.py). A refusal is text,
spoken audio is its transcript, an image that is not data is Markdown; parts and fields that only another dialect
understands are left out. The latency that the dialect requires is 0 where nobody measured it.
"""

from typing import Any

from tsuji.core.parts import CacheMark, Citation, Part, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice

from ..anthropic.fields import Object
from ..anthropic.response_out import call_id, words_of
from ..dialect import Losses
from ..passthrough import encode
from . import carried
from .families import family
from .fields import NAME, own, plain
from .parts_out import (
    Place,
    cache_point,
    cited_block,
    own_citation,
    reasoning_block,
    render_parts,
    tool_use_block,
)
from .stops import render_stop
from .usage import render_usage


def citation_fields(citation: Citation) -> Object | None:
    """Another dialect's web citation as one of this dialect."""
    found = own_citation(citation)
    if found is not None or citation.url is None:
        return found
    fields: Object = {"title": citation.title, "location": {"web": {"url": citation.url}}}
    if citation.text is not None:
        fields["sourceContent"] = [{"text": citation.text}]
    return {k: v for k, v in fields.items() if v is not None}


def thinking_block(part: Thinking) -> Object:
    if part.origin == NAME:
        return reasoning_block(part, plain(part.ext))
    return reasoning_block(Thinking(part.text, carried.pack_thinking(part)), {})


def signature_block(signature: str) -> Object:
    """What follows a text or a tool call that another dialect signed."""
    return {"reasoningContent": {"redactedContent": carried.pack_signature(signature)}}


def _text_block(part: Text) -> Object:
    citations = [c for c in map(citation_fields, part.citations) if c is not None]
    if citations or "~cited" in own(part.ext):
        return cited_block(part, citations)
    return (other_block(part) if part.ext else None) or {"text": part.text}


def _block(part: Part, response_id: str, index: int) -> Object | None:
    if isinstance(part, Text):
        return _text_block(part)
    if isinstance(part, ToolCall):
        return tool_use_block(part, call_id(part, response_id, index), plain(part.ext), exact=True)
    if isinstance(part, Thinking):
        return thinking_block(part)
    block = other_block(part)
    words = words_of(part) if block is None else None
    return block if words is None else {"text": words}


def other_block(part: Part) -> Object | None:
    """A part that answers seldom have, as requests write it; None where the dialect has no word for it."""
    place = Place(Losses(NAME, drop=True), family(""), native=True)
    place.role = "assistant"
    return next(iter(render_parts((part,), place)), None)


def render_blocks(choice: Choice, response_id: str) -> list[Object]:
    blocks: list[Object] = []
    for index, part in enumerate(choice.content):
        block = _block(part, response_id, index)
        if block is not None:
            blocks.append(block)
            signature = part.signature if isinstance(part, Text | ToolCall) else None
            if signature:
                blocks.append(signature_block(signature))
            mark: CacheMark | None = getattr(part, "cache", None)
            if mark is not None:
                blocks.append(cache_point(mark))
    return blocks


def frame_fields(service_tier: str | None, ext: Any) -> Object:
    """What an answer has beside its message, its stop reason and its usage."""
    fields: Object = {"metrics": {"latencyMs": 0}, **plain(ext)}
    if service_tier in ("priority", "default", "flex", "reserved"):
        fields.setdefault("serviceTier", {"type": service_tier})
    return fields


def render_response(response: ChatResponse) -> bytes:
    choice = response.choices[0] if response.choices else Choice(stop="other")
    content = render_blocks(choice, response.id)
    return encode(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": render_stop(choice.stop, choice.stop_raw, bool(choice.tool_calls)),
            "usage": render_usage(response.usage),
            **frame_fields(response.service_tier, response.ext),
        }
    )
