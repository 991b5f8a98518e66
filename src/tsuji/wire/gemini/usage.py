"""`usageMetadata`, both ways (https://ai.google.dev/api/generate-content#UsageMetadata).

On the wire the prompt's count holds its cached part but not what Google's own tools put before the model, and the
answer's count holds no thoughts; core counts both in.
"""

from typing import Any, Final

import msgspec

from tsuji.core.usage import Usage

from .fields import NAME, dicts_in, int_or_none, own
from .tiers import TIERS

_COUNTS: Final = frozenset(
    ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount", "totalTokenCount")
)


def tier_of(raw: Any) -> str | None:
    """The tier that served the request, in OpenAI's words, which core uses."""
    tier: Any = raw.get("serviceTier") if raw.__class__ is dict else None
    return TIERS.get(tier.lower()) if tier.__class__ is str else None


def parse_usage(raw: Any) -> Usage | None:
    """None where `raw` is no object. Counts of another type than integers are taken as absent."""
    if raw.__class__ is not dict:
        return None
    prompt, tools = _count(raw, "promptTokenCount"), _count(raw, "toolUsePromptTokenCount")
    answer, thoughts = _count(raw, "candidatesTokenCount"), _count(raw, "thoughtsTokenCount")
    total = _count(raw, "totalTokenCount")
    entered = None if prompt is None and tools is None else (prompt or 0) + (tools or 0)
    if answer is not None or thoughts is not None:
        output = (answer or 0) + (thoughts or 0)
    else:
        # A count of zero is left out on the wire.
        output = max(total - entered, 0) if total is not None and entered is not None else None
    rest = {k: v for k, v in raw.items() if k not in _COUNTS and v is not None}
    return Usage(
        input_tokens=entered,
        output_tokens=output,
        cached_tokens=_count(raw, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        audio_input_tokens=_audio(raw.get("promptTokensDetails")),
        audio_output_tokens=_audio(raw.get("candidatesTokensDetails")),
        total=total,
        ext={NAME: rest} if rest else None,
    )


def _count(raw: dict[str, Any], name: str) -> int | None:
    return int_or_none(raw.get(name))


def _audio(details: Any) -> int | None:
    for item in dicts_in(details):
        if item.get("modality") == "AUDIO":
            return _count(item, "tokenCount")
    return None


def render_usage(usage: Usage) -> dict[str, Any]:
    mine = own(usage.ext)
    tools = int_or_none(mine.get("toolUsePromptTokenCount")) or 0
    out: dict[str, Any] = {}
    if usage.input_tokens is not None:
        out["promptTokenCount"] = usage.input_tokens - tools
    if usage.output_tokens is not None:
        out["candidatesTokenCount"] = usage.output_tokens - (usage.reasoning_tokens or 0)
    if usage.reasoning_tokens is not None:
        out["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.cached_tokens is not None:
        out["cachedContentTokenCount"] = usage.cached_tokens
    if usage.total is not None or (usage.input_tokens is not None and usage.output_tokens is not None):
        out["totalTokenCount"] = usage.total_tokens
    for name, count in (
        ("promptTokensDetails", usage.audio_input_tokens),
        ("candidatesTokensDetails", usage.audio_output_tokens),
    ):
        if count is not None:
            out[name] = [{"modality": "AUDIO", "tokenCount": count}]
    out.update(mine)
    return out


class _Answer(msgspec.Struct):
    usageMetadata: dict[str, Any] | None = None


_answers = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes) -> Usage | None:
    """The usage in a whole answer, nothing else of it decoded; None if there is none."""
    try:
        return parse_usage(_answers.decode(body).usageMetadata)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
