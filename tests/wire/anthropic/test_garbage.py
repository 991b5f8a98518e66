"""Whatever comes in, only errors of our own come out."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.errors import TsujiError
from tsuji.wire.anthropic import DIALECT
from tsuji.wire.anthropic.models import parse_models
from tsuji.wire.dialect import NO_QUIRKS, Losses

NAMES = [
    "type", "text", "role", "content", "source", "url", "data", "media_type", "tool_use_id", "id", "name", "input",
    "thinking", "signature", "citations", "cache_control", "is_error", "error", "message", "details", "stop_reason",
    "usage", "input_tokens", "cache_creation", "file_id", "ttl", "schema", "format", "effort", "user_id",
]  # fmt: skip
WORDS = [
    "text", "image", "document", "thinking", "redacted_thinking", "tool_use", "tool_result", "base64", "url", "file",
    "user", "assistant", "system", "message", "error", "enabled", "adaptive", "json_schema", "auto", "tool", "high", "",
]  # fmt: skip
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)
CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {"x": [1, {"y": None}]}, "caller": {"type": "direct"}}
RESULT = {
    "type": "tool_result",
    "tool_use_id": "t",
    "is_error": True,
    "content": [{"type": "text", "text": "r"}, {"type": "image", "source": {"type": "url", "url": "u"}}],
}
CITED = {"type": "text", "text": "x", "citations": [{"type": "page_location", "cited_text": "c"}]}
THOUGHT = {"type": "thinking", "thinking": "h", "signature": "s"}
REQUEST: dict[str, Any] = {
    "model": "claude-opus-4-6",
    "max_tokens": 99,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [{"type": "document", "source": {"type": "text", "media_type": "t", "data": "d"}}]},
        {"role": "assistant", "content": [THOUGHT, {"type": "redacted_thinking", "data": "d"}, CITED, CALL]},
        {"role": "user", "content": [RESULT, {"type": "text", "text": "go"}]},
        {"role": "system", "content": "now"},
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}, "strict": True}, {"type": "bash_1", "name": "bash"}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "omitted"},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
    "cache_control": {"type": "ephemeral"},
    "stop_sequences": ["a"],
    "temperature": 1,
    "stream": False,
}
ANSWER: dict[str, Any] = {
    "type": "message",
    "role": "assistant",
    "id": "m",
    "model": "c",
    "content": [THOUGHT, CITED, CALL, {"type": "server_tool_use", "id": "s", "name": "n", "input": {}}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 2, "cache_creation": {"ephemeral_1h_input_tokens": 0}},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside `value`."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in inside for found in ((*path, key), *places(inner, (*path, key)))]


def spoiled(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """`whole` with up to three of its values replaced."""

    def replace(changes: list[tuple[tuple[Any, ...], Any]]) -> dict[str, Any]:
        copy = json.loads(json.dumps(whole))
        for path, value in changes:
            target = copy
            try:
                for key in path[:-1]:
                    target = target[key]
                target[path[-1]] = value
            except (KeyError, IndexError, TypeError):
                continue  # An earlier change took the place away.
        return copy

    return st.lists(st.tuples(st.sampled_from(places(whole)), values), max_size=3).map(replace)


@given(spoiled(REQUEST))
def test_requests(body: dict[str, Any]) -> None:
    """And what could be read can be written, and read again to the same."""
    try:
        request = DIALECT.parse_request(json.dumps(body).encode(), None, None)
        call = DIALECT.render_request(request, NO_QUIRKS, Losses("anthropic", drop=True))
    except TsujiError as error:
        assert error.status == 400
        return
    again = DIALECT.parse_request(call.body, None, None)
    assert DIALECT.render_request(again, NO_QUIRKS, Losses("anthropic", drop=True)).body == call.body


@given(spoiled(ANSWER))
def test_answers(body: dict[str, Any]) -> None:
    try:
        response = DIALECT.parse_response(json.dumps(body).encode(), NO_QUIRKS)
    except TsujiError as error:
        assert error.fault == "upstream"
        return
    assert json.loads(DIALECT.render_response(response))["role"] == "assistant"


@given(st.integers(300, 599), values)
def test_errors(status: int, body: Any) -> None:
    error = DIALECT.parse_error(status, {}, json.dumps(body).encode())
    assert error.status == status
    assert json.loads(DIALECT.render_error(error))["type"] == "error"


@given(st.binary(max_size=40) | values.map(lambda v: json.dumps(v).encode()))
def test_bytes(body: bytes) -> None:
    for read in (
        lambda: DIALECT.parse_request(body, None, None),
        lambda: DIALECT.parse_response(body, NO_QUIRKS),
        lambda: parse_models(body),
    ):
        try:
            assert read() is not None
        except TsujiError as error:
            assert error.message
    assert isinstance(DIALECT.parse_error(500, {}, body), TsujiError)
    usage = DIALECT.read_usage(body)
    assert usage is None or usage.ext is None or usage.ext
