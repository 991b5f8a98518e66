"""A reading of chat completions, as simply as can be."""

from typing import Any

from .reading import Answer, Counts, Said, events, joined, value

STOPS = {
    "": "stop",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "model_length": "context_window",
    "sensitive": "content_filter",
    "error": "error",
    "network_error": "error",
}
"""Reasons of OpenAI's, Mistral's, Z.ai's and OpenRouter's, as they document them."""


def answer(body: Any) -> Answer:
    if "choices" not in body:
        return Answer(error=error(body)[0])
    choices = tuple([_said(c["message"], c.get("finish_reason")) for c in body["choices"]])
    return Answer(choices, _counts(body.get("usage")), body.get("id") or "", body.get("model") or "")


def error(body: Any) -> tuple[str, str | None]:
    """(message, code), in the forms that providers of this dialect have."""
    body = body[0] if isinstance(body, list) else body
    said = body.get("error") or body
    if isinstance(said, str):
        return said, None
    code = said.get("code") or said.get("type")
    return said.get("message", said.get("detail")), None if code is None else str(code)


def embeddings(body: Any) -> tuple[list[Any], int | None]:
    """(vectors, tokens of the input)."""
    return [row["embedding"] for row in body["data"]], body["usage"]["total_tokens"]


def whole(body: Any) -> Any:
    """What an answer must still say when this dialect's renderer has written it again; its form may differ."""
    said = [_said(c["message"], c.get("finish_reason")) for c in body["choices"]]
    return [s._replace(calls=tuple([c[1:] for c in s.calls]), reason=None) for s in said]


def spelled(text: str) -> Any:
    """The answer that a stream spells."""
    chunks = events(text)
    if chunks[-1].get("error"):
        return chunks[-1]
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage") or usage
        for piece in chunk.get("choices") or ():
            empty = {"message": {"content": [], "tool_calls": {}}, "finish_reason": None}
            choice = choices.setdefault(piece.get("index", 0), empty)
            _add(choice["message"], piece.get("delta") or {})
            choice["finish_reason"] = choice["finish_reason"] or piece.get("finish_reason")
    for choice in choices.values():
        calls = choice["message"]["tool_calls"]
        choice["message"]["tool_calls"] = [calls[at] for at in sorted(calls)]
    head = {k: next((c[k] for c in chunks if c.get(k)), "") for k in ("id", "model")}
    return {**head, "choices": [choices[i] for i in sorted(choices)], "usage": usage}


def _add(whole: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, piece in delta.items():
        if piece is None:
            continue
        if name == "content":
            whole["content"] += piece if isinstance(piece, list) else [{"type": "text", "text": piece}]
        elif name == "tool_calls":
            for call in piece:
                empty = {"id": "", "function": {"name": "", "arguments": ""}}
                known = whole["tool_calls"].setdefault(call.get("index", 0), empty)
                known["id"] += call.get("id") or ""
                known |= {k: v for k, v in call.items() if k not in known and k != "custom"}
                for field in ("name", "arguments"):
                    known["function"][field] += (call.get("function") or {}).get(field) or ""
        elif name == "function_call":
            known = whole.setdefault(name, {"name": "", "arguments": ""})
            for field in known:
                known[field] += piece.get(field) or ""
        elif isinstance(piece, list):
            whole[name] = whole.get(name, []) + piece
        elif name != "role":
            whole[name] = whole.get(name, "") + piece if isinstance(piece, str) else piece


def _said(message: dict[str, Any], reason: str | None) -> Said:
    content, details = message.get("content"), message.get("reasoning_details") or []
    listed = content if isinstance(content, list) else [{"type": "text", "text": content}]
    plain = joined([message.get("reasoning_content") or message.get("reasoning")])
    inner = [t.get("text") for p in listed if p["type"] == "thinking" for t in p["thinking"]]
    calls = [*(message.get("tool_calls") or [])]
    if (message.get("function_call") or {}).get("name"):
        calls.append({"id": "", "function": message["function_call"]})
    return Said(
        joined([p.get("text") for p in listed if p["type"] == "text"]),
        message.get("refusal") or "",
        (joined([d.get("text") or d.get("summary") for d in details]) or plain) + joined(inner),
        tuple([_call(c) for c in calls]),
        (*_proofs(details), *[s for c in calls if (s := _signature(c))]),
        tuple(message.get("annotations") or ()),
        tuple([u.partition(";base64,")[2] or u for i in message.get("images") or () if (u := i["image_url"]["url"])]),
        tuple([p for p in listed if p["type"] not in ("text", "thinking")]),
        reason,
        "tool_calls" if calls and reason in ("", "stop") else STOPS.get(reason or "", "other"),
    )


def _call(call: dict[str, Any]) -> tuple[str, str, Any]:
    if call.get("type") == "custom":
        return call["id"], call["custom"]["name"], call["custom"]["input"]
    return call["id"], call["function"]["name"], value(call["function"]["arguments"] or "{}")


def _proofs(details: list[dict[str, Any]]) -> list[str]:
    """Of a stream, pieces of one entry are joined."""
    out: list[str] = []
    last: Any = None
    for detail in details:
        for field in ("signature", "data"):
            if detail.get(field):
                key = (field, detail.get("index"), detail.get("id"))
                if key == last and detail.get("index") is not None:
                    out[-1] += detail[field]
                else:
                    out.append(detail[field])
                last = key
    return out


def _signature(call: dict[str, Any]) -> str | None:
    return ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature")


def _counts(usage: dict[str, Any] | None) -> Counts | None:
    if not usage:
        return None
    given, made = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    prompt, completion, total = (usage.get(k) for k in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if (
        None not in (prompt, completion, total) and total > prompt + completion
    ):  # Gemini's endpoint and xAI leave the reasoning out of the completion.
        completion = total - prompt
    elsewhere = ("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens")
    cached = next((n for n in (given.get("cached_tokens"), *map(usage.get, elsewhere)) if n is not None), None)
    return Counts(prompt, completion, total, cached, given.get("cache_write_tokens"), made.get("reasoning_tokens"))
