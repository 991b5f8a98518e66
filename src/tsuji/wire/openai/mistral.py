"""OpenAI's chat completions as Mistral's own client speaks them (https://docs.mistral.ai/api). Clients' form only.

| Mistral's client | the dialect |
|---|---|
| `random_seed`, `output_dimension` | `seed`, `dimensions` |
| thoughts are `content` chunks of type "thinking"; what others signed of them is their `signature` | fields beside it |
| a stream has each call whole, in one chunk | in pieces |
| the usage is in a stream's last chunk, unasked | where asked for |
| an answer must have a usage, embeddings an `id`, a model its `type` and `capabilities` | optional |

What it streamed comes back as one chunk for each piece; these are joined here. A provider is asked in the dialect, with
its own accent.
"""

from typing import Any

import msgspec

from tsuji.core.parts import Message, Part, Thinking
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.core.response import ChatResponse, EmbeddingResponse, ModelInfo
from tsuji.wire.anthropic import carried
from tsuji.wire.passthrough import decode_body, encode

from . import DIALECT as CHAT
from .embeddings import read_embedding_request, write_embedding_response
from .fields import is_list, is_object, own
from .guard import guarded_request
from .models import write_models
from .request_in import read_request
from .response_out import write_response
from .stream_out import ChatStreamRenderer

Fields = dict[str, Any]
_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
_ELSEWHERE = ("reasoning_content", "reasoning", "reasoning_details", "refusal")


@guarded_request
def parse_request(body: bytes, model: str | None = None, stream: bool | None = None) -> ChatRequest:
    """Raises InvalidRequestError."""
    fields = _renamed(decode_body(body), "random_seed", "seed")
    messages: Any = fields.get("messages")
    if is_list(messages):
        fields["messages"] = [_joined(m) if is_object(m) else m for m in messages]
    request = read_request(fields, model, stream)
    return msgspec.structs.replace(request, messages=tuple([_unpacked(m) for m in request.messages]))


def _unpacked(message: Message) -> Message:
    """With what other dialects signed of a thought where they look for it."""
    if message.role != "assistant":
        return message
    return msgspec.structs.replace(message, content=tuple([_unpacked_part(p) for p in message.content]))


def _unpacked_part(part: Part) -> Part:
    said: Any = own(part.ext).get("~part") if type(part) is Thinking else None
    signature: Any = said.get("signature") if is_object(said) else None
    foreign = (
        carried.unpack_thinking(part.text, signature) if type(part) is Thinking and type(signature) is str else None
    )
    return part if foreign is None else foreign


def _renamed(fields: Fields, mine: str, name: str) -> Fields:
    if mine in fields:
        fields.setdefault(name, fields.pop(mine))
    return fields


def _joined(message: Fields) -> Fields:
    """With one chunk for each thought: a signature is of all the text before it."""
    content: Any = message.get("content")
    if not is_list(content):
        return message
    out: list[Any] = []
    for chunk in content:
        if out and _is_thought(chunk) and _is_thought(out[-1]) and out[-1].get("signature") is None:
            chunk = {**out[-1], **chunk, "thinking": [*out[-1]["thinking"], *chunk["thinking"]]}
            out.pop()
        out.append(chunk)
    return {**message, "content": out}


def _is_thought(chunk: Any) -> bool:
    return is_object(chunk) and chunk.get("type") == "thinking" and is_list(chunk.get("thinking"))


def render_response(response: ChatResponse) -> bytes:
    out = write_response(response)
    for choice, written in zip(response.choices, out["choices"], strict=True):
        message: Fields = written["message"]
        text: Any = message["content"] or message.get("refusal") or ""
        for name in _ELSEWHERE:
            message.pop(name, None)
        thoughts = [write_chunk(p) for p in choice.content if type(p) is Thinking]
        message["content"] = [*thoughts, *([{"type": "text", "text": text}] if text else [])] if thoughts else text
    out.setdefault("usage", _NO_USAGE)
    return encode(out)


def write_chunk(thought: Thinking) -> Fields:
    """A thought as Mistral has it in a `content` list. What another dialect signed or hid is carried in `signature`."""
    kept = own(thought.ext).get("~part")
    if kept is not None:
        return kept
    out: Fields = {"type": "thinking", "thinking": [{"type": "text", "text": thought.text}] if thought.text else []}
    if thought.signature is not None or thought.redacted is not None:
        out["signature"] = carried.pack_thinking(thought)
    return out


def _renderer(request: ChatRequest) -> ChatStreamRenderer:
    return ChatStreamRenderer(request, write_chunk)


@guarded_request
def parse_embedding_request(body: bytes, model: str | None = None) -> EmbeddingRequest:
    """Raises InvalidRequestError."""
    return read_embedding_request(_renamed(decode_body(body), "output_dimension", "dimensions"), model)


def render_embedding_response(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    return encode({"id": "", **write_embedding_response(response, request)})


def render_models(models: list[ModelInfo]) -> bytes:
    out = write_models(models)
    rows = [{"type": "base", "capabilities": {"completion_chat": True}, **row} for row in out["data"]]
    return encode({**out, "data": rows})


DIALECT = msgspec.structs.replace(
    CHAT,
    parse_request=parse_request,
    render_response=render_response,
    stream_renderer=_renderer,
    parse_embedding_request=parse_embedding_request,
    render_embedding_response=render_embedding_response,
    render_models=render_models,
)
