"""The list of models, both ways (https://docs.cohere.com/reference/list-models)."""

from typing import Any

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.response import ModelInfo
from tsuji.wire.openai.fields import is_list, rest
from tsuji.wire.openai.guard import guarded_response
from tsuji.wire.passthrough import encode

from .errors import decode_answer
from .fields import Fields, count_of, ext, objects_in, own, text_of

MODELS_PATH = "/v1/models?page_size=1000"
"""As many as one page holds."""


@guarded_response
def parse_models(body: bytes) -> list[ModelInfo]:
    """Raises UpstreamProtocolError, or the error that the body holds."""
    rows: Any = decode_answer(body).get("models")
    if not is_list(rows):
        raise UpstreamProtocolError("the provider's answer is no list of models")
    return [
        ModelInfo(row["name"], context=count_of(row.get("context_length")), ext=ext(rest(row, ("name",))))
        for row in objects_in(rows)
        if text_of(row.get("name"))
    ]


def render_models(models: list[ModelInfo]) -> bytes:
    return encode({"models": [_row(model) for model in models]})


def _row(model: ModelInfo) -> Fields:
    row: Fields = {"name": model.id}
    if model.context is not None:
        row["context_length"] = model.context
    return {**row, **own(model.ext)}
