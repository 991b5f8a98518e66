"""Answers to what means the same, as far as an embedding can tell.

Two requests are compared where all but the last user's text is the same: model, system prompt, tools, parameters and
the conversation before. Their last texts are alike from a cosine similarity on, and only if they have the same numbers
in them: embeddings see little between "12 * 7" and "12 * 8". What was asked is in each worker's memory; the answers are
in the route's store.
"""

import asyncio
import logging
import re
from collections import OrderedDict
from math import sqrt
from operator import mul
from typing import TYPE_CHECKING

import msgspec

from tsuji.core.errors import TsujiError

from .key import rest_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsuji.config import CacheRule, Config, SemanticRule
    from tsuji.gateway.driver import Driver

log = logging.getLogger("tsuji.cache")

MAX_TEXT = 1000
"""Letters. Embedding models read a few hundred words, and cut off the rest."""
SECONDS = 2.0
"""For one embedding."""
Vector = tuple[float, ...]
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class Question(msgspec.Struct, frozen=True):
    """rest: the key of all but the text. vector: of length 1. numbers: that are in the text."""

    rest: bytes
    vector: Vector
    numbers: tuple[str, ...]


class Meanings:
    """Questions that have been answered, at most `max_entries` a route. The least recently used go first."""

    def __init__(self, config: "Config", secret: bytes) -> None:
        from tsuji.client.aio import AsyncClient  # the library's own way to an embedding, wherever it is made

        self._client = AsyncClient(config)
        self._secret = secret
        self._known: dict[SemanticRule, OrderedDict[bytes, Question]] = {}
        self._failing = False

    async def close(self) -> None:
        await self._client.close()

    async def question(self, driver: "Driver", rule: "CacheRule") -> Question | None:
        """None for what has no meaning to compare, and where no embedding can be had, which is told once."""
        found = rest_key(self._secret, driver, rule) if driver.operation == "chat" else None
        if rule.semantic is None or found is None or len(found[1]) > MAX_TEXT:
            return None
        rest, text = found
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._client.embedding(rule.semantic.model, text)
            vector = unit(answer.data[0].embedding)
        except (TsujiError, TimeoutError, LookupError, TypeError, ValueError) as error:
            if not self._failing:
                self._failing = True
                why = str(error) or f"none within {SECONDS:g} s"
                log.warning("no embedding of %s: %s; its routes have no semantic cache", rule.semantic.model, why)
            return None
        self._failing = False
        return Question(rest, vector, numbers(text))

    def near(self, question: Question, rule: "SemanticRule") -> bytes | None:
        """The key of the answer to the nearest question, if it is near enough."""
        known = self._known.get(rule)
        best, found = rule.threshold, None
        for key, other in known.items() if known is not None else ():
            if other.rest == question.rest and other.numbers == question.numbers:
                likeness = similarity(other.vector, question.vector)
                if likeness >= best:
                    best, found = likeness, key
        if known is not None and found is not None:
            known.move_to_end(found)
        return found

    def learn(self, question: Question, key: bytes, rule: "SemanticRule") -> None:
        known = self._known.setdefault(rule, OrderedDict())
        known[key] = question
        known.move_to_end(key)
        if len(known) > rule.max_entries:
            known.popitem(last=False)


def unit(vector: "Sequence[float] | str") -> Vector:
    """As long as 1. Raises ValueError for what has no direction, TypeError for what is no list."""
    if isinstance(vector, str):
        raise TypeError("the embedding is no list of numbers")
    length = sqrt(sum([x * x for x in vector]))
    if not 0 < length < float("inf"):
        raise ValueError("the embedding has no direction")
    return tuple([x / length for x in vector])


def similarity(one: Vector, other: Vector) -> float:
    """The cosine of the angle between two vectors of length 1; 0 where they cannot be compared."""
    return sum(map(mul, one, other)) if len(one) == len(other) else 0.0


def numbers(text: str) -> tuple[str, ...]:
    return tuple(sorted(_NUMBER.findall(text)))
