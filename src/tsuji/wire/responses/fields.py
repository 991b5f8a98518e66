"""Names of the dialect's fields, and what it remembers in an ext.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from typing import Any

from tsuji.core.parts import Ext
from tsuji.wire.openai.fields import names

NAME = "responses"
Fields = dict[str, Any]

FIELDS = names("""
    background context_management conversation include input instructions max_output_tokens max_tool_calls metadata
    model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options temperature text
    tool_choice tools top_logprobs top_p truncation user
    frequency_penalty min_p presence_penalty seed stop top_k
    """)
"""Responses; then what some providers take beside it."""
NAMES = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "logprobs": "include",
}
"""See Dialect.names."""

TIERS = frozenset(("auto", "default", "flex", "scale", "priority", "fast", "ultrafast"))
ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"

_NOTHING: Fields = {}


def ext(fields: Fields | None) -> Ext | None:
    return {NAME: fields} if fields else None


def own(fields: Ext | None) -> Fields:
    """What this dialect remembered in an ext; treat it as read-only."""
    return fields.get(NAME, _NOTHING) if fields else _NOTHING
