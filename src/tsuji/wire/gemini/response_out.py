"""An answer from core, as a generateContent response.

Nothing is refused: thinking of another dialect loses its signature, parts and fields only another dialect knows are
left out, audio keeps its sound and not its transcript.
"""

from typing import Any

import msgspec

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.parts import Citation, Text
from tsuji.core.response import ChatResponse, Choice, TokenLogprob

from .fields import own, place
from .finish import reason_of
from .parts_out import PartWriter, Wire
from .usage import render_usage

_encode = msgspec.json.Encoder().encode


def render_response(response: ChatResponse) -> bytes:
    writer = PartWriter(None)
    out: Wire = {}
    candidates = [render_choice(c, writer) for c in response.choices if "~blocked" not in own(c.ext)]
    if candidates:
        out["candidates"] = candidates
    elif response.choices and "promptFeedback" not in own(response.ext):
        out["promptFeedback"] = {"blockReason": response.choices[0].stop_raw or "OTHER"}
    if response.usage is not None:
        out["usageMetadata"] = render_usage(response.usage)
    envelope(out, response.model, response.id)
    place(out, own(response.ext))
    return encode_answer(out)


def encode_answer(out: Wire) -> bytes:
    try:
        return _encode(out)
    except RecursionError:
        raise UpstreamProtocolError("the provider's answer is nested too deeply") from None


def envelope(out: Wire, model: str, id: str) -> None:
    if model:
        out["modelVersion"] = model
    if id:
        out["responseId"] = id


def render_choice(choice: Choice, writer: PartWriter) -> Wire:
    candidate: Wire = {"content": {"parts": writer.write(choice.content), "role": "model"}, "index": choice.index}
    if choice.stop is not None:
        candidate["finishReason"] = reason_of(choice.stop, choice.stop_raw)
    if choice.logprobs:
        candidate["logprobsResult"] = render_logprobs(choice.logprobs)
    mine = own(choice.ext)
    if "groundingMetadata" not in mine and "citationMetadata" not in mine:
        cite(candidate, [c for p in choice.content if type(p) is Text for c in p.citations])
    place(candidate, mine)
    return candidate


def cite(candidate: Wire, citations: list[Citation]) -> None:
    """Citations of another dialect."""
    sources: list[Wire] = []
    for citation in citations:
        pairs = (
            ("startIndex", citation.start),
            ("endIndex", citation.end),
            ("uri", citation.url),
            ("title", citation.title),
        )
        sources.append({name: value for name, value in pairs if value is not None})
    if sources:
        candidate["citationMetadata"] = {"citationSources": sources}


def render_logprobs(logprobs: tuple[TokenLogprob, ...]) -> Wire:
    out: Wire = {"chosenCandidates": [_logprob(each) for each in logprobs]}
    if any(each.top for each in logprobs):
        out["topCandidates"] = [{"candidates": [_logprob(top) for top in each.top]} for each in logprobs]
    return out


def _logprob(each: TokenLogprob) -> dict[str, Any]:
    return {"token": each.token, "logProbability": each.logprob, **own(each.ext)}
