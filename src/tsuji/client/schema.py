"""JSON schemas of Python types: dataclasses, Structs, TypedDicts, NamedTuples, enums, unions, Pydantic models."""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from tsuji.core.errors import InvalidRequestError

Schema = dict[str, Any]


def is_pydantic(type_: Any) -> bool:
    """A Pydantic model or a Pydantic dataclass."""
    return isinstance(type_, type) and hasattr(type_, "__pydantic_validator__")


def json_schema(type_: Any, param: str) -> Schema:
    """`$defs` at the root, the root itself never a reference.

    Raises InvalidRequestError, about `param`, for a type that JSON cannot hold.
    """
    try:
        if is_pydantic(type_):
            schema = _pydantic_schema(type_)
        else:
            (schema,), defs = msgspec.json.schema_components((type_,), schema_hook=_hook, ref_template="#/$defs/{name}")
            if defs:
                schema = {**schema, "$defs": defs}
    except (TypeError, NotImplementedError) as error:
        raise InvalidRequestError(f"{param}: no JSON schema for {type_!r}: {_reason(error)}", param=param) from None
    return _resolve_root(_hoist(schema))


def _reason(error: Exception) -> str:
    """Without msgspec's advice to those who call it."""
    return str(error).rpartition("\n")[2]


def decoder(type_: Any) -> Callable[[str], Any]:
    """Text to an instance of `type_`. It raises ValueError (msgspec's and Pydantic's errors are such)."""
    if is_pydantic(type_):
        if hasattr(type_, "model_validate_json"):
            return cast("Callable[[str], Any]", type_.model_validate_json)
        from pydantic import TypeAdapter

        return TypeAdapter(type_).validate_json
    return msgspec.json.Decoder(type_, dec_hook=_instance).decode


def strict(schema: Schema) -> tuple[Schema, bool]:
    """The schema as providers' strict modes want it: objects are closed and all their properties required.

    False where that cannot be said, because some object is a free mapping; then the schema stays as it is.
    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    if not _closed(schema):
        return schema, False
    return cast("Schema", _tighten(schema, schema.get("$defs", {}))), True


def _pydantic_schema(type_: Any) -> Schema:
    if hasattr(type_, "model_json_schema"):
        return cast("Schema", type_.model_json_schema())
    from pydantic import TypeAdapter

    return TypeAdapter(type_).json_schema()


def _hook(type_: type) -> Schema:
    if is_pydantic(type_):
        return _pydantic_schema(type_)
    raise NotImplementedError(f"{type_!r} is neither a JSON type nor a class with typed fields")


def _instance(type_: type, value: Any) -> Any:
    """Pydantic models inside other types."""
    if not is_pydantic(type_):
        raise NotImplementedError
    from pydantic import TypeAdapter

    return TypeAdapter(type_).validate_python(value)


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(cast("dict[str, Any]", node).values())
    return cast("list[Any]", node) if isinstance(node, list | tuple) else []


def _hoist(schema: Schema) -> Schema:
    """Definitions that nested schemas brought along, at the root, where their references look for them."""
    found: Schema = {}

    def strip(node: Any) -> Any:
        if isinstance(node, dict):
            node = cast("dict[str, Any]", node)
            if isinstance(node.get("$defs"), dict):
                for name, definition in node["$defs"].items():
                    found[name] = strip(definition)
            return {k: strip(v) for k, v in node.items() if k != "$defs"}
        return [strip(v) for v in _children(node)] if isinstance(node, list | tuple) else node

    bare = strip(schema)
    return {**bare, "$defs": found} if found else bare


def _resolve_root(schema: Schema) -> Schema:
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    defs = cast("Schema", schema.get("$defs", {}))
    if name not in defs:
        return schema
    root = {**defs[name], **{k: v for k, v in schema.items() if k not in ("$ref", "$defs")}}
    rest = defs if _refers(list(defs.values()), f"#/$defs/{name}") else {k: v for k, v in defs.items() if k != name}
    return {**root, "$defs": rest} if rest else root


def _refers(node: Any, ref: str) -> bool:
    if isinstance(node, dict) and cast("Schema", node).get("$ref") == ref:
        return True
    return any(_refers(child, ref) for child in _children(node))


def _closed(node: Any) -> bool:
    if isinstance(node, dict):
        node = cast("Schema", node)
        if node.get("type") == "object" and (node.get("additionalProperties") or "properties" not in node):
            return False
    return all(_closed(child) for child in _children(node))


def _tighten(node: Any, defs: Schema, inside: frozenset[str] = frozenset()) -> Any:
    """inside: the references that have been written out on the way here; a type may contain itself."""
    if isinstance(node, list):
        return [_tighten(item, defs, inside) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    node = {k: v for k, v in cast("Schema", node).items() if k != "default"}
    ref = str(node.pop("$ref", ""))
    if ref and (not node or ref in inside):
        return {"$ref": ref}
    if ref:
        # Strict modes take no siblings beside a reference: say here what it refers to.
        node = {**defs.get(ref.removeprefix("#/$defs/"), {}), **node}
        inside |= {ref}
    elif len(node.get("allOf", ())) == 1:
        node = {**node.pop("allOf")[0], **node}
    out = {k: v if k in ("enum", "const", "required") else _tighten(v, defs, inside) for k, v in node.items()}
    if node.get("type") == "object":
        out["properties"] = {k: _tighten(v, defs, inside) for k, v in node["properties"].items()}
        out["additionalProperties"] = False
        out["required"] = list(node["properties"])
    return out
