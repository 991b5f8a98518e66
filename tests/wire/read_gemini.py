"""A reading of Gemini's generateContent, as simply as can be."""

import copy
from typing import Any

from .reading import Answer, Counts, Said, events, joined

_NOUNS = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
STOPS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), "content_filter"),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"), "content_filter"),
    **dict.fromkeys(("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"), "malformed_tool_call"),
    **dict.fromkeys(("LANGUAGE", "OTHER", "NO_IMAGE", "IMAGE_OTHER"), "other"),
    **dict.fromkeys(("ESCALATION", "PUP_LIMITED_DISABLED", "JAILBREAK"), "content_filter"),
    "MALFORMED_RESPONSE": "malformed_tool_call",
    "CONTINUATION": "pause",
    "MISSING_THOUGHT_SIGNATURE": "error",
}
_SOURCES = ("web", "retrievedContext", "maps")


def whole(body: Any) -> Any:
    """What an answer must still say when this dialect's renderer has written it again: all of it.

    But for what providers leave out: an empty content, an index, a count or a log-probability of zero.
    """
    said = copy.deepcopy(body)
    said.get("usageMetadata", {}).setdefault("candidatesTokenCount", 0)
    for candidate in said.get("candidates", ()):
        logprobs = candidate.get("logprobsResult", {})
        tops = [t for listed in logprobs.get("topCandidates", ()) for t in listed.get("candidates", ())]
        for entry in (*logprobs.get("chosenCandidates", ()), *tops):
            entry.setdefault("logProbability", 0)
        candidate.setdefault("index", 0)
        candidate.setdefault("content", {"role": "model"}).setdefault("parts", [])
    return said


def spelled(text: str) -> Any:
    """The answer that a stream spells: texts in a row are one, but for one with a signature; the last word counts."""
    whole: dict[str, Any] = {}
    candidates: dict[int, dict[str, Any]] = {}
    for chunk in events(text):
        whole |= chunk
        for piece in chunk.get("candidates", ()):
            candidate = candidates.setdefault(piece.get("index", 0), {"content": {"role": "model", "parts": []}})
            parts = candidate["content"]["parts"]
            before = candidate.get("logprobsResult", {})
            candidate |= {k: v for k, v in piece.items() if k != "content"}
            if "logprobsResult" in piece:
                result = piece["logprobsResult"]
                lists = {k: [*before.get(k, []), *v] for k, v in result.items() if isinstance(v, list)}
                candidate["logprobsResult"] = {**before, **result, **lists}
            for part in (piece.get("content") or {}).get("parts", []):
                if parts and _plain(parts[-1]) and _plain(part) and parts[-1].get("thought") == part.get("thought"):
                    parts[-1] = {**part, "text": parts[-1]["text"] + part["text"]}
                elif part != {"text": ""}:
                    parts.append(part)
    if candidates:
        whole["candidates"] = [candidates[i] for i in sorted(candidates)]
    return whole


def _plain(part: dict[str, Any]) -> bool:
    return "text" in part and part.keys() <= {"text", "thought"}


def embeddings(body: Any) -> tuple[list[Any], int | None]:
    """(vectors, tokens of the input)."""
    found = body.get("embeddings") or [body["embedding"]]
    return [row["values"] for row in found], body.get("usageMetadata", {}).get("promptTokenCount")


def answer(body: Any) -> Answer:
    if "error" in body:
        return Answer(error=error(body)[0])
    said = tuple([_said(c) for c in body.get("candidates", ())])
    if not said:
        said = (Said(reason=body["promptFeedback"]["blockReason"], stop="content_filter"),)
    counts = _counts(body["usageMetadata"]) if "usageMetadata" in body else None
    return Answer(said, counts, body.get("responseId", ""), body.get("modelVersion", ""))


def error(body: Any) -> tuple[str, str | None]:
    """(message, code)."""
    body = body[0] if isinstance(body, list) else body
    return body["error"]["message"], body["error"].get("status")


def _said(candidate: dict[str, Any]) -> Said:
    parts = (candidate.get("content") or {}).get("parts", [])
    opaque = [p for p in parts if not any(k in p for k in _NOUNS) and p.keys() != {"thoughtSignature"}]
    calls = [p["functionCall"] for p in parts if "functionCall" in p]
    reason = candidate.get("finishReason")
    blobs = [b for p in parts if not p.get("thought") and (b := p.get("inlineData") or p.get("fileData"))]
    return Said(
        joined([p["text"] for p in parts if "text" in p and not p.get("thought")]),
        "",
        joined([p["text"] for p in parts if "text" in p and p.get("thought")]),
        tuple([(c.get("id", ""), c["name"], c.get("args", {})) for c in calls]),
        tuple([p["thoughtSignature"] for p in parts if "thoughtSignature" in p and p not in opaque and not _bare(p)]),
        tuple(_cited(candidate)),
        tuple([b.get("data") or b.get("fileUri") for b in blobs if b.get("mimeType", "").startswith("image/")]),
        tuple(opaque),
        reason,
        "tool_calls" if calls and reason == "STOP" else STOPS.get(reason, "other") if reason else None,
    )


def _bare(part: dict[str, Any]) -> bool:
    """Whether core has no place for a signature beside it, so that it is kept with the rest of the part."""
    other = part.get("inlineData") or part.get("fileData")
    return "functionResponse" in part or (other is not None and not other.get("mimeType", "").startswith("image/"))


def _cited(candidate: dict[str, Any]) -> list[tuple[Any, Any]]:
    """(URL, title) of the sources of each span."""
    grounding = candidate.get("groundingMetadata") or {}
    sources = grounding.get("groundingChunks") or []
    indices = [i for s in grounding.get("groundingSupports") or () for i in s.get("groundingChunkIndices") or ()]
    cited = [next((f[k] for k in _SOURCES if k in f), {}) for f in (sources[i] for i in indices if i < len(sources))]
    more = candidate.get("citationMetadata") or {}
    cited += more.get("citationSources") or more.get("citations") or []
    return [(c.get("uri"), c.get("title")) for c in cited]


def _counts(usage: dict[str, Any]) -> Counts:
    given = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    made = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    cached, thoughts = usage.get("cachedContentTokenCount"), usage.get("thoughtsTokenCount")
    return Counts(given, made, usage.get("totalTokenCount"), cached, None, thoughts)
