"""Lists of models, both ways. Source: https://platform.openai.com/docs/api-reference/models/list

Context and output limits by the names that OpenRouter, Groq, Mistral, vLLM and Together give them.
"""

from typing import Any

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.response import ModelInfo
from tsuji.wire.passthrough import encode

from .errors import body_error, decode_answer
from .fields import ext, is_list, is_object, own, rest
from .guard import guarded_response

_KNOWN = frozenset(("id", "object", "created", "owned_by"))
_CONTEXT = ("context_length", "context_window", "max_context_length", "max_model_len")
_OUTPUT = ("max_completion_tokens", "max_output_tokens")


@guarded_response
def parse_models(body: bytes) -> list[ModelInfo]:
    """`{"data": [...]}`, or the bare list that Together sends. Raises UpstreamProtocolError."""
    if body.lstrip()[:1] == b"[":
        body = b'{"data":' + body + b"}"
    answer = decode_answer(body)
    data: Any = answer.get("data")
    if not is_list(data):
        raise body_error(answer) or UpstreamProtocolError("the provider's answer is no list of models", body=answer)
    return [_model(row) for row in data if is_object(row) and type(row.get("id")) is str]


def _model(row: dict[str, Any]) -> ModelInfo:
    created, owner = row.get("created"), row.get("owned_by")
    name = row.get("display_name") or row.get("name")
    top: Any = row.get("top_provider")
    return ModelInfo(
        row["id"],
        int(created) if type(created) is int or type(created) is float else None,
        owner if type(owner) is str else None,
        name if type(name) is str else None,
        _first(row, _CONTEXT),
        _first(row, _OUTPUT) or (_first(top, _OUTPUT) if is_object(top) else None),
        ext(rest(row, _KNOWN)),
    )


def _first(row: dict[str, Any], names: tuple[str, ...]) -> int | None:
    return next((v for name in names if type(v := row.get(name)) is int), None)


def render_models(models: list[ModelInfo]) -> bytes:
    return encode(write_models(models))


def write_models(models: list[ModelInfo]) -> dict[str, Any]:
    """The body of the list, before it is JSON."""
    return {"object": "list", "data": [_row(model) for model in models]}


def _row(model: ModelInfo) -> dict[str, Any]:
    """created 0 and an empty owner where they are unknown, for the official client needs both."""
    row: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": model.created or 0,
        "owned_by": model.owned_by or "",
    }
    kept = own(model.ext)
    if kept:
        row.update(kept)
        return row
    for name, value in (
        ("display_name", model.display_name),
        ("context_window", model.context),
        ("max_completion_tokens", model.max_output),
    ):
        if value is not None:
            row[name] = value
    return row
