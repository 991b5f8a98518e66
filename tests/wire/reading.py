"""What an answer says: the form in which a reading of the raw JSON and what was parsed are compared.

Each dialect has a reader beside this file (read_openai.py ...) that shares no code with ours: it gives what the raw
answer says in this form, and `heard` gives what we made of it.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from tsuji.core.parts import Citation, Image, Opaque, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice


class Said(NamedTuple):
    """One choice. All texts are joined; the rest is in order.

    calls: (id, name, arguments). proofs: signatures and encrypted reasoning. cited: citations in the dialect's own
    form, (URL, title) where it has none of its own. images: their data or URL. others: parts that only the dialect
    understands, verbatim. reason: in the provider's words; stop: in core's.
    """

    text: str = ""
    refusal: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, str, Any], ...] = ()
    proofs: tuple[str, ...] = ()
    cited: tuple[Any, ...] = ()
    images: tuple[str, ...] = ()
    others: tuple[Any, ...] = ()
    reason: str | None = None
    stop: str | None = None


class Counts(NamedTuple):
    """Tokens; None where the provider does not say. input: the whole prompt. output: reasoning included."""

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cached: int | None = None
    written: int | None = None
    reasoning: int | None = None


class Answer(NamedTuple):
    """A whole answer, or `error`: the message of an error inside a stream."""

    choices: tuple[Said, ...] = ()
    counts: Counts | None = None
    id: str = ""
    model: str = ""
    error: str | None = None


def value(arguments: Any) -> Any:
    """Arguments as JSON; what is no JSON text as it is."""
    try:
        return json.loads(arguments)
    except (ValueError, TypeError):
        return arguments


def joined(pieces: Iterable[Any]) -> str:
    return "".join([p for p in pieces if isinstance(p, str)])


def heard(response: ChatResponse, dialect: str) -> Answer:
    """What we made of it."""
    usage = response.usage
    counts = usage and Counts(
        usage.input_tokens,
        usage.output_tokens,
        usage.total,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
    return Answer(tuple([_heard(c, dialect) for c in response.choices]), counts, response.id, response.model)


def _heard(choice: Choice, dialect: str) -> Said:
    parts = choice.content
    proofs: list[str | None] = []
    for part in parts:
        if isinstance(part, (Thinking, Text, ToolCall, Image)):
            proofs.append(part.signature)
        if isinstance(part, Thinking):
            proofs.append(part.redacted)
    return Said(
        choice.text,
        choice.refusal or "",
        choice.thinking,
        tuple([(c.id, c.name, value(c.arguments)) for c in choice.tool_calls]),
        tuple([p for p in proofs if p]),
        tuple([_cited(c, dialect) for p in parts if isinstance(p, Text) for c in p.citations]),
        tuple([p.source.data or p.source.url or "" for p in parts if isinstance(p, Image)]),
        tuple([p.data for p in parts if isinstance(p, Opaque)]),
        choice.stop_raw,
        choice.stop,
    )


def _cited(citation: Citation, dialect: str) -> Any:
    return (citation.ext or {}).get(dialect) or (citation.url, citation.title)


def events(body: str) -> list[dict[str, Any]]:
    """The JSON of a stream of server-sent events, each with its data on one line."""
    lines = [line[5:].strip() for line in body.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


_FREE = frozenset(("parameters", "input_schema", "schema", "arguments", "input", "args", "metadata"))
"""Fields whose JSON is the caller's own: a null there is a value."""


def without_null(body: Any) -> Any:
    """Fields that are null are absent, in every dialect's API; not inside JSON that is the caller's own."""
    if isinstance(body, dict):
        own = {k: v for k, v in body.items() if v is not None}
        return {k: v if k in _FREE and isinstance(v, dict) else without_null(v) for k, v in own.items()}
    return [without_null(v) for v in body] if isinstance(body, list) else body
