"""A reading of Bedrock's Converse and of its embeddings, as simply as can be."""

import json
from base64 import b64decode
from typing import Any

from botocore.eventstream import EventStreamBuffer

from .reading import Answer, Counts, Said, joined

STOPS = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "malformed_tool_use": "malformed_tool_call",
    "malformed_model_output": "error",
    "model_context_window_exceeded": "context_window",
}
_KNOWN = ("text", "reasoningContent", "citationsContent", "image", "video", "audio", "document")


def answer(body: Any) -> Answer:
    if "message" in body:
        return Answer(error=body["message"])
    blocks = body["output"]["message"]["content"]
    thoughts = [b["reasoningContent"] for b in blocks if "reasoningContent" in b]
    used = [b["toolUse"] for b in blocks if "toolUse" in b and _ordinary(b)]
    cited = [b["citationsContent"] for b in blocks if "citationsContent" in b]
    pieces = [p for b in blocks for p in (b.get("citationsContent", {}).get("content") or [b])]
    said = Said(
        joined([p.get("text") for p in pieces]),
        "",
        joined([t["reasoningText"]["text"] for t in thoughts if "reasoningText" in t]),
        tuple([(u["toolUseId"], u["name"], u["input"]) for u in used]),
        tuple([p for t in thoughts if (p := t.get("redactedContent") or t["reasoningText"].get("signature"))]),
        tuple([citation for c in cited for citation in c.get("citations", ())]),
        tuple([b["image"]["source"].get("bytes") for b in blocks if "image" in b]),
        tuple([b for b in blocks if not _ordinary(b)]),
        body["stopReason"],
        STOPS.get(body["stopReason"], "other"),
    )
    return Answer((said,), _counts(body["usage"]))


def _ordinary(block: dict[str, Any]) -> bool:
    if "toolUse" in block:
        return block["toolUse"].get("type") in (None, "tool_use")
    return next(iter(block)) in _KNOWN


def _counts(usage: dict[str, Any]) -> Counts:
    read, written = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    whole = usage["inputTokens"] + (read or 0) + (written or 0)
    return Counts(whole, usage["outputTokens"], usage["totalTokens"], read, written, None)


def error(body: Any) -> tuple[str, str | None]:
    """(message, code): the code is in a header, which is not recorded."""
    return body.get("message") or body["Message"], None


def whole(body: Any) -> Any:
    """What an answer must still say when this dialect's renderer has written it again: all of it."""
    return body


def spelled(text: str) -> Any:
    """The answer that a stream spells, by its raw messages."""
    buffer = EventStreamBuffer()
    buffer.add_data(b64decode(text))
    blocks: dict[int, Any] = {}
    answer: dict[str, Any] = {}
    for message in buffer:
        event = json.loads(message.payload)
        if ":exception-type" in message.headers:
            return event
        event.pop("p", None)  # Padding of random length.
        if "contentBlockIndex" in event:
            _add(blocks.setdefault(event.pop("contentBlockIndex"), {}), event)
        elif "role" not in event:
            answer.update(event)
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    content = [blocks[i] for i in sorted(blocks)]
    return {"output": {"message": {"content": content, "role": "assistant"}}, **answer}


def _add(block: dict[str, Any], event: dict[str, Any]) -> None:
    for kind, fields in event.get("start", {}).items():
        block[kind] = {**fields, **({"input": ""} if kind == "toolUse" else {"content": []})}
    for kind, value in event.get("delta", {}).items():
        if kind == "text":
            block["text"] = block.get("text", "") + value
        elif kind == "toolUse":
            block["toolUse"]["input"] += value["input"]
        elif kind == "toolResult":
            block["toolResult"]["content"] += value
        elif kind == "citation":
            block.setdefault("citationsContent", {"content": [{"text": block.pop("text", "")}], "citations": []})
            block["citationsContent"]["citations"].append(value)
        elif "redactedContent" in value:
            block["reasoningContent"] = {"redactedContent": value["redactedContent"]}
        else:
            thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
            for name, piece in value.items():
                thought[name] = thought.get(name, "") + piece


def embeddings(body: Any) -> tuple[list[Any], int | None]:
    """(vectors, tokens of the input), of Titan, Cohere and Nova."""
    if "embedding" in body:
        return [body["embedding"]], body["inputTextTokenCount"]
    found = body["embeddings"]
    listed = found["float"] if isinstance(found, dict) else found
    return [v["embedding"] if isinstance(v, dict) else v for v in listed], None
