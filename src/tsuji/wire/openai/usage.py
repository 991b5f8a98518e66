"""Tokens, both ways.

Source: https://platform.openai.com/docs/api-reference/chat/object#chat/object-usage; cached tokens also where DeepSeek
(https://api-docs.deepseek.com/guides/kv_cache), Mistral and Moonshot put them.
"""

from typing import Any

from tsuji.core.usage import Usage

from .fields import NAME, is_object, names, own, rest

_KNOWN = names("prompt_tokens completion_tokens total_tokens prompt_tokens_details completion_tokens_details")
_INPUT = {
    "cached_tokens": "cached_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "audio_tokens": "audio_input_tokens",
}
_OUTPUT = {"reasoning_tokens": "reasoning_tokens", "audio_tokens": "audio_output_tokens"}
_CACHED_ELSEWHERE = ("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens")


def read_usage(usage: dict[str, Any]) -> Usage:
    """Lenient: a count that is no integer is unknown.

    Where the total is larger than prompt and completion together, the rest is reasoning that the provider left out of
    `completion_tokens` (Gemini's OpenAI endpoint, xAI): it is output, and billed so. The count that was sent is kept.
    """
    kept = rest(usage, _KNOWN)
    core: dict[str, Any] = {}
    _details(usage.get("prompt_tokens_details"), _INPUT, core, kept, "prompt_tokens_details")
    _details(usage.get("completion_tokens_details"), _OUTPUT, core, kept, "completion_tokens_details")
    if "cached_tokens" not in core:
        for name in _CACHED_ELSEWHERE:
            if (cached := _count(usage, name)) is not None:
                core["cached_tokens"] = cached
                kept["~cached"] = True
                break
    prompt, completion, total = (_count(usage, n) for n in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if prompt is not None and completion is not None and total is not None and total > prompt + completion:
        kept["~completion_tokens"] = completion
        completion = total - prompt
    return Usage(prompt, completion, total=total, **core, ext={NAME: kept} if kept else None)


def _count(holder: dict[str, Any], name: str) -> int | None:
    value = holder.get(name)
    return value if type(value) is int and value >= 0 else None


def _details(value: Any, names: dict[str, str], core: dict[str, Any], kept: dict[str, Any], where: str) -> None:
    if not is_object(value):
        return
    left: dict[str, Any] = {}
    for name, count in value.items():
        attribute = names.get(name)
        if attribute is not None and type(count) is int and count >= 0:
            core[attribute] = count
        elif count is not None:
            left[name] = count
    if left:
        kept[where] = left


def write_usage(usage: Usage) -> dict[str, Any]:
    """What is unknown is 0 where the official client needs a number, and left out elsewhere."""
    kept = own(usage.ext)
    out: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens or 0,
        "completion_tokens": kept.get("~completion_tokens", usage.output_tokens or 0),
        "total_tokens": usage.total_tokens or 0,
    }
    for name, value in kept.items():
        if not name.startswith("~") and name not in _KNOWN:
            out[name] = value
    for where, counted in (("prompt_tokens_details", _INPUT), ("completion_tokens_details", _OUTPUT)):
        details: dict[str, Any] = dict(kept.get(where, {}))
        for name, attribute in counted.items():
            value = getattr(usage, attribute)
            if value is not None and not (name == "cached_tokens" and "~cached" in kept):
                details[name] = value
        if details:
            out[where] = details
    return out
