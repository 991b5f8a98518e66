"""Typed reading of decoded JSON, and the names this dialect gives to things."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import CacheMark, Ext

NAME = "anthropic"
Object = dict[str, Any]
Value = TypeVar("Value")

FIELDS = frozenset(
    (
        "model",
        "messages",
        "max_tokens",
        "system",
        "stop_sequences",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "metadata",
        "service_tier",
        "cache_control",
        "container",
        "context_management",
        "mcp_servers",
        "inference_geo",
        "speed",
        "diagnostics",
        "user_profile_id",
        "compaction",
        "billing_policy",
        "fallbacks",
        "fallback_credit_token",
        "thread",
        "anthropic_version",
    )
)
"""The request's top level, beta fields included (https://platform.claude.com/docs/en/api/messages).

anthropic_version: where others host Claude, the version is in the body and not in a header
(https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude).
"""
NAMES = {
    "max_completion_tokens": "max_tokens",
    "stop": "stop_sequences",
    "response_format": "output_config.format",
    "reasoning": "thinking",
    "reasoning_effort": "output_config.effort",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "user": "metadata.user_id",
}
"""See Dialect.names."""


UNEXPECTED = (TypeError, ValueError, RecursionError, msgspec.MsgspecError)
"""What a hostile body can still provoke behind the checks: endless depth, strings that cannot be written."""


class Wrong(Exception):
    """A value that the dialect does not allow. path: where it is, within what has been left so far."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(path, expected)
        self.path = path
        self.expected = expected

    def under(self, outer: str) -> "Wrong":
        """The same, seen from one level further out."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return Wrong(outer + joint + self.path, self.expected)

    def as_request_error(self) -> InvalidRequestError:
        return InvalidRequestError(f"'{self.path}' must be {self.expected}", param=self.path)


def as_object(value: Any, path: str = "") -> Object:
    if type(value) is dict:
        return cast(Object, value)
    raise Wrong(path, "an object")


def as_list(value: Any, path: str = "") -> list[Any]:
    if type(value) is list:
        return cast(list[Any], value)
    raise Wrong(path, "a list")


def as_string(value: Any, path: str = "") -> str:
    if type(value) is str:
        return value
    raise Wrong(path, "a string")


def as_bool(value: Any, path: str = "") -> bool:
    if type(value) is bool:
        return value
    raise Wrong(path, "true or false")


def as_int(value: Any, path: str = "") -> int:
    if type(value) is int:
        return value
    raise Wrong(path, "an integer")


def as_number(value: Any, path: str = "") -> float:
    if type(value) is float or type(value) is int:
        return cast(float, value)
    raise Wrong(path, "a number")


def object_or_empty(value: Any) -> Object:
    """For fields where a provider's mistake is no reason to fail."""
    return cast(Object, value) if type(value) is dict else {}


def text_or_none(value: Any) -> str | None:
    """Likewise."""
    return value if type(value) is str else None


def count_or_none(value: Any) -> int | None:
    """Likewise."""
    return value if type(value) is int and value >= 0 else None


def each(items: list[Any], read: Callable[[Any], Value]) -> list[Value]:
    out: list[Value] = []
    for index, item in enumerate(items):
        try:
            out.append(read(item))
        except Wrong as wrong:
            raise wrong.under(f"[{index}]") from None
    return out


def within(name: str, read: Callable[[Any], Value], value: Any) -> Value:
    try:
        return read(value)
    except Wrong as wrong:
        raise wrong.under(name) from None


def rest(fields: Object, known: frozenset[str]) -> Object:
    """The fields that are not `known` and not null."""
    if fields.keys() <= known:
        return {}
    return {k: v for k, v in fields.items() if k not in known and v is not None}


def ext_of(fields: Object) -> Ext | None:
    return {NAME: fields} if fields else None


def parse_cache(fields: Object, extra: Object) -> CacheMark | None:
    """The mark in `cache_control`; a form core has no noun for goes to `extra` as it is."""
    raw = fields.get("cache_control")
    if raw is None:
        return None
    mark = as_object(raw, "cache_control")
    kind, ttl = mark.get("type"), mark.get("ttl")
    if type(kind) is str and (ttl is None or type(ttl) is str) and mark.keys() <= {"type", "ttl"}:
        return CacheMark(kind=kind, ttl=ttl)
    extra["cache_control"] = mark
    return None


def render_cache(mark: CacheMark) -> Object:
    return {"type": mark.kind} if mark.ttl is None else {"type": mark.kind, "ttl": mark.ttl}


def json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
