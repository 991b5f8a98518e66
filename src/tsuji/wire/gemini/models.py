"""The list of models, both ways (https://ai.google.dev/api/models)."""

from typing import Any, Final

import msgspec

from tsuji.core.response import ModelInfo

from .fields import Malformed, a_list, a_string, an_object, own, place, to_ext
from .response_in import decode_json, protocol_error

MODELS_PATH = "/v1beta/models?pageSize=1000"
"""A thousand is the most that one page holds."""

_KNOWN: Final = frozenset(("name", "displayName", "inputTokenLimit", "outputTokenLimit"))
_METHODS: Final = ["generateContent", "streamGenerateContent"]


def parse_models(body: bytes) -> list[ModelInfo]:
    """Raises UpstreamProtocolError, or the error that the body holds."""
    answer = decode_json(body)
    try:
        return [_model(m, f"models[{i}]") for i, m in enumerate(a_list(answer.get("models", []), "models"))]
    except Malformed as error:
        raise protocol_error(error, answer) from None


def _model(value: Any, path: str) -> ModelInfo:
    model = an_object(value, path)
    return ModelInfo(
        id=a_string(model.get("name"), path + ".name").removeprefix("models/"),
        display_name=_if(model.get("displayName"), str),
        context=_if(model.get("inputTokenLimit"), int),
        max_output=_if(model.get("outputTokenLimit"), int),
        ext=to_ext({k: v for k, v in model.items() if k not in _KNOWN and v is not None}),
    )


def _if(value: Any, kind: type) -> Any:
    return value if value.__class__ is kind else None


def render_models(models: list[ModelInfo]) -> bytes:
    return msgspec.json.encode({"models": [_render(model) for model in models]})


def _render(model: ModelInfo) -> dict[str, Any]:
    out: dict[str, Any] = {
        "name": model.id if model.id.startswith("tunedModels/") else "models/" + model.id,
        "displayName": model.display_name or model.id,
        "supportedGenerationMethods": _METHODS,
    }
    if model.context is not None:
        out["inputTokenLimit"] = model.context
    if model.max_output is not None:
        out["outputTokenLimit"] = model.max_output
    place(out, own(model.ext))
    return out
