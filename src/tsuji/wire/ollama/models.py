"""The list of models, both ways (https://docs.ollama.com/api/tags)."""

from typing import Final

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.response import ModelInfo

from .fields import Object, Wrong, a_list, a_name, an_object, plain, rest, text_of, to_ext
from .response_in import decode_answer
from .response_out import encode_answer
from .times import seconds_of, written

MODELS_PATH: Final = "/api/tags"
_KNOWN: Final = frozenset(("name", "model", "modified_at"))
_DETAILS: Final[Object] = {"format": "", "family": "", "families": None, "parameter_size": "", "quantization_level": ""}
"""What Ollama itself says of a model that runs elsewhere."""


def parse_models(body: bytes) -> list[ModelInfo]:
    """Raises UpstreamProtocolError, or the error that the body holds."""
    answer = decode_answer(body)
    try:
        return [_model(an_object(m, f"models[{i}]"), i) for i, m in enumerate(a_list(answer.get("models"), "models"))]
    except Wrong as wrong:
        raise UpstreamProtocolError(f"in the provider's answer {wrong.path!r} must be {wrong.expected}") from None


def _model(model: Object, index: int) -> ModelInfo:
    name = a_name(model.get("model") or model.get("name"), f"models[{index}].model")
    label = text_of(model.get("name"))
    return ModelInfo(
        id=name,
        created=seconds_of(model.get("modified_at")),
        display_name=label if label != name else None,
        ext=to_ext(rest(model, _KNOWN)),
    )


def render_models(models: list[ModelInfo]) -> bytes:
    return encode_answer({"models": [_row(model) for model in models]})


def _row(model: ModelInfo) -> Object:
    row: Object = {"name": model.id, "model": model.id, "digest": "", "details": _DETAILS}
    made = None if model.created is None else written(model.created)
    if made is not None:
        row["modified_at"] = made
    row.update(plain(model.ext))
    return row
