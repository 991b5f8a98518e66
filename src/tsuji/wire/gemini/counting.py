"""POST models/{model}:countTokens (https://ai.google.dev/api/tokens).

The prompt is the body's `contents`, or all of a `generateContentRequest`, which names the model once more. Vertex AI
has the rest of the request beside its contents.
"""

from typing import Final

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.core.request import ChatRequest
from tsuji.wire.counting import Counting, with_model
from tsuji.wire.passthrough import Fields, decode_fields, encode

from .request_in import parse_request
from .request_out import model_path

_NESTED: Final = ("generateContentRequest", "generate_content_request")


def _path(model: str) -> str:
    return model_path(model) + ":countTokens"


def _parse(body: bytes, model: str | None) -> ChatRequest:
    nested = _nested(decode_fields(body))
    return parse_request(encode(nested[1]) if nested is not None else body, model, False)


def _readdress(fields: Fields, model: str) -> Fields:
    nested = _nested(fields)
    if nested is None:
        return fields
    name, request = nested
    whole = model if "/" in model else "models/" + model
    return {**fields, name: msgspec.Raw(encode(with_model(request, whole)))}


def _nested(fields: Fields) -> tuple[str, Fields] | None:
    """The whole request to count, one level deep, and what it is called; None where the contents stand at the top."""
    for name in _NESTED:
        if name in fields:
            try:
                return name, decode_fields(bytes(fields[name]))
            except InvalidRequestError:
                raise InvalidRequestError(f"{name!r} must be an object", param=name) from None
    return None


COUNTING: Final = Counting(_path, _parse, "totalTokens", readdress=_readdress)
