"""Values of the service model's own shapes, as they are on the wire: whatever the API can be told, and can say."""

import json
from base64 import b64encode
from typing import Any

from hypothesis import strategies as st

from tests.wire.bedrock.botocore_reading import MODEL

_TEXT = st.text("abc é\n\U0001f980", min_size=1, max_size=6)
_DATA = st.binary(min_size=1, max_size=6).map(lambda data: b64encode(data).decode())
_LEAF: Any = st.booleans() | st.integers(-9, 9) | _TEXT
_DOCUMENT: Any = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2), max_leaves=4
)
_TRACE = st.fixed_dictionaries({}, optional={"promptRouter": st.just({"invokedModelId": "arn:aws:bedrock:x"})})
_SPECIAL: dict[tuple[str, str], Any] = {
    # Text that is itself JSON, and documents that only make sense as objects.
    ("JsonSchemaDefinition", "schema"): st.dictionaries(_TEXT, _DOCUMENT, max_size=2).map(json.dumps),
    ("ToolInputSchema", "json"): st.dictionaries(_TEXT, _DOCUMENT, max_size=2),
    # Large, and nothing of it is ours to read.
    ("ConverseResponse", "trace"): _TRACE,
    ("ConverseStreamMetadataEvent", "trace"): _TRACE,
    ("ConverseRequest", "additionalModelRequestFields"): st.dictionaries(
        st.sampled_from(["thinking", "top_k", "k", "reasoning_effort", "reasoning_config", "output_config", "x"]),
        _DOCUMENT | st.just({"type": "enabled", "budget_tokens": 2048}) | st.just("high") | st.just(7),
        max_size=3,
    ),
}


def values(name: str) -> Any:
    """A strategy for the values of a shape. An integer is small, a string short."""
    return _of(MODEL.shape_for(name), 0)


def _of(shape: Any, depth: int) -> Any:
    if shape.type_name == "structure":
        return _DOCUMENT if getattr(shape, "is_document_type", False) else st.deferred(lambda: _structure(shape, depth))
    if shape.type_name == "list":
        return st.lists(_of(shape.member, depth + 1), min_size=shape.metadata.get("min", 0), max_size=3)
    if shape.type_name == "map":
        return st.dictionaries(_TEXT, _of(shape.value, depth + 1), max_size=2)
    if getattr(shape, "enum", None):
        return st.sampled_from(shape.enum)
    return {
        "string": _TEXT,
        "blob": _DATA,
        "boolean": st.booleans(),
        "float": st.sampled_from([0.0, 0.5, 1.0]),
        "integer": st.integers(max(shape.metadata.get("min", 0), 0), 999),
        "long": st.integers(0, 999),
    }[shape.type_name]


def _structure(shape: Any, depth: int) -> Any:
    members = {
        name: _SPECIAL[shape.name, name] if (shape.name, name) in _SPECIAL else _of(member, depth + 1)
        for name, member in shape.members.items()
        if member.serialization.get("location") is None
    }
    if getattr(shape, "is_tagged_union", False):
        return st.one_of([inner.map(lambda value, name=name: {name: value}) for name, inner in members.items()])
    required = {name: inner for name, inner in members.items() if name in shape.required_members}
    others = {name: inner for name, inner in members.items() if name not in required}
    return st.fixed_dictionaries(required, optional=others)
