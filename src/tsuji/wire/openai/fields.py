"""Names of the dialect's fields, and readers that check one JSON value and say where it is wrong.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Collection
from typing import Any, TypeGuard

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import CacheMark, Ext

NAME = "openai"


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FIELDS = names("""
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages
    metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
    prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier
    stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity
    web_search_options
    chat_template_kwargs enable_thinking min_p reasoning reasoning_split thinking top_k
    mirostat mirostat_eta mirostat_tau repeat_last_n repeat_penalty typical_p
    """)
"""Chat completions; extensions that several providers share; llama.cpp's own samplers."""

EMBEDDING_FIELDS = names("""
    dimensions encoding_format input model user
    embedding_type input_type late_chunking normalized output_dimension output_dtype task truncate truncation
    """)
"""Embeddings; extensions of Voyage, Jina, Mistral and NVIDIA."""

CHAT_ONLY, EMBEDDING_ONLY = FIELDS - EMBEDDING_FIELDS, EMBEDDING_FIELDS - FIELDS

TIERS = {"standard": "default", "standard_only": "default"}
"""Service tiers by other dialects' words -> OpenAI's."""


def wrong(param: str, expected: str) -> InvalidRequestError:
    return InvalidRequestError(f"{param!r} must be {expected}", param=param)


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


def is_list(value: Any) -> TypeGuard[list[Any]]:
    return type(value) is list


def as_text(value: Any, param: str) -> str:
    if type(value) is not str:
        raise wrong(param, "a string")
    return value


def as_number(value: Any, param: str) -> float:
    if type(value) is float or type(value) is int:
        return value
    raise wrong(param, "a number")


def as_integer(value: Any, param: str) -> int:
    if type(value) is int and -(1 << 63) <= value < 1 << 63:
        return value
    raise wrong(param, "an integer")


def as_flag(value: Any, param: str) -> bool:
    if type(value) is not bool:
        raise wrong(param, "true or false")
    return value


def as_object(value: Any, param: str) -> dict[str, Any]:
    if not is_object(value):
        raise wrong(param, "an object")
    return value


def as_list(value: Any, param: str) -> list[Any]:
    if not is_list(value):
        raise wrong(param, "a list")
    return value


def rest(value: dict[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The fields of `value` that are not `known`; null counts as absent."""
    return {k: v for k, v in value.items() if k not in known and v is not None}


def ext(fields: dict[str, Any] | None) -> Ext | None:
    return {NAME: fields} if fields else None


MARKS = ("cache_control", "prompt_cache_breakpoint")
_TTLS = ("5m", "1h")


def take_mark(left: dict[str, Any]) -> CacheMark | None:
    """Takes a cache mark out of `left`, and leaves its spelling under "~cache".

    `cache_control` as OpenRouter passes it on (https://openrouter.ai/docs/features/prompt-caching);
    `prompt_cache_breakpoint` is OpenAI's own, whose lifetimes others don't have.
    """
    for name in MARKS:
        mark = left.pop(name, None)
        if mark is not None:
            left["~cache"] = {name: mark}
            ttl = mark.get("ttl") if is_object(mark) else None
            return CacheMark(ttl=ttl if ttl in _TTLS else None)
    return None


def own(fields: Ext | None) -> dict[str, Any]:
    """What this dialect remembered in an ext; treat it as read-only."""
    return fields.get(NAME, _NOTHING) if fields else _NOTHING


_NOTHING: dict[str, Any] = {}
