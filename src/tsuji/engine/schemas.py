"""JSON schemas as llama.cpp's grammar converter needs them. Pure.

It reads most of JSON Schema (https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md#json-schemas--gbnf),
but takes a `pattern` that it does not understand for any string: without a word, so it is rewritten here where it can
be. Other schemas come out as they were.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from tsuji.core.tools import Tool

Schema = dict[str, Any]

_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " "}
_MOST_ITEMS = 32
_MOST_CALLS = 8
_ALREADY_BOUNDED = ("enum", "const", "pattern", "format", "maxLength")


def call_schema(tools: Sequence[Tool], *, parallel: bool, bound: int | None, other: Schema | None = None) -> Schema:
    """A schema for {"name": ..., "arguments": ...} of any of the tools: for a list of them, if `parallel`.

    bound: characters that a string without a limit of its own may have; None leaves them free. other: what may be
    answered in place of a call.
    """
    definitions: dict[str, Any] = {}
    calls: list[Schema] = []
    for number, tool in enumerate(tools):
        arguments: Schema = {"const": {}}
        if tool.parameters and (tool.parameters.get("properties", True) or tool.parameters.get("additionalProperties")):
            key = f"t{number}"
            definitions[key] = _moved(enforceable(tool.parameters, bound), f"#/$defs/{key}")
            arguments = {"$ref": f"#/$defs/{key}"}
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": tool.name}, "arguments": arguments},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    schema: Schema = {"anyOf": calls} if len(calls) > 1 else calls[0]
    if parallel:
        schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": _MOST_CALLS}
    if other is not None:
        definitions["other"] = _moved(enforceable(other, None), "#/$defs/other")
        schema = {"anyOf": [schema, {"$ref": "#/$defs/other"}]}
    return {**schema, "$defs": definitions} if definitions else schema


def enforceable(schema: Schema, bound: int | None = None) -> Schema:
    """The schema with patterns that the converter understands, and strings and lists that end if `bound` is given."""
    return cast(Schema, _rewritten(schema, bound, inside=False))


def _rewritten(node: Any, bound: int | None, *, inside: bool) -> Any:
    """inside: the keys of this object are names of the caller's (of properties, definitions), not of JSON Schema."""
    if isinstance(node, list):
        return [_rewritten(item, bound, inside=False) for item in cast(list[Any], node)]
    if not isinstance(node, Mapping):
        return node
    given = cast(Mapping[str, Any], node)
    out: Schema = {}
    for key, value in given.items():
        if not inside and key in ("const", "enum", "default", "examples"):
            out[key] = value
        else:
            named = not inside and key in ("properties", "$defs", "definitions", "patternProperties")
            out[key] = _rewritten(value, bound, inside=named)
    if inside:
        return out
    if isinstance(out.get("pattern"), str):
        out["pattern"] = plain_pattern(out["pattern"])
    if bound and out.get("type") == "string" and not any(key in out for key in _ALREADY_BOUNDED):
        out["maxLength"] = max(bound, out.get("minLength", 0))
    if bound and out.get("type") == "array" and "maxItems" not in out:
        out["maxItems"] = max(_MOST_ITEMS, out.get("minItems", 0))
    return out


def plain_pattern(pattern: str) -> str:
    r"""The pattern anchored at both ends, with \d, \w and \s spelled out."""
    out: list[str] = []
    in_class = False
    at = 0
    while at < len(pattern):
        char = pattern[at]
        following = pattern[at + 1 : at + 2]
        if char == "\\" and following in _CLASSES:
            spelled = _CLASSES[following]
            out.append(spelled if in_class else f"[{spelled}]")
            at += 2
            continue
        if char == "\\":
            out.append(char + following)
            at += 2
            continue
        in_class = char == "[" or (in_class and char != "]")
        out.append(char)
        at += 1
    plain = "".join(out)
    open_start, open_end = not plain.startswith("^"), not plain.endswith("$") or plain.endswith("\\$")
    if not open_start and not open_end:
        return plain
    inner = plain[not open_start : len(plain) - (not open_end)]
    return ("^.*" if open_start else "^") + f"({inner})" + (".*$" if open_end else "$")


def _moved(node: Any, place: str) -> Any:
    """A schema that now stands at `place`, its references to its own parts with it."""
    if isinstance(node, list):
        return [_moved(item, place) for item in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    out: Schema = {}
    for key, value in cast(Schema, node).items():
        if key == "$ref" and isinstance(value, str) and value.startswith("#"):
            out[key] = place + value[1:]
        else:
            out[key] = _moved(value, place)
    return out
