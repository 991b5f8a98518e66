"""What a request needs of a target, as far as it can be told before anybody is asked."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from tsuji.core.parts import Audio, Document, Image, Message, Noun, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from tsuji.core.request import ChatRequest, EmbeddingRequest

Capability = Literal["tools", "images", "audio", "documents", "json_schema", "thinking"]
LETTERS_PER_TOKEN = 4
"""Bytes of UTF-8, in fact: about 4 of English, 3 of Japanese (a character), more of white space."""
_IMAGE = 800
"""Tokens, of one of middling size. Documents and recordings are not guessed: they count as nothing."""


class Needs(Noun, frozen=True):
    """tokens: of the prompt, an estimate; None where it is not known. output: tokens that the answer may have, as the
    request says.

    capabilities: that the request uses. require: tags and data policies ("no_training", "local_only") that a target
    must have, beyond the route's. user, session, conversation: whose request it is, for what is sticky; "" where it is
    not known. prefix: hash of how the prompt begins, for affinity; 0 where it is not known. prompt, task: for a learned
    policy, the user's last text and the kind of task that the caller names.
    """

    tokens: int | None = None
    output: int | None = None
    capabilities: frozenset[str] = frozenset()
    require: tuple[str, ...] = ()
    user: str = ""
    session: str = ""
    conversation: str = ""
    prefix: int = 0
    prompt: str = ""
    task: str = ""


NOTHING = Needs()


def capabilities_of(request: ChatRequest) -> frozenset[str]:
    """That a target must have so that the request means what it says."""
    found = {name for message in request.messages for part in message.content for name in _shown(part)}
    if request.tools:
        found.add("tools")
    if request.response_format is not None and request.response_format.kind == "json_schema":
        found.add("json_schema")
    thinking = request.reasoning
    if thinking is not None and thinking.effort != "none" and thinking.enabled is not False and thinking.budget != 0:
        asked = thinking.effort not in (None, "auto") or thinking.enabled or thinking.budget or thinking.adaptive
        if asked:
            found.add("thinking")
    return frozenset(found)


def _shown(part: Part) -> Iterable[str]:
    kind = type(part)
    if kind is Image:
        return ("images",)
    if kind is Audio:
        return ("audio",)
    if kind is Document:
        return ("documents",)
    if isinstance(part, ToolResult):
        return [name for inner in part.content for name in _shown(inner)]
    return ()


def tokens_of(request: ChatRequest | EmbeddingRequest) -> int:
    """An estimate, of the prompt, by the length of its texts and the number of its images."""
    if isinstance(request, EmbeddingRequest):
        return (
            sum([_letters(text) if isinstance(text, str) else LETTERS_PER_TOKEN * len(text) for text in request.inputs])
            // LETTERS_PER_TOKEN
        )
    count = sum([_size(part) for message in request.messages for part in message.content])
    if request.tools:
        count += len(msgspec.json.encode(request.tools))
    if request.response_format is not None and request.response_format.schema is not None:
        count += len(msgspec.json.encode(request.response_format.schema))
    return count // LETTERS_PER_TOKEN


def _letters(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _size(part: Part) -> int:
    """In letters."""
    if isinstance(part, Text | Thinking | Refusal):
        return _letters(part.text)
    if isinstance(part, ToolCall):
        return _letters(part.name) + _letters(part.arguments)
    if isinstance(part, ToolResult):
        return sum([_size(inner) for inner in part.content])
    if isinstance(part, Document):
        return _letters(part.source.text or "")
    return _IMAGE * LETTERS_PER_TOKEN if type(part) is Image else 0


def prompt_of(request: ChatRequest) -> str:
    """What a learned policy goes by: the texts of the last message of the user that has any."""
    for message in reversed(request.messages):
        if message.role == "user" and (texts := [part.text for part in message.content if type(part) is Text]):
            return "\n".join(texts)
    return ""


def beginning(request: ChatRequest) -> bytes:
    """What the turns of one conversation have in common: tools, which caches of prompts begin with, and all messages up
    to the first user's.
    """
    opening: list[Message] = []
    for message in request.messages:
        opening.append(message)
        if message.role == "user":
            break
    return msgspec.json.encode([request.tools, opening])
