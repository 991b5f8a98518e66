"""Answers to what means the same, as far as an embedding can tell.

Two requests are compared where all but the last user's text is the same: model, system prompt, tools, parameters and
the conversation before. Their last texts are alike from a cosine similarity on, unless their numbers differ or they
have the same words in another order: embeddings see little between "12 * 7" and "12 * 8", or "dollars to euros" and
"euros to dollars". What was asked is in each worker's memory; the answers are in the route's store.
"""

import asyncio
import logging
import re
from collections import OrderedDict
from math import sqrt
from operator import mul
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji.core.errors import TsujiError

from .key import rest_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsuji.config import CacheRule, Config, SemanticRule
    from tsuji.gateway.driver import Driver

try:
    import numpy as _numpy  # pyright: ignore[reportMissingImports]

    numpy: Any = _numpy
except ImportError:
    numpy = None

log = logging.getLogger("tsuji.cache")

MAX_TEXT = 1000
"""Letters. Embedding models read a few hundred words, and cut off the rest."""
SECONDS = 2.0
"""For one embedding."""
MAX_COMPARED = 100
"""Questions, where there is no numpy: the loop waits for every one of them."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"\w+")


class Question(msgspec.Struct, frozen=True):
    """rest: the key of all but the text. vector: see `unit`. numbers, words: that are in the text."""

    rest: bytes
    vector: Any
    numbers: tuple[str, ...]
    words: tuple[str, ...]


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
        return asked(rest, text, vector)

    def near(self, question: Question, rule: "SemanticRule") -> bytes | None:
        """The key of the answer to the nearest question, if it is near enough."""
        known = self._known.get(rule)
        if known is None:
            return None
        best, found, left = rule.threshold, None, rule.max_entries if numpy is not None else MAX_COMPARED
        for key, other in reversed(known.items()):
            if other.rest != question.rest or not may_mean_the_same(question, other):
                continue
            likeness = similarity(other.vector, question.vector)
            if likeness >= best:
                best, found = likeness, key
            left -= 1
            if not left:
                break
        if found is not None:
            known.move_to_end(found)
        return found

    def learn(self, question: Question, key: bytes, rule: "SemanticRule") -> None:
        known = self._known.setdefault(rule, OrderedDict())
        known[key] = question
        known.move_to_end(key)
        if len(known) > rule.max_entries:
            known.popitem(last=False)


def unit(vector: "Sequence[float] | str") -> Any:
    """As long as 1. Raises ValueError for what has no direction, TypeError for what is no list of numbers."""
    if isinstance(vector, str):
        raise TypeError("the embedding is no list of numbers")
    length = sqrt(sum([x * x for x in vector]))
    if not 0 < length < float("inf"):
        raise ValueError("the embedding has no direction")
    made = [x / length for x in vector]
    return tuple(made) if numpy is None else numpy.array(made, "float32")


def similarity(one: Any, other: Any) -> float:
    """The cosine of the angle between two vectors of `unit`; 0 where they cannot be compared."""
    if len(one) != len(other):
        return 0.0
    return sum(map(mul, one, other)) if numpy is None else float(one @ other)


def may_mean_the_same(one: Question, other: Question) -> bool:
    """Beside what their vectors say: the same numbers, and not the same words in another order."""
    return one.numbers == other.numbers and (one.words == other.words or sorted(one.words) != sorted(other.words))


def asked(rest: bytes, text: str, vector: Any) -> Question:
    """vector: of `unit`."""
    lower = text.lower()
    return Question(rest, vector, tuple(sorted(_NUMBER.findall(lower))), tuple(_WORD.findall(lower)))
