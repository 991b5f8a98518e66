"""The list of models (https://platform.claude.com/docs/en/api/models/list). One page holds up to a thousand."""

from typing import Any

from tsuji.core.errors import UpstreamProtocolError
from tsuji.core.response import ModelInfo

from ..passthrough import encode
from .blocks_out import own, without_spellings
from .fields import Object, Wrong, as_list, as_object, as_string, count_or_none, each, ext_of, rest, text_or_none
from .response_in import decode_answer

PATH = "/v1/models?limit=1000"

_KNOWN = frozenset(("type", "id", "display_name", "created_at", "max_input_tokens", "max_tokens"))
_UNKNOWN_DATE = "1970-01-01T00:00:00Z"
"""What the API itself writes where it does not know a release date."""


def parse_models(body: bytes) -> list[ModelInfo]:
    fields = decode_answer(body)
    try:
        return each(as_list(fields.get("data"), "data"), _model)
    except Wrong as wrong:
        raise UpstreamProtocolError(
            f"in the provider's list of models '{wrong.path}' must be {wrong.expected}"
        ) from None


def _model(value: Any) -> ModelInfo:
    fields = as_object(value)
    return ModelInfo(
        id=as_string(fields.get("id"), "id"),
        created=_seconds(fields.get("created_at")),
        display_name=text_or_none(fields.get("display_name")),
        context=count_or_none(fields.get("max_input_tokens")),
        max_output=count_or_none(fields.get("max_tokens")),
        ext=ext_of(rest(fields, _KNOWN)),
    )


def _seconds(value: Any) -> int | None:
    """Unix seconds of an RFC 3339 time; the epoch stands for "unknown"."""
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(value).timestamp()) or None
    except (TypeError, ValueError, OverflowError):
        return None


def _date(seconds: int | None) -> str:
    from datetime import UTC, datetime

    if seconds is None:
        return _UNKNOWN_DATE
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return _UNKNOWN_DATE


def render_models(models: list[ModelInfo]) -> bytes:
    data: list[Object] = []
    for model in models:
        row: Object = {
            "type": "model",
            "id": model.id,
            "display_name": model.display_name or model.id,
            "created_at": _date(model.created),
            # The client's type requires it, and a model that is listed can be called.
            "lifecycle": "active",
        }
        if model.context is not None:
            row["max_input_tokens"] = model.context
        if model.max_output is not None:
            row["max_tokens"] = model.max_output
        row.update(without_spellings(own(model.ext)))
        data.append(row)
    ends: Object = (
        {"first_id": models[0].id, "last_id": models[-1].id} if models else {"first_id": None, "last_id": None}
    )
    return encode({"data": data, "has_more": False, **ends})
