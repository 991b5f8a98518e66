"""A reading of Cohere's v2 chat and embed, as simply as can be."""

from typing import Any

from .reading import Answer, Counts, Said, events, joined, value

STOPS = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
}


def answer(body: Any) -> Answer:
    message = body["message"]
    if isinstance(message, str):
        return Answer(error=message)
    content = message.get("content") or []
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    called = message.get("tool_calls") or ()
    calls = [(c["id"], c["function"]["name"], value(c["function"]["arguments"])) for c in called]
    said = Said(
        joined([b["text"] for b in blocks if b["type"] == "text"]),
        "",
        joined([*[b["thinking"] for b in blocks if b["type"] == "thinking"], message.get("tool_plan")]),
        tuple(calls),
        (),
        tuple([c for c in message.get("citations") or () if c.get("type") in (None, "TEXT_CONTENT")]),
        (),
        tuple([b for b in blocks if b["type"] not in ("text", "thinking")]),
        body["finish_reason"],
        STOPS.get(body["finish_reason"], "other"),
    )
    return Answer((said,), _counts(body.get("usage")), body["id"])


def _counts(usage: Any) -> Counts | None:
    """Those of the model, else those that are paid for."""
    if not usage:
        return None
    tokens, billed = usage.get("tokens") or {}, usage.get("billed_units") or {}
    given, made = (tokens.get(k, billed.get(k)) for k in ("input_tokens", "output_tokens"))
    return Counts(given, made, None, usage.get("cached_tokens"))


def error(body: Any) -> tuple[str, str | None]:
    """(message, code)."""
    return body["message"], None


def whole(body: Any) -> Any:
    """What an answer must still say when this dialect's renderer has written it again: all of it."""
    return body


def spelled(text: str) -> Any:
    """The answer that a stream spells."""
    out: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant"}
    for event in events(text):
        delta = event.get("delta") or {}
        said = delta.get("message") or {}
        kind = event["type"]
        if kind == "message-start":
            out["id"] = event["id"]
        elif kind == "message-end":
            out |= delta
        elif kind == "content-start":
            message.setdefault("content", []).append(said["content"])
        elif kind == "content-delta":
            for name, piece in said["content"].items():
                message["content"][event["index"]][name] += piece
        elif kind == "tool-plan-delta":
            message["tool_plan"] = message.get("tool_plan", "") + said["tool_plan"]
        elif kind == "tool-call-start":
            message.setdefault("tool_calls", []).append(said["tool_calls"])
        elif kind == "tool-call-delta":
            message["tool_calls"][-1]["function"]["arguments"] += said["tool_calls"]["function"]["arguments"]
        elif kind == "citation-start":
            message.setdefault("citations", []).append(said["citations"])
    return {**out, "message": message}


def embeddings(body: Any) -> tuple[list[Any], int | None]:
    """(vectors, tokens of the input)."""
    return body["embeddings"]["float"], body["meta"]["billed_units"]["input_tokens"]
