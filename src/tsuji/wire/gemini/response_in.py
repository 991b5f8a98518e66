"""A generateContent answer, to core (https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse).

A prompt that was blocked has no candidates: it becomes one choice without content that stopped for "content_filter".
Grounding becomes citations of the answer's text, beside the grounding itself, which stays in `ext`.
"""

from typing import Any, Final

import msgspec

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.parts import Citation, Part, Text, ToolCall
from tsuji.core.provider import Quirks
from tsuji.core.response import ChatResponse, Choice, TokenLogprob

from .errors import error_in
from .fields import (
    NAME,
    Malformed,
    a_list,
    a_string,
    an_object,
    dict_or_empty,
    dicts_in,
    int_or_none,
    text_or_none,
    to_ext,
)
from .finish import stop_of
from .parts_in import parse_parts
from .usage import parse_usage, tier_of

Wire = dict[str, Any]
_KNOWN: Final = frozenset(("candidates", "usageMetadata", "modelVersion", "responseId"))
_CANDIDATE: Final = frozenset(("content", "finishReason", "index", "logprobsResult"))


def parse_response(body: bytes, quirks: Quirks) -> ChatResponse:
    """Raises UpstreamProtocolError if the body is no answer of this dialect, and the error that it holds if it does."""
    answer = decode_answer(body)
    try:
        choices = tuple([parse_candidate(c, i) for i, c in enumerate(candidates(answer))])
        if not choices and blocked(answer) is not None:
            choices = (blocked_choice(answer),)
        usage = parse_usage(answer.get("usageMetadata"))
        return ChatResponse(
            id=a_string(answer.get("responseId") or "", "responseId"),
            model=a_string(answer.get("modelVersion") or "", "modelVersion"),
            choices=choices,
            usage=usage,
            service_tier=tier_of(answer.get("usageMetadata")),
            ext=to_ext({k: v for k, v in answer.items() if k not in _KNOWN and v is not None}),
        )
    except Malformed as error:
        raise protocol_error(error, answer) from None


def decode_answer(body: bytes) -> Wire:
    """One answer, or one chunk of a stream. Raises as `parse_response` does."""
    answer = decode_json(body)
    check_answer(answer)
    return answer


def decode_json(body: bytes) -> Wire:
    """Any answer that is an object. Raises UpstreamProtocolError, or the error that it holds."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamProtocolError(f"the provider's answer is not JSON: {error}") from None
    failed = error_in(answer)
    if failed is not None:
        raise failed
    if answer.__class__ is not dict:
        raise UpstreamProtocolError("the provider's answer is no JSON object", body=answer)
    return answer


def check_answer(answer: Any) -> None:
    """Raises the error that `answer` holds; UpstreamProtocolError where it is of another shape altogether."""
    failed = error_in(answer) if "candidates" not in answer else None
    if failed is not None:
        raise failed
    if answer.__class__ is not dict or not (
        "candidates" in answer or "usageMetadata" in answer or "promptFeedback" in answer
    ):
        raise UpstreamProtocolError("the provider's answer is no generateContent response", body=answer)


def protocol_error(error: Malformed, body: Any) -> UpstreamProtocolError:
    return UpstreamProtocolError(f"in the provider's answer {error.path!r} must be {error.expected}", body=body)


def candidates(answer: Wire) -> list[Any]:
    return a_list(answer.get("candidates") or [], "candidates")


def blocked(answer: Wire) -> str | None:
    """Why the prompt was blocked, if it was."""
    return text_or_none(dict_or_empty(answer.get("promptFeedback")).get("blockReason"))


def blocked_choice(answer: Wire) -> Choice:
    return Choice(stop="content_filter", stop_raw=blocked(answer), ext={NAME: {"~blocked": True}})


def parse_candidate(value: Any, position: int) -> Choice:
    """Raises Malformed. position: its index where it does not say."""
    path = f"candidates[{position}]"
    candidate = an_object(value, path)
    content = an_object(candidate.get("content") or {}, path + ".content")
    parts = parse_parts(content.get("parts"), path + ".content.parts")
    raw = candidate.get("finishReason")
    calls = any(type(p) is ToolCall for p in parts)
    logprobs = parse_logprobs(candidate.get("logprobsResult"), path + ".logprobsResult")
    return Choice(
        index=index_of(candidate, position),
        content=tuple(_cited(parts, candidate)),
        stop=stop_of(a_string(raw, path + ".finishReason"), calls) if raw is not None else None,
        stop_raw=raw,
        logprobs=logprobs or None,
        ext=candidate_ext(candidate),
    )


def index_of(candidate: Wire, position: int) -> int:
    index = int_or_none(candidate.get("index"))
    return position if index is None or index < 0 else index


def candidate_ext(candidate: Wire) -> dict[str, Wire] | None:
    rest = {k: v for k, v in candidate.items() if k not in _CANDIDATE and v is not None}
    logprobs = dict_or_empty(candidate.get("logprobsResult"))
    more = {k: v for k, v in logprobs.items() if k != "chosenCandidates" and k != "topCandidates"}
    if more:
        rest["logprobsResult"] = more
    return {NAME: rest} if rest else None


def parse_logprobs(value: Any, path: str) -> tuple[TokenLogprob, ...]:
    if value is None:
        return ()
    result = an_object(value, path)
    chosen = a_list(result.get("chosenCandidates") or [], path + ".chosenCandidates")
    tops = a_list(result.get("topCandidates") or [], path + ".topCandidates")
    out: list[TokenLogprob] = []
    for i, item in enumerate(chosen):
        at = f"{path}.chosenCandidates[{i}]"
        top: list[TokenLogprob] = []
        if i < len(tops):
            listed = a_list(an_object(tops[i], path).get("candidates") or [], path)
            top = [_logprob(each, f"{path}.topCandidates[{i}]") for each in listed]
        out.append(_logprob(item, at, tuple(top)))
    return tuple(out)


def _logprob(value: Any, path: str, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
    fields = an_object(value, path)
    logprob = fields.get("logProbability", 0.0)
    if logprob.__class__ is not float and logprob.__class__ is not int:
        raise Malformed(path + ".logProbability", "a number")
    token_id = fields.get("tokenId")
    return TokenLogprob(
        token=a_string(fields.get("token", ""), path + ".token"),
        logprob=logprob,
        top=top,
        ext={NAME: {"tokenId": token_id}} if token_id is not None else None,
    )


def _cited(parts: list[Part], candidate: Wire) -> list[Part]:
    """Citations go to the text they are about: in answers of several texts, to the first that holds their span."""
    if "groundingMetadata" not in candidate and "citationMetadata" not in candidate:
        return parts
    texts = [i for i, p in enumerate(parts) if type(p) is Text]
    for citation in citations(candidate, "".join([p.text for p in parts if type(p) is Text])):
        start = citation.start or 0
        for i in texts:
            part = parts[i]
            assert type(part) is Text
            size = len(part.text)
            if start < size or i == texts[-1]:
                end = citation.end
                moved = msgspec.structs.replace(
                    citation, start=start, end=None if end is None else min(end - (citation.start or 0) + start, size)
                )
                parts[i] = msgspec.structs.replace(part, citations=(*part.citations, moved))
                break
            start -= size
    return parts


def citations(candidate: Wire, text: str) -> list[Citation]:
    """Of one candidate whose answer is `text`: the wire counts in UTF-8 bytes, core in characters. Lenient."""
    out: list[Citation] = []
    grounding = dict_or_empty(candidate.get("groundingMetadata"))
    sources = dicts_in(grounding.get("groundingChunks"))
    for support in dicts_in(grounding.get("groundingSupports")):
        span = dict_or_empty(support.get("segment"))
        for index in _indices(support.get("groundingChunkIndices")):
            if 0 <= index < len(sources):
                chunk = sources[index]
                found = chunk.get("web") or chunk.get("retrievedContext") or chunk.get("maps")
                out.append(_citation(dict_or_empty(found), span, text))
    cited = dict_or_empty(candidate.get("citationMetadata"))
    for source in dicts_in(cited.get("citationSources") or cited.get("citations")):
        out.append(_citation(source, source, text))
    return out


def _indices(value: Any) -> list[int]:
    return [item for item in value if item.__class__ is int] if value.__class__ is list else []


def _citation(source: Wire, span: Wire, text: str) -> Citation:
    start, end = int_or_none(span.get("startIndex", 0)), int_or_none(span.get("endIndex"))
    return Citation(
        text=text_or_none(span.get("text")),
        url=text_or_none(source.get("uri")),
        title=text_or_none(source.get("title")),
        start=None if start is None else _characters(text, start),
        end=None if end is None else _characters(text, end),
    )


def _characters(text: str, count: int) -> int:
    return count if text.isascii() else len(text.encode()[: max(count, 0)].decode(errors="ignore"))
