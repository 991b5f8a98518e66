"""A reading of OpenAI's responses, as simply as can be."""

from typing import Any

from .reading import Answer, Counts, Said, events, joined, value, without_null

STOPS = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "cancelled": "error",
    "queued": "other",
    "in_progress": "other",
    "incomplete": "other",
}
_KNOWN = ("message", "function_call", "custom_tool_call", "reasoning")


def spelled(text: str) -> Any:
    """The answer that a stream spells: its end, with the items as they were done."""
    found = events(text)
    last = found[-1]
    if "response" not in last:
        return {"error": last.get("error") or last}
    items = {e["output_index"]: e["item"] for e in found if e["type"] == "response.output_item.done"}
    return {**last["response"], "output": [items[at] for at in sorted(items)]}


def error(body: Any) -> tuple[str, str | None]:
    """(message, code)."""
    said = body.get("error", body)
    return said["message"], said.get("code") or said.get("type")


def whole(body: Any) -> Any:
    """What an answer must still say when this dialect's renderer has written it again: its output.

    But for the status of each item, which a stream tells when its words have gone out: the answer's own says as much.
    """
    return [{k: v for k, v in item.items() if k != "status"} for item in without_null(body["output"])]


def answer(body: Any) -> Answer:
    if body.get("error"):
        return Answer(error=error(body)[0])
    items = body["output"]
    parts = [p for i in items if i["type"] == "message" for p in i["content"]]
    images = [i for i in items if i["type"] == "image_generation_call" and i.get("result")]
    called = [i for i in items if i["type"] in ("function_call", "custom_tool_call")]
    calls = [(i["call_id"], i["name"], value(i.get("arguments", i.get("input")))) for i in called]
    reason = (body.get("incomplete_details") or {}).get("reason") or body["status"]
    words, refusals = (joined([p.get(k) for p in parts]) for k in ("text", "refusal"))
    stop = "tool_calls" if calls else "refusal" if refusals and not words else "stop"
    said = Said(
        words,
        refusals,
        joined([_words(i) for i in items if i["type"] == "reasoning"]),
        tuple(calls),
        tuple([i["encrypted_content"] for i in items if i["type"] == "reasoning" and i.get("encrypted_content")]),
        tuple([a for p in parts for a in p.get("annotations") or ()]),
        tuple([i["result"] for i in images]),
        tuple([i for i in items if (i["type"] not in _KNOWN and i not in images) or _says_nothing(i)]),
        reason,
        STOPS.get(reason, stop),
    )
    return Answer((said,), _counts(body.get("usage")), body["id"], body["model"])


def _says_nothing(item: dict[str, Any]) -> bool:
    return item["type"] == "message" and not item["content"]


def _words(item: dict[str, Any]) -> str:
    """The reasoning itself where it was given, else its summaries."""
    said = joined([p["text"] for p in item.get("content") or ()])
    return said or "\n\n".join([p["text"] for p in item["summary"]])


def _counts(usage: dict[str, Any] | None) -> Counts | None:
    if usage is None:
        return None
    given, made = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return Counts(
        usage["input_tokens"],
        usage["output_tokens"],
        usage["total_tokens"],
        given.get("cached_tokens"),
        given.get("cache_write_tokens"),
        made.get("reasoning_tokens"),
    )
