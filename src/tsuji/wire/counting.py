"""Counting a prompt's tokens before a call: what the endpoints for it have in common.

https://platform.claude.com/docs/en/api/messages-count-tokens, https://ai.google.dev/api/tokens,
https://platform.openai.com/docs/api-reference/responses/input-tokens: a request that is not to be answered, and one
number for an answer.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.request import ChatRequest

Fields = dict[str, msgspec.Raw]
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def with_model(fields: Fields, model: str) -> Fields:
    """The body, one level deep, for a model of that name."""
    return {**fields, "model": msgspec.Raw(msgspec.json.encode(model))}


class Counting(msgspec.Struct, frozen=True):
    """path: of the endpoint, below the base URL, for a model.

    parse: body, and the model that the path said -> the request whose prompt is to be counted. Raises
    InvalidRequestError. field: where the answer has the number; beside: what else is in it.
    readdress: the body, one level deep, for a model of that name.
    """

    path: Callable[[str], str]
    parse: Callable[[bytes, str | None], ChatRequest]
    field: str
    beside: dict[str, str] = {}
    readdress: Callable[[Fields, str], Fields] = with_model

    def read(self, body: bytes) -> int:
        """The number in an answer. Raises UpstreamProtocolError where there is none."""
        try:
            found: Any = _decode(body).get(self.field)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        if type(found) is not int or found < 0:
            raise UpstreamProtocolError(f"the provider's answer has no {self.field}, a number of tokens")
        return found

    def render(self, count: int) -> bytes:
        return msgspec.json.encode({self.field: count, **self.beside})
