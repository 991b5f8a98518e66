"""Log-probabilities, both ways: a piece of text, and the ids and log-probabilities of the tokens that it is made of.

Core has one entry per piece: of several tokens, the log-probability of the piece is their sum.
"""

from typing import Any

from tsuji.core.response import TokenLogprob
from tsuji.wire.openai.fields import is_list, is_object

from .fields import NAME, Fields, objects_in, own, text_of


def read_logprobs(value: Any) -> tuple[TokenLogprob, ...]:
    """A list of pieces, or (in a stream) one. What says no log-probability is left out."""
    found: list[TokenLogprob] = []
    for item in [value] if is_object(value) else objects_in(value):
        numbers: Any = item.get("logprobs")
        if is_list(numbers) and all(type(n) is float or type(n) is int for n in numbers):
            found.append(TokenLogprob(text_of(item.get("text")), float(sum(numbers)), ext={NAME: item}))
    return tuple(found)


def write_logprobs(entries: tuple[TokenLogprob, ...]) -> list[Fields]:
    """Other dialects don't tell a token's id."""
    return [own(e.ext) or {"text": e.token, "token_ids": [], "logprobs": [e.logprob]} for e in entries]
