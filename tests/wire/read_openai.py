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
    choices = tuple([_said(c["message"], c["finish_reason"]) for c in body["choices"]])
    return Answer(choices, _counts(body.get("usage")), body.get("id") or "", body["model"])


def stream(text: str) -> Answer:
    chunks = events(text)
    if "error" in chunks[-1]:
        return Answer(error=chunks[-1]["error"]["message"])
    return _fold(chunks)


def error(body: Any) -> tuple[str, str | None]:
    """(message, code)."""
    said = body.get("error", body)
    code = said.get("code") or said.get("type")
    return said.get("message", said.get("detail")), None if code is None else str(code)


def embeddings(body: Any) -> tuple[list[Any], int | None]:
    """(vectors, tokens of the input)."""
    return [row["embedding"] for row in body["data"]], body["usage"]["total_tokens"]


def whole(body: Any) -> Any:
    """What an answer must still say when this dialect's renderer has written it again; its form may differ."""
    said = [_said(c["message"], c["finish_reason"]) for c in body["choices"]]
    return [s._replace(calls=tuple([c[1:] for c in s.calls]), reason=s.reason or "stop") for s in said]


def _fold(chunks: list[dict[str, Any]]) -> Answer:
    wholes: dict[int, dict[str, Any]] = {}
    reasons: dict[int, str | None] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage") or usage
        for choice in chunk["choices"]:
            whole = wholes.setdefault(choice["index"], {"content": [], "tool_calls": {}})
            _add(whole, choice["delta"])
            reasons[choice["index"]] = choice.get("finish_reason") or reasons.get(choice["index"])
    for whole in wholes.values():
        whole["tool_calls"] = [call for _, call in sorted(whole["tool_calls"].items())]
    said = tuple([_said(wholes[i], reasons[i]) for i in sorted(wholes)])
    return Answer(said, _counts(usage), chunks[0].get("id") or "", chunks[0].get("model") or "")


def _add(whole: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, piece in delta.items():
        if piece is None:
            continue
        if name == "content":
            whole["content"] += piece if isinstance(piece, list) else [{"type": "text", "text": piece}]
        elif name == "tool_calls":
            for call in piece:
                known = whole["tool_calls"].setdefault(call["index"], {"id": "", "function": {"name": "", "arguments": ""}})
                known["id"] += call.get("id") or ""
                for field in ("name", "arguments"):
                    known["function"][field] += (call.get("function") or {}).get(field) or ""
        elif isinstance(piece, list):
            whole[name] = whole.get(name, []) + piece
        elif name != "role":
            whole[name] = whole.get(name, "") + piece if isinstance(piece, str) else piece


def _said(message: dict[str, Any], reason: str | None) -> Said:
    content, details = message.get("content"), message.get("reasoning_details") or []
    listed = content if isinstance(content, list) else [{"type": "text", "text": content}]
    plain = joined([message.get("reasoning_content") or message.get("reasoning")])
    inner = [t.get("text") for p in listed if p["type"] == "thinking" for t in p["thinking"]]
    calls = message.get("tool_calls") or []
    return Said(
        joined([p["text"] for p in listed if p["type"] == "text"]),
        message.get("refusal") or "",
        (joined([d.get("text") or d.get("summary") for d in details]) or plain) + joined(inner),
        tuple([_call(c) for c in calls]),
        tuple([*_proofs(details), *[s for c in calls if (s := _signature(c))]]),
        tuple(message.get("annotations") or ()),
        tuple([i["image_url"]["url"].partition(";base64,")[2] for i in message.get("images") or ()]),
        tuple([p for p in listed if p["type"] not in ("text", "thinking")]),
        reason,
        "tool_calls" if calls and reason in ("", "stop") else STOPS[reason or ""],
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
    if total > prompt + completion:  # Gemini's endpoint and xAI leave the reasoning out of the completion.
        completion = total - prompt
    elsewhere = ("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens")
    cached = next((n for n in (given.get("cached_tokens"), *map(usage.get, elsewhere)) if n is not None), None)
    return Counts(prompt, completion, total, cached, given.get("cache_write_tokens"), made.get("reasoning_tokens"))
