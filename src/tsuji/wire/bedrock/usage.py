"""Token counts. This dialect counts the prompt without its cached parts; core counts it whole."""

from typing import Any, Final

from tsuji.core.usage import Usage

from ..anthropic.fields import Object, count_or_none, object_or_empty, rest
from .fields import ext_of, list_or_empty, own, plain

_KNOWN: Final = frozenset(
    ("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "cacheDetails")
)


def parse_usage(raw: Any) -> Usage | None:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html; no counts are unknown."""
    fields = object_or_empty(raw)
    if not fields:
        return None
    read = count_or_none(fields.get("cacheReadInputTokens"))
    written = count_or_none(fields.get("cacheWriteInputTokens"))
    fresh = count_or_none(fields.get("inputTokens"))
    details = list_or_empty(fields.get("cacheDetails"))
    by_ttl = [object_or_empty(detail) for detail in details]
    long_lived = [count_or_none(detail.get("inputTokens")) for detail in by_ttl if detail.get("ttl") == "1h"]
    extra = rest(fields, _KNOWN)
    if fields.get("cacheDetails") == details:
        extra["~cacheDetails"] = details
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=count_or_none(fields.get("outputTokens")),
        cached_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=long_lived[0] if long_lived else None,
        total=count_or_none(fields.get("totalTokens")),
        ext=ext_of(extra),
    )


def render_usage(usage: Usage | None) -> Object:
    """The three counts that the dialect requires are 0 where they are unknown.

    A client adds the parts of the prompt up, so they are kept from adding up to more than it was.
    """
    if usage is None:
        return {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    read, written = usage.cached_tokens, usage.cache_write_tokens
    fresh = usage.input_tokens or 0
    if usage.input_tokens is not None:
        read = None if read is None else min(read, fresh)
        written = None if written is None else min(written, fresh - (read or 0))
        fresh -= (read or 0) + (written or 0)
    counts: Object = {
        "inputTokens": fresh,
        "outputTokens": usage.output_tokens or 0,
        "totalTokens": usage.total_tokens or 0,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": written,
        "cacheDetails": _details(usage, written or 0),
    }
    return {**{name: count for name, count in counts.items() if count is not None}, **plain(usage.ext)}


def _details(usage: Usage, written: int) -> list[Object] | None:
    """What was written to the cache, by how long it lives, the longest first."""
    said = own(usage.ext).get("~cacheDetails")
    if said is not None or usage.cache_write_1h_tokens is None:
        return said
    long_lived = min(usage.cache_write_1h_tokens, written)
    both = (("1h", long_lived), ("5m", written - long_lived))
    return [{"ttl": ttl, "inputTokens": count} for ttl, count in both if count]
