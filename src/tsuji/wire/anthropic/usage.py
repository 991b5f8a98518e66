"""Token counts. This dialect counts the prompt without its cached parts; core counts it whole."""

from typing import Any

from tsuji.core.usage import Usage

from .blocks_out import own, without_spellings
from .fields import NAME, Object, count_or_none, object_or_empty, rest, text_or_none

_KNOWN = frozenset(
    (
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "output_tokens_details",
        "service_tier",
    )
)

TIERS = {"standard": "default", "priority": "priority", "batch": "batch"}
"""What `usage.service_tier` says -> the words that core shares with the OpenAI dialect."""
_TIERS_OUT = {tier: name for name, tier in TIERS.items()}


def parse_usage(raw: Any) -> Usage | None:
    """https://platform.claude.com/docs/en/api/messages#usage; counts that are no counts are unknown."""
    fields = object_or_empty(raw)
    if not fields:
        return None
    read = count_or_none(fields.get("cache_read_input_tokens"))
    written = count_or_none(fields.get("cache_creation_input_tokens"))
    fresh = count_or_none(fields.get("input_tokens"))
    creation = object_or_empty(fields.get("cache_creation"))
    details = object_or_empty(fields.get("output_tokens_details"))
    extra = rest(fields, _KNOWN)
    tier = fields.get("service_tier")
    if tier is not None and text_or_none(tier) not in TIERS:
        extra["service_tier"] = tier
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=count_or_none(fields.get("output_tokens")),
        cached_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=count_or_none(creation.get("ephemeral_1h_input_tokens")),
        reasoning_tokens=count_or_none(details.get("thinking_tokens")),
        ext={NAME: extra} if extra else None,
    )


def merge_usage(before: Object, after: Object) -> Object:
    """Counts of a stream are running totals, so one that falls is a provider's slip and does not count."""
    merged = dict(before)
    for name, value in after.items():
        old = merged.get(name)
        if value is None or (type(value) is int and type(old) is int and value < old):
            continue
        merged[name] = value
    return merged


def tier_of(usage: Any) -> str | None:
    """Core's word for the tier that served the request."""
    return TIERS.get(text_or_none(object_or_empty(usage).get("service_tier")) or "")


def render_usage(usage: Usage | None, service_tier: str | None = None) -> Object:
    """The two counts that the dialect requires are 0 where they are unknown.

    A client adds the parts of the prompt up, so they are kept from adding up to more than it was: some providers
    count tokens as read and as written at once.
    """
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    read, written, long_lived = usage.cached_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens
    fresh = usage.input_tokens or 0
    if usage.input_tokens is not None:
        read = None if read is None else min(read, fresh)
        written = None if written is None else min(written, fresh - (read or 0))
        fresh -= (read or 0) + (written or 0)
    fields: Object = {"input_tokens": fresh}
    if written is not None:
        fields["cache_creation_input_tokens"] = written
    if read is not None:
        fields["cache_read_input_tokens"] = read
    if long_lived is not None:
        short_lived = max(0, (written or 0) - long_lived)
        fields["cache_creation"] = {
            "ephemeral_5m_input_tokens": short_lived,
            "ephemeral_1h_input_tokens": long_lived,
        }
    fields["output_tokens"] = usage.output_tokens or 0
    if usage.reasoning_tokens is not None:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if service_tier in _TIERS_OUT:
        fields["service_tier"] = _TIERS_OUT[service_tier]
    fields.update(without_spellings(own(usage.ext)))
    return fields
