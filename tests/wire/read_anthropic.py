"""A reading of Anthropic's messages, as simply as can be."""

import json
from typing import Any

from .reading import Answer, Counts, Said, events, joined, without_null

STOPS = {
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}
_KNOWN = ("text", "thinking", "redacted_thinking", "tool_use")


def whole(body: Any) -> Any:
    """What an answer must still say when this dialect's renderer has written it again: all of it."""
    said = without_null(body)
    for block in said["content"]:
        if block.get("citations") == []:  # What a stream begins a text with, whether citations follow or not.
            del block["citations"]
    return said


def error(body: Any) -> tuple[str, str | None]:
    """(message, code); through Bedrock a message alone."""
    said = body.get("error", body)
    return said["message"], said.get("type")


def answer(message: Any) -> Answer:
    if message["type"] == "error":
        return Answer(error=error(message)[0])
    blocks = message["content"]
    said = Said(
        joined([b["text"] for b in blocks if b["type"] == "text"]),
        "",
        joined([b["thinking"] for b in blocks if b["type"] == "thinking"]),
        tuple([(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]),
        tuple([p for b in blocks if (p := _proof(b))]),
        tuple([c for b in blocks if b["type"] == "text" for c in b.get("citations") or ()]),
        (),
        tuple([b for b in blocks if b["type"] not in _KNOWN]),
        message["stop_reason"],
        STOPS.get(message["stop_reason"], "other"),
    )
    return Answer((said,), _counts(message["usage"]), message["id"], message["model"])


def _proof(block: dict[str, Any]) -> str | None:
    return {"thinking": block.get("signature"), "redacted_thinking": block.get("data")}.get(block["type"])


def _counts(usage: dict[str, Any]) -> Counts:
    read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    whole = usage["input_tokens"] + (read or 0) + (written or 0)
    return Counts(whole, usage["output_tokens"], None, read, written, thinking)


def spelled(text: str) -> Any:
    """The message that a stream spells."""
    found = events(text)
    if found[-1]["type"] == "error":
        return found[-1]
    message: dict[str, Any] = {}
    pieces: dict[int, str] = {}
    for event in found:
        kind = event["type"]
        if kind == "message_start":
            message = event["message"]
        elif kind == "content_block_start":
            message["content"].append(event["content_block"])
        elif kind == "content_block_delta":
            _add(message["content"][event["index"]], event["delta"], pieces, event["index"])
        elif kind == "message_delta":
            message |= {k: v for k, v in event.items() if k not in ("type", "delta", "usage")} | event["delta"]
            message["usage"] |= {k: v for k, v in event["usage"].items() if v is not None}
    for index, text in pieces.items():
        message["content"][index]["input"] = json.loads(text or "{}")
    return message


def _add(block: dict[str, Any], delta: dict[str, Any], pieces: dict[int, str], index: int) -> None:
    for name, value in delta.items():
        if name == "partial_json":
            pieces[index] = pieces.get(index, "") + value
        elif name == "citation":
            block["citations"] = [*(block.get("citations") or ()), value]
        elif name != "type" and value is not None:
            before = block.get(name)
            block[name] = before + value if isinstance(before, str) and isinstance(value, str) else value
