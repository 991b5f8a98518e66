"""Whole answers, to the wire.

| core | here |
|---|---|
| Text | `content`, several joined; their citations `annotations`, with offsets into the joined text |
| Thinking | the field it came in, else `reasoning_content`; with a signature or data also `reasoning_details` |
| ToolCall | `tool_calls`; its signature as Gemini's OpenAI endpoint carries it |
| Image | `images`, as OpenRouter has it |
| Refusal, Audio | `refusal`, `audio` |
| Opaque of this dialect (Mistral's references) | its place in `content`, which is a list then |
| parts and ext of other dialects | left out: what a client's dialect has no word for is no error in an answer |
| created unknown | 0 |
"""

from typing import Any

from tsuji.core.parts import Audio, Citation, Image, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice
from tsuji.wire.passthrough import encode

from .fields import NAME, TIERS, is_object, own
from .logprobs import write_logprobs
from .parts_out import address
from .reasoning import write_detail
from .stops import write_stop
from .usage import write_usage

Fields = dict[str, Any]


def render_response(response: ChatResponse) -> bytes:
    return encode(write_response(response))


def write_response(response: ChatResponse) -> Fields:
    """The body of the answer, before it is JSON."""
    out: Fields = {
        "id": response.id,
        "object": "chat.completion",
        "created": response.created or 0,
        "model": response.model,
        "choices": [_choice(choice) for choice in response.choices],
    }
    if response.usage is not None:
        out["usage"] = write_usage(response.usage)
    tier = write_tier(response.service_tier)
    if tier is not None:
        out["service_tier"] = tier
    for name, value in own(response.ext).items():
        if not name.startswith("~"):
            out[name] = value
    return out


_TIERS = frozenset(("auto", "default", "flex", "scale", "priority", "fast"))


def write_tier(tier: str | None, known: frozenset[str] = _TIERS) -> str | None:
    """One of the client's words for it; what it has no word for is left out."""
    word = TIERS.get(tier or "", tier)
    return word if word in known else None


def _choice(choice: Choice) -> Fields:
    message = _message(choice)
    out: Fields = {
        "index": choice.index,
        "message": message,
        "logprobs": None,
        "finish_reason": write_stop(choice.stop, choice.stop_raw),
    }
    if choice.logprobs is not None or choice.refusal_logprobs is not None:
        out["logprobs"] = {
            "content": None if choice.logprobs is None else write_logprobs(choice.logprobs),
            "refusal": None if choice.refusal_logprobs is None else write_logprobs(choice.refusal_logprobs),
        }
    for name, value in own(choice.ext).items():
        if not name.startswith("~"):
            place(out, name, value)
    return out


def place(out: Fields, name: str, value: Any) -> None:
    """Puts what was kept of a choice to its level: "message.x" into the message, "message.audio.x" into its audio."""
    for level in ("message.", "audio."):
        if name.startswith(level):
            name = name[len(level) :]
            out = out.setdefault(level[:-1], {})
    before = out.get(name)
    out[name] = {**before, **value} if is_object(before) and is_object(value) else value


def _message(choice: Choice) -> Fields:
    message: Fields = {"role": "assistant", "content": None, "refusal": None}
    texts: list[Text] = []
    thoughts: list[Thinking] = []
    calls: list[Fields] = []
    for part in choice.content:
        if type(part) is Text:
            texts.append(part)
        elif type(part) is Thinking:
            thoughts.append(part)
        elif type(part) is ToolCall:
            add_call(message, calls, part)
        else:
            _add_other(message, part)
    if any(type(p) is Opaque and p.dialect == NAME for p in choice.content):
        message["content"] = listed(choice.content)
        thoughts = [t for t in thoughts if own(t.ext).get("~field") != "content"]
    elif texts or (len(message) == 3 and not calls and message["refusal"] is None):
        message["content"] = "".join([t.text for t in texts])
    cited = citations(texts)
    if cited:
        message["annotations"] = cited
    if thoughts:
        _add_thoughts(message, thoughts, own(choice.ext))
    if calls:
        message["tool_calls"] = calls
    return message


def listed(content: tuple[Part, ...]) -> list[Fields]:
    """Mistral's form of an answer: its own parts have their place among the texts."""
    out: list[Fields] = []
    for part in content:
        if type(part) is Text:
            out.append({"type": "text", "text": part.text})
        elif type(part) is Opaque and part.dialect == NAME:
            out.append(part.data)
        elif type(part) is Thinking and own(part.ext).get("~field") == "content":
            whole: Any = own(part.ext).get("~part")
            out.append(whole or {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]})
    return out


def _add_other(message: Fields, part: Part) -> None:
    if type(part) is Refusal:
        message["refusal"] = (message["refusal"] or "") + part.text
    elif type(part) is Image:
        url = address(part.source)
        if url is not None:
            message.setdefault("images", []).append({"type": "image_url", "image_url": {"url": url}})
    elif type(part) is Audio:
        message["audio"] = {
            "id": part.id or "",
            "data": part.source.data or "",
            "expires_at": part.expires_at or 0,
            "transcript": part.transcript or "",
        }


def _add_thoughts(message: Fields, thoughts: list[Thinking], kept: Fields) -> None:
    details: list[Fields] = []
    texts: dict[str, str] = {}
    for index, thought in enumerate(thoughts):
        mine = own(thought.ext)
        if needs_detail(thought):
            details.append(write_detail(thought, index))
        if thought.text:
            name = text_name(mine)
            texts[name] = texts.get(name, "") + thought.text
    for name in ("reasoning", "reasoning_content"):
        if "~" + name in kept:
            texts = {name: kept["~" + name]}
    message.update(texts)
    if details:
        message["reasoning_details"] = details


def needs_detail(thought: Thinking) -> bool:
    return thought.signature is not None or thought.redacted is not None or "~detail" in own(thought.ext)


def text_name(mine: Fields) -> str:
    """The field for a thought's text, by what this dialect remembered of it."""
    if "~detail" in mine:
        return "reasoning"
    name = mine.get("~field")
    return name if name is not None and name != "content" else "reasoning_content"


def add_call(message: Fields, calls: list[Fields], call: ToolCall) -> None:
    mine = own(call.ext)
    if "~function_call" in mine:
        message["function_call"] = {"name": call.name, "arguments": call.arguments}
        return
    entry: Fields = {"id": call.id or f"call_{len(calls)}", "type": "function"}
    if call.custom:
        entry["type"] = "custom"
        entry["custom"] = {"name": call.name, "input": call.arguments}
    else:
        entry["function"] = {"name": call.name, "arguments": call.arguments}
    extra = call_extra(call)
    if extra is not None:
        entry["extra_content"] = extra
    for name, value in mine.items():
        if not name.startswith("~"):
            entry[name] = value
    calls.append(entry)


def call_extra(call: ToolCall) -> Any:
    """The signature that must come back with a call, as Gemini's OpenAI endpoint carries it."""
    kept = own(call.ext).get("~extra_content")
    if kept is None and call.signature is not None:
        return {"google": {"thought_signature": call.signature}}
    return kept


def citations(texts: list[Text]) -> list[Fields]:
    """Annotations for all citations: this dialect's own verbatim, others as `url_citation` where they have a URL."""
    out: list[Fields] = []
    offset = 0
    for text in texts:
        out += [a for c in text.citations if (a := citation(c, offset, len(text.text))) is not None]
        offset += len(text.text)
    return out


def citation(cited: Citation, offset: int, length: int) -> Fields | None:
    """offset: where the citation's text begins in the answer; length: of that text."""
    verbatim = own(cited.ext)
    if verbatim:
        return verbatim
    if cited.url is None:
        return None
    start = offset + (cited.start or 0)
    end = offset + (length if cited.end is None else cited.end)
    found = {"start_index": start, "end_index": end, "title": cited.title or "", "url": cited.url}
    return {"type": "url_citation", "url_citation": found}
