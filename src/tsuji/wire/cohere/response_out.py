"""An answer from core, as one of /v2/chat.

There is one answer: of several the first is given. An image is a Markdown image in the text, for a client of this API
takes none in an answer. Nothing is refused: what only another dialect knows is left out, signatures among it.
"""

from typing import TypeGuard

from tsuji.core.parts import Audio, Image, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice
from tsuji.wire.openai.parts_out import address, put
from tsuji.wire.passthrough import encode

from .citations import write_citation
from .fields import NAME, Fields, own, plain
from .logprobs import write_logprobs
from .messages_out import write_call
from .stops import write_stop
from .usage import write_usage


def render_response(response: ChatResponse) -> bytes:
    choice = response.choices[0] if response.choices else Choice()
    out: Fields = {
        "id": response.id,
        "finish_reason": write_stop(choice.stop, choice.stop_raw),
        "message": _message(choice),
    }
    if response.usage is not None:
        out["usage"] = write_usage(response.usage)
    if choice.logprobs:
        out["logprobs"] = write_logprobs(choice.logprobs)
    out.update(plain(response.ext))
    return encode(out)


def _message(choice: Choice) -> Fields:
    content: list[Fields] = []
    plans: list[str] = []
    calls: list[Fields] = []
    citations: list[Fields] = []
    for part in choice.content:
        if type(part) is ToolCall:
            calls.append(call_of(part, len(calls)))
        elif is_plan(part):
            plans.append(part.text)
        else:
            block = block_of(part)
            if block is not None:
                if type(part) is Text:
                    citations += [write_citation(c, part.text, len(content)) for c in part.citations]
                content.append(block)
    out: Fields = {"role": "assistant"}
    if content:
        out["content"] = content
    if plans:
        out["tool_plan"] = "".join(plans)
    if calls:
        out["tool_calls"] = calls
    kept = plain(choice.ext)
    citations += kept.pop("citations", ())
    if citations:
        out["citations"] = citations
    return {**out, **kept}


def is_plan(part: Part) -> TypeGuard[Thinking]:
    return type(part) is Thinking and "~plan" in own(part.ext)


def call_of(call: ToolCall, index: int) -> Fields:
    """A client needs an id, and reads the arguments as JSON."""
    out = write_call(call, call.id or f"call_{index}")
    for name, value in plain(call.ext).items():
        put(out, name, value)
    return out


def block_of(part: Part) -> Fields | None:
    """A block of the content; None for what has no words here."""
    if isinstance(part, Text | Refusal):
        return {"type": "text", "text": part.text, **plain(part.ext)}
    if type(part) is Thinking:
        return {"type": "thinking", "thinking": part.text, **plain(part.ext)} if part.text else None
    if type(part) is Image:
        url = address(part.source)
        return None if url is None else {"type": "text", "text": f"![]({url})"}
    if type(part) is Audio:
        return {"type": "text", "text": part.transcript} if part.transcript else None
    return part.data if type(part) is Opaque and part.dialect == NAME else None
