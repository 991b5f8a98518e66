"""Tokens, both ways. Source: https://platform.openai.com/docs/api-reference/responses/object#responses/object-usage"""

from typing import Any

from tsuji.core.usage import Usage
from tsuji.wire.openai.fields import is_object, rest

from .fields import Fields, ext, own

_INPUT = {"cached_tokens": "cached_tokens", "cache_write_tokens": "cache_write_tokens"}
_OUTPUT = {"reasoning_tokens": "reasoning_tokens"}
_KNOWN = ("input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details")


def read_usage(usage: Fields) -> Usage:
    """Lenient: a count that is no integer is unknown."""
    kept = rest(usage, _KNOWN)
    core: Fields = {}
    for where, known in (("input_tokens_details", _INPUT), ("output_tokens_details", _OUTPUT)):
        details: Any = usage.get(where)
        if not is_object(details):
            continue
        for name, attribute in known.items():
            core[attribute] = _count(details, name)
        left = rest(details, known)
        if left:
            kept[where] = left
    return Usage(
        _count(usage, "input_tokens"),
        _count(usage, "output_tokens"),
        total=_count(usage, "total_tokens"),
        **core,
        ext=ext(kept),
    )


def _count(holder: Fields, name: str) -> int | None:
    value = holder.get(name)
    return value if type(value) is int and value >= 0 else None


def write_usage(usage: Usage) -> Fields:
    """What is unknown is 0 where the official client needs a number."""
    kept = own(usage.ext)
    given = {"cached_tokens": usage.cached_tokens or 0, "cache_write_tokens": usage.cache_write_tokens or 0}
    out: Fields = {
        **kept,
        "input_tokens": usage.input_tokens or 0,
        "input_tokens_details": {**given, **kept.get("input_tokens_details", {})},
        "output_tokens": usage.output_tokens or 0,
        "output_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens or 0,
            **kept.get("output_tokens_details", {}),
        },
        "total_tokens": usage.total_tokens or 0,
    }
    return out
