"""The OpenAPI-flavoured schema of `parameters` and `responseSchema` as JSON Schema.

https://ai.google.dev/api/caching#Schema: types in capitals, `nullable`, 64-bit numbers as strings, `propertyOrdering`.
"""

from collections.abc import Callable
from typing import Any

from .fields import an_object

_RENAMED = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "additional_properties": "additionalProperties",
    "property_ordering": "propertyOrdering",
    "defs": "$defs",
    "ref": "$ref",
}
_COUNTS = frozenset(["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"])


def json_schema(value: Any, path: str) -> dict[str, Any]:
    """`value` as JSON Schema. Raises Malformed where it is no object."""
    source = an_object(value, path)
    out: dict[str, Any] = {}
    for key, item in source.items():
        name = _RENAMED.get(key, key)
        if name == "nullable" or name == "propertyOrdering":
            continue
        convert = _CONVERT.get(name)
        out[name] = convert(item, f"{path}.{key}") if convert and item is not None else item
        if name in _COUNTS:
            out[name] = _count(item)
    if source.get("nullable") is True and out.get("type").__class__ is str:
        out["type"] = [out["type"], "null"]
    return out


def _count(value: Any) -> Any:
    return int(value) if value.__class__ is str and value.isascii() and value.isdecimal() and len(value) < 19 else value


def _type(value: Any, path: str) -> Any:
    return value.lower() if value.__class__ is str else value


def _schema(value: Any, path: str) -> Any:
    return json_schema(value, path) if value.__class__ is dict else value


def _schemas(value: Any, path: str) -> Any:
    if value.__class__ is list:
        return [_schema(item, f"{path}[{i}]") for i, item in enumerate(value)]
    return value


def _properties(value: Any, path: str) -> Any:
    if value.__class__ is dict:
        return {name: _schema(item, f"{path}.{name}") for name, item in value.items()}
    return value


_CONVERT: dict[str, Callable[[Any, str], Any]] = {
    "type": _type,
    "items": _schema,
    "anyOf": _schemas,
    "properties": _properties,
    "additionalProperties": _schema,
    "$defs": _properties,
}
