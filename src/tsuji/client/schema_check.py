"""Whether a JSON value fits a JSON schema, for the part of JSON schema that providers' structured outputs know.

https://json-schema.org/draft/2020-12/json-schema-validation. Keywords that are not here (format, if, not ...) are not
checked.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "null": (type(None),),
}
_MAX_DEPTH = 100


def check(value: Any, schema: Schema) -> None:
    """Raises ValueError, which says where the value is wrong and what it should be."""
    _check(value, schema, schema, "$", 0)


def _check(value: Any, schema: Any, root: Schema, path: str, depth: int) -> None:
    if schema is False:
        raise ValueError(f"{path} should not be there")
    if not isinstance(schema, Mapping):
        return
    if depth > _MAX_DEPTH:
        raise ValueError(f"{path}: the schema refers to itself without end, or the value is nested too deeply")
    rules = cast("Schema", schema)
    if "type" in rules and not _is_of(value, rules["type"]):
        raise ValueError(f"{path} should be of type {rules['type']}")
    if "enum" in rules and value not in rules["enum"]:
        raise ValueError(f"{path} should be one of {rules['enum']}")
    if "const" in rules and value != rules["const"]:
        raise ValueError(f"{path} should be {rules['const']!r}")
    _limits(value, rules, path)
    for inner in _all_of(rules, root):
        _check(value, inner, root, path, depth + 1)
    for name in ("anyOf", "oneOf"):
        if name in rules and not any(_fits(value, inner, root, path, depth) for inner in rules[name]):
            raise ValueError(f"{path} fits none of {name}")
    if isinstance(value, dict):
        _members(cast("dict[str, Any]", value), rules, root, path, depth)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            _check(item, rules.get("items", True), root, f"{path}[{index}]", depth + 1)


def _fits(value: Any, schema: Any, root: Schema, path: str, depth: int) -> bool:
    try:
        _check(value, schema, root, path, depth + 1)
    except ValueError:
        return False
    return True


def _all_of(rules: Schema, root: Schema) -> list[Any]:
    """Further schemas that must hold as well."""
    found: list[Any] = list(rules.get("allOf", ()))
    ref = rules.get("$ref")
    if isinstance(ref, str) and ref.startswith("#"):
        node: Any = root
        for step in ref[1:].split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            node = cast("Schema", node).get(step) if isinstance(node, Mapping) else None
        found.append(node)
    return found


def _is_of(value: Any, types: Any) -> bool:
    names = cast("list[str]", types) if isinstance(types, list) else [types]
    return any(_is_one(value, name) for name in names)


def _is_one(value: Any, name: str) -> bool:
    if name == "integer":
        return type(value) is int or (type(value) is float and value.is_integer())
    kinds = _TYPES.get(name)
    return kinds is None or (isinstance(value, kinds) and not (isinstance(value, bool) and name == "number"))


_LIMITS: dict[str, tuple[type | tuple[type, ...], Callable[[Any, Any], bool]]] = {
    "minimum": ((int, float), lambda value, limit: value >= limit),
    "maximum": ((int, float), lambda value, limit: value <= limit),
    "exclusiveMinimum": ((int, float), lambda value, limit: value > limit),
    "exclusiveMaximum": ((int, float), lambda value, limit: value < limit),
    "minLength": (str, lambda value, limit: len(value) >= limit),
    "maxLength": (str, lambda value, limit: len(value) <= limit),
    "pattern": (str, lambda value, limit: re.search(limit, value) is not None),
    "minItems": (list, lambda value, limit: len(value) >= limit),
    "maxItems": (list, lambda value, limit: len(value) <= limit),
}


def _limits(value: Any, rules: Schema, path: str) -> None:
    for name in rules.keys() & _LIMITS.keys():
        kinds, holds = _LIMITS[name]
        if isinstance(value, kinds) and type(value) is not bool and not holds(value, rules[name]):
            raise ValueError(f"{path} breaks {name} {rules[name]!r}")


def _members(value: dict[str, Any], rules: Schema, root: Schema, path: str, depth: int) -> None:
    for name in rules.get("required", ()):
        if name not in value:
            raise ValueError(f"{path} lacks {name!r}")
    known: Schema = rules.get("properties", {})
    for name, member in value.items():
        schema = known[name] if name in known else rules.get("additionalProperties", True)
        _check(member, schema, root, f"{path}.{name}", depth + 1)
