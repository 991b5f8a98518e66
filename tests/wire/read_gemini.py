"""A reading of Gemini's generateContent, as simply as can be."""

import copy
from typing import Any

from .reading import Answer, Counts, Said, events, joined

_OPAQUE = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
STOPS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), "content_filter"),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"), "content_filter"),
    **dict.fromkeys(("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"), "malformed_tool_call"),
    **dict.fromkeys(("LANGUAGE", "OTHER", "NO_IMAGE", "IMAGE_OTHER"), "other"),
    "MISSING_THOUGHT_SIGNATURE": "error",
}
_SOURCES = ("web", "retrievedContext", "maps")


def answer(body: Any) -> Answer:
    return _answer([body])


def stream(text: str) -> Answer:
    return _answer(events(text))


def whole(body: Any) -> Any:
    """What an answer must still say when this dialect's renderer has written it again: all of it.

    But for what providers leave out: an empty content, an index or a count of zero.
    """
    said = copy.deepcopy(body)
    said.get("usageMetadata", {}).setdefault("candidatesTokenCount", 0)
    for candidate in said.get("candidates", ()):
        candidate.setdefault("index", 0)
        candidate.setdefault("content", {"role": "model"}).setdefault("parts", [])
    return said


def embeddings(body: Any) -> tuple[list[Any], int | None]:
    """(vectors, tokens of the input)."""
    found = body.get("embeddings") or [body["embedding"]]
    return [row["values"] for row in found], body.get("usageMetadata", {}).get("promptTokenCount")


def _answer(chunks: list[dict[str, Any]]) -> Answer:
    if "error" in chunks[-1]:
        return Answer(error=chunks[-1]["error"]["message"])
    last = chunks[-1]
    indices = sorted({c.get("index", 0) for chunk in chunks for c in chunk.get("candidates", ())})
    said = tuple([_said([_candidate(chunk, i) for chunk in chunks]) for i in indices])
    counted = [chunk["usageMetadata"] for chunk in chunks if "usageMetadata" in chunk]
    counts = _counts(counted[-1]) if counted else None
    return Answer(said, counts, last.get("responseId", ""), last.get("modelVersion", ""))


def error(body: Any) -> tuple[str, str | None]:
    """(message, code)."""
    return body["error"]["message"], body["error"].get("status")


def _candidate(chunk: dict[str, Any], index: int) -> dict[str, Any]:
    return next((c for c in chunk.get("candidates", ()) if c.get("index", 0) == index), {})


def _said(candidates: list[dict[str, Any]]) -> Said:
    parts = [p for c in candidates for p in (c.get("content") or {}).get("parts", [])]
    opaque = [p for p in parts if any(k in p for k in _OPAQUE)]
    calls = [p["functionCall"] for p in parts if "functionCall" in p]
    reason = next(c["finishReason"] for c in reversed(candidates) if "finishReason" in c)
    return Said(
        joined([p["text"] for p in parts if "text" in p and not p.get("thought")]),
        "",
        joined([p["text"] for p in parts if "text" in p and p.get("thought")]),
        tuple([(c.get("id", ""), c["name"], c.get("args", {})) for c in calls]),
        tuple([p["thoughtSignature"] for p in parts if "thoughtSignature" in p and p not in opaque]),
        tuple([s for c in candidates for s in _cited(c)]),
        tuple([p["inlineData"]["data"] for p in parts if "inlineData" in p and not p.get("thought")]),
        tuple(opaque),
        reason,
        "tool_calls" if calls and reason == "STOP" else STOPS[reason],
    )


def _cited(candidate: dict[str, Any]) -> list[tuple[Any, Any]]:
    """(URL, title) of the sources of each span."""
    grounding = candidate.get("groundingMetadata") or {}
    sources = grounding.get("groundingChunks") or []
    found = [sources[i] for s in grounding.get("groundingSupports") or () for i in s.get("groundingChunkIndices", ())]
    cited = [next(f[k] for k in _SOURCES if k in f) for f in found]
    cited += (candidate.get("citationMetadata") or {}).get("citationSources") or []
    return [(c.get("uri"), c.get("title")) for c in cited]


def _counts(usage: dict[str, Any]) -> Counts:
    given = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    made = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    cached, thoughts = usage.get("cachedContentTokenCount"), usage.get("thoughtsTokenCount")
    return Counts(given, made, usage.get("totalTokenCount"), cached, None, thoughts)
