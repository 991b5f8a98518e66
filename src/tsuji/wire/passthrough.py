"""Bodies that stay in their dialect: decoded one level deep, everything below kept as the bytes that came."""

from collections.abc import Callable
from typing import Any

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.core.provider import Quirks

from .dialect import Dialect, Losses

Fields = dict[str, msgspec.Raw]


_decoder = msgspec.json.Decoder(Fields)
_tiers = msgspec.json.Decoder(msgspec.defstruct("Tiered", [("service_tier", str | None, None)]))
_strings = msgspec.json.Decoder(str)
_encoder = msgspec.json.Encoder()


def check_utf8(body: bytes) -> None:
    """What is decoded one level deep only has its texts passed on unread. Raises InvalidRequestError."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequestError(f"the body is not UTF-8, at byte {error.start}") from None


def decode_fields(body: bytes) -> Fields:
    """The top level of a JSON object. Raises InvalidRequestError, saying where the JSON is wrong."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(f"the body is not a JSON object: {error}") from None


def decode_body(body: bytes) -> dict[str, Any]:
    """A JSON object, whole. Raises InvalidRequestError, saying where the JSON is wrong."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidRequestError("the body must be a JSON object")
    return found  # pyright: ignore[reportUnknownVariableType]


def model_of(fields: Fields) -> str:
    """The `model` field. Raises InvalidRequestError where it is missing or no string."""
    raw = fields.get("model")
    try:
        model = _strings.decode(raw) if raw is not None else ""
    except msgspec.DecodeError:
        model = ""
    if not model:
        raise InvalidRequestError("'model' must be a non-empty string", param="model")
    return model


def check_spelling(fields: Fields, dialect: Dialect) -> None:
    """Raises InvalidRequestError for a field that is one of the dialect's but for its case.

    We, and JSON, take it for another field. Go's decoder, behind which providers stand, takes it for that one
    (https://pkg.go.dev/encoding/json#Unmarshal): "Model" would be asked for, and "model" have been allowed.
    """
    known, folded = _SPELLED.get(dialect.name) or _spell(dialect)
    if fields.keys() <= known:
        return
    for name in fields:
        if name not in known and (meant := folded.get(name.casefold())) is not None:
            raise InvalidRequestError(f"{name!r} is no field; write {meant!r}", param=name)


_SPELLED: dict[str, tuple[frozenset[str], dict[str, str]]] = {}
"""Of each dialect: its fields, and the same by how they are spelled without regard to case."""


def _spell(dialect: Dialect) -> tuple[frozenset[str], dict[str, str]]:
    known = dialect.fields | dialect.embedding_fields | {"model", "stream"}
    found = _SPELLED[dialect.name] = known, {name.casefold(): name for name in known}
    return found


def wants_stream(fields: Fields, otherwise: bool = False) -> bool:
    """otherwise: where the body does not say."""
    raw = fields.get("stream")
    if raw is None or bytes(raw) == b"null":
        return otherwise
    return bytes(raw) == b"true"


def read_tier(body: bytes) -> str | None:
    """The service tier that a request asks for or an answer tells, in the dialects that have the field."""
    try:
        tier: str | None = getattr(_tiers.decode(body), "service_tier", None)
    except msgspec.DecodeError:
        return None
    return tier


def quirky(
    fields: dict[str, Any], quirks: Quirks, losses: Losses, elsewhere: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """`fields` (one level of a body, values raw or not) as the provider takes them: dropped, renamed, defaulted.

    elsewhere: fields that only another operation has: their defaults are not sent here.
    A rename never overwrites a field that is there; a model that the path names is not in the body. Raises
    UnsupportedParameterError for a dropped field, unless losses.drop.
    """
    if not quirks.on_fields:
        return fields
    fields = dict(fields)
    if quirks.model_in_path:
        fields.pop("model", None)
    for name in quirks.drop:
        if name in fields:
            losses.refuse(name, "this provider does not take it")
            del fields[name]
    off = quirks.thinking_off
    if off and _word(fields.get("reasoning_effort")) == "none":
        del fields["reasoning_effort"]
        fields.setdefault(off, _EFFORTS[off]("none"))
    for name, target in quirks.rename.items():
        if name in fields and target not in fields:
            fields[target] = _reshaped(name, target, fields.pop(name))
    for name, value in quirks.defaults.items():
        if name not in elsewhere:
            fields.setdefault(name, value)
    return fields


def _reshaped(name: str, target: str, value: Any) -> Any:
    """The value under its new name. An effort changes its shape with its name; other values don't."""
    shape = _EFFORTS.get(target) if name == "reasoning_effort" else None
    word = None if shape is None else _word(value)
    return value if shape is None or word is None else shape(word)


def _word(value: Any) -> Any:
    """The string that a raw value is, None if it is none; a value that is not raw as it is."""
    try:
        return _strings.decode(value) if type(value) is msgspec.Raw else value
    except msgspec.DecodeError:
        return None


_EFFORTS: dict[str, Callable[[Any], Any]] = {
    "reasoning": lambda word: {"effort": word},
    "thinking": lambda word: {"type": "disabled" if word == "none" else "enabled"},
    "enable_thinking": lambda word: word != "none",
}


def encode(fields: dict[str, Any]) -> bytes:
    """Raises InvalidRequestError for what JSON cannot hold, such as half a surrogate pair."""
    try:
        return _encoder.encode(fields)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequestError(f"the request cannot be written as JSON: {error}") from None
