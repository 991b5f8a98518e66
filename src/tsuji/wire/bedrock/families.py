"""Which maker's model an id names, and what that maker's models take through Converse.

An id is a model's ("anthropic.claude-sonnet-4-5-20250929-v1:0"), an inference profile's ("us.amazon.nova-2-lite-v1:0")
or an ARN. Where it names no maker (an application inference profile), only what all models take is said. Sources:
https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html,
.../prompt-caching.html, .../structured-output.html, .../model-parameters.html.
"""

from functools import lru_cache

import msgspec

from ..anthropic.claude import thinks

_WORDS = (
    ("claude", "claude"),
    ("anthropic", "claude"),
    ("titan", "titan"),
    ("nova", "nova"),
    ("gpt-oss", "gpt-oss"),
    ("openai.", "openai"),
    ("qwen", "qwen"),
    ("cohere", "cohere"),
    ("mistral", "mistral"),
    ("pixtral", "mistral"),
    ("llama", "llama"),
)
_UNSTRICT = frozenset(("nova", "titan", "cohere", "llama"))
_TOP_K = {"claude": "top_k", "mistral": "top_k", "nova": "topK", "cohere": "k"}


class Family(msgspec.Struct, frozen=True):
    """name: "claude", "nova" ...; "" is none known.

    caches: takes cache points; caches_tools: among its tools as well. strict: keeps to a tool's schema if it is asked
    to. status: takes the status of a tool result. top_k: the name of that parameter.
    """

    name: str = ""
    caches: bool = False
    caches_tools: bool = False
    strict: bool = True
    status: bool = False
    top_k: str | None = None


@lru_cache(maxsize=256)
def family(model: str) -> Family:
    lower = model.lower()
    name = next((name for word, name in _WORDS if word in lower), "")
    claude = name == "claude"
    return Family(
        name=name,
        caches=claude or name == "nova",
        caches_tools=claude,
        strict=_keeps_to_schemas(model) if claude else name not in _UNSTRICT,
        status=claude or name == "nova",
        top_k=_TOP_K.get(name),
    )


def _keeps_to_schemas(model: str) -> bool:
    """Claude from 4.5 on: those before it took a budget to think, or nothing."""
    return thinks(model).adaptive or any(mark in model for mark in ("-4-5", "-4.5"))
