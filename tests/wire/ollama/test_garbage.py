"""Whatever comes, only TsujiError is raised, and what was understood can be rendered."""

import contextlib
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.garbage import ENOUGH, any_value, mutation
from tests.wire.ollama.test_answers import STREAM, WHOLE
from tests.wire.ollama.test_request import FULL, GENERATED
from tests.wire.ollama.wires import END, GENERATE, OLLAMA, ask, events, line, ndjson, pieces
from tsuji.core import events as ev
from tsuji.core.errors import TsujiError
from tsuji.wire.dialect import NO_QUIRKS, Losses

NAMES = sorted(
    {*FULL, *FULL["options"], *GENERATED[-1], *WHOLE, *FULL["messages"][4], "function", "arguments", "error"}
)
WORDS = ["user", "assistant", "tool", "stop", "json", "high", "data:,", "2025-10-26T17:15:24Z"]
VALUES = any_value(NAMES, WORDS)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)
mutated = partial(mutation, VALUES)


def respoken(body: bytes, form: Any) -> bytes:
    return OLLAMA.render_request(form.parse_request(body, None, None), NO_QUIRKS, Losses("ollama")).body


def try_request(body: bytes, form: Any = OLLAMA) -> None:
    """What was understood can be rendered, and what was rendered comes back as it is."""
    try:
        once = respoken(body, form)
    except TsujiError:
        return
    assert json.loads(respoken(once, form)) == json.loads(once)


def try_response(body: bytes) -> None:
    with contextlib.suppress(TsujiError):
        found = OLLAMA.parse_response(body, NO_QUIRKS)
        OLLAMA.render_response(found)
        GENERATE.render_response(found)
    OLLAMA.read_usage(body)


@ENOUGH
@given(OBJECTS | mutated(FULL))
def test_requests(body: Any) -> None:
    try_request(json.dumps(body).encode())


@ENOUGH
@given(OBJECTS | mutated(GENERATED[-1]))
def test_prompts(body: Any) -> None:
    try_request(json.dumps(body).encode(), GENERATE)


@ENOUGH
@given(OBJECTS | mutated(WHOLE))
def test_answers(body: Any) -> None:
    try_response(json.dumps(body).encode())


@ENOUGH
@given(
    st.lists(OBJECTS | mutated(STREAM[3]) | mutated(STREAM[4]) | mutated(END), max_size=4),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_streams(lines: list[Any], cuts: list[int]) -> None:
    body = ndjson(*lines)
    found = events(body, cuts)
    assert isinstance(found[-1], ev.Ended | ev.StreamFailed)
    for form in (OLLAMA, GENERATE):
        assert form.stream_renderer(ask()).render(found)
    tail = OLLAMA.stream_tail()
    for piece in pieces(body, cuts):
        tail.feed(piece)


@ENOUGH
@given(OBJECTS, st.integers(400, 599))
def test_errors(body: Any, status: int) -> None:
    error = OLLAMA.parse_error(status, {}, json.dumps(body).encode())
    assert error.status == status
    assert set(json.loads(OLLAMA.render_error(error))) == {"error"}


@ENOUGH
@given(OBJECTS)
def test_embeddings_and_models(body: Any) -> None:
    raw = json.dumps(body).encode()
    assert OLLAMA.parse_embedding_request
    assert OLLAMA.parse_embedding_response
    assert OLLAMA.parse_models
    for parse in (
        lambda b: OLLAMA.parse_embedding_request(b, None),
        OLLAMA.parse_embedding_response,
        OLLAMA.parse_models,
    ):
        with contextlib.suppress(TsujiError):
            parse(raw)


@ENOUGH
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=3))
def test_bytes(body: bytes, cuts: list[int]) -> None:
    try_request(body)
    try_response(body)
    assert isinstance(events(body, cuts)[-1], ev.StreamFailed)
    assert OLLAMA.parse_error(500, {}, body).status == 500


@pytest.mark.parametrize("depth", [200, 900, 100_000])
def test_depth(depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    calls = f'[{{"function":{{"name":"f","arguments":{deep}}}}}]'
    try_request(f'{{"model":"m","messages":[{{"role":"assistant","tool_calls":{calls}}}]}}'.encode())
    try_request(f'{{"model":"m","messages":[],"format":{deep}}}'.encode())
    answer = f'{{"message":{{"tool_calls":{calls}}},"done":true}}'.encode()
    try_response(answer)
    with contextlib.suppress(TsujiError):
        OLLAMA.stream_renderer(ask()).render(events(answer + b"\n"))


def test_odd_characters_and_numbers() -> None:
    for text in ("\\ud800", "\\u0000"):
        try_request(f'{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}'.encode())
        try_response(f'{{"message":{{"content":"{text}"}},"done":true}}'.encode())
    big = {"function": {"name": "f", "arguments": {"a": 10**30}}}
    try_response(json.dumps({"message": {"tool_calls": [big]}, "done": True, "eval_count": 10**30}).encode())
    assert isinstance(events(ndjson(line(tool_calls=[big]), END))[-1], ev.Ended)
