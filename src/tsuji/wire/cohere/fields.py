"""Names of the dialect's fields, and what it remembers in an ext.

Sources: https://docs.cohere.com/reference/chat, https://docs.cohere.com/reference/embed
"""

from typing import Any

from tsuji.core.parts import Ext
from tsuji.wire.openai.fields import is_list, is_object, names

NAME = "cohere"
Fields = dict[str, Any]

FIELDS = names("""
    citation_options documents frequency_penalty k logprobs max_tokens messages model p presence_penalty priority
    raw_prompting response_format safety_mode seed stop_sequences stream strict_tools temperature thinking tool_choice
    tools
    """)
EMBEDDING_FIELDS = names("""
    embedding_types images input_type inputs max_tokens model output_dimension priority texts truncate
    """)

NAMES = {
    "max_completion_tokens": "max_tokens",
    "top_p": "p",
    "top_k": "k",
    "stop": "stop_sequences",
    "reasoning": "thinking",
    "reasoning_effort": "thinking",
}
"""See Dialect.names."""

CHAT_ONLY, EMBEDDING_ONLY = FIELDS - EMBEDDING_FIELDS, EMBEDDING_FIELDS - FIELDS

_NOTHING: Fields = {}


def ext(fields: Fields | None) -> Ext | None:
    return {NAME: fields} if fields else None


def own(fields: Ext | None) -> Fields:
    """What this dialect remembered in an ext, spellings included; treat it as read-only."""
    return fields.get(NAME, _NOTHING) if fields else _NOTHING


def plain(fields: Ext | None) -> Fields:
    """The same without spellings."""
    return {k: v for k, v in own(fields).items() if k[:1] != "~"}


def objects_in(value: Any) -> list[Fields]:
    """The objects of a list; none where it is no list."""
    return [item for item in value if is_object(item)] if is_list(value) else []


def object_in(value: Any, *path: str) -> Fields:
    """The object at the end of `path`; an empty one where there is none."""
    for name in path:
        value = value.get(name) if is_object(value) else None
    return value if is_object(value) else {}


def text_of(value: Any) -> str:
    """For what may be missing."""
    return value if type(value) is str else ""


def count_of(value: Any) -> int | None:
    """A count; the API's types say that it is a float. None for what is none."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None
