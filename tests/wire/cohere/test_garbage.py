"""Whatever comes, only TsujiError is raised, and what was understood can be rendered."""

import contextlib
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.cohere.test_embeddings_and_models import ANSWER, BODIES
from tests.wire.cohere.wires import COHERE, END, FULL, START, STREAM, WHOLE, ask, events, pieces, sse, told
from tests.wire.garbage import ENOUGH, any_value, mutation
from tsuji.core import events as ev
from tsuji.core.errors import TsujiError
from tsuji.wire.dialect import NO_QUIRKS, Losses

NAMES = sorted(
    {*FULL, *WHOLE, *WHOLE["message"], *WHOLE["message"]["citations"][0], *ANSWER, *BODIES[1]}
    | {"type", "index", "delta", "error", "function", "arguments", "name", "text", "thinking", "data", "document"}
)
WORDS = ["user", "assistant", "tool", "text", "thinking", "COMPLETE", "ERROR", "PLAN", "message-end"]
VALUES = any_value(NAMES, WORDS)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)
mutated = partial(mutation, VALUES)


def respoken(body: bytes) -> bytes:
    return COHERE.render_request(COHERE.parse_request(body, None, None), NO_QUIRKS, Losses("cohere")).body


def try_request(body: bytes) -> None:
    """What was understood can be rendered, and what was rendered comes back as it is."""
    try:
        once = respoken(body)
    except TsujiError:
        return
    assert json.loads(respoken(once)) == json.loads(once)


def try_response(body: bytes) -> None:
    with contextlib.suppress(TsujiError):
        COHERE.render_response(COHERE.parse_response(body, NO_QUIRKS))
    COHERE.read_usage(body)


def try_embeddings(body: bytes) -> None:
    assert COHERE.parse_embedding_request
    assert COHERE.render_embedding_request
    assert COHERE.parse_embedding_response
    assert COHERE.render_embedding_response
    assert COHERE.parse_models
    with contextlib.suppress(TsujiError):
        request = COHERE.parse_embedding_request(body, None)
        COHERE.render_embedding_request(request, NO_QUIRKS, Losses("cohere"))
    with contextlib.suppress(TsujiError):
        found = COHERE.parse_embedding_response(body)
        COHERE.render_embedding_response(found, COHERE.parse_embedding_request(b'{"model":"m","texts":["a"]}', None))
    with contextlib.suppress(TsujiError):
        COHERE.parse_models(body)


@ENOUGH
@given(OBJECTS | mutated(FULL))
def test_requests(body: Any) -> None:
    try_request(json.dumps(body).encode())


@ENOUGH
@given(OBJECTS | mutated(WHOLE))
def test_answers(body: Any) -> None:
    try_response(json.dumps(body).encode())


@ENOUGH
@given(
    st.lists(OBJECTS | st.one_of([mutated(event) for event in STREAM]), max_size=6),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_streams(found: list[Any], cuts: list[int]) -> None:
    body = b"".join([b"data: " + json.dumps(event).encode() + b"\n\n" for event in found])
    read = events(body, cuts)
    assert isinstance(read[-1], ev.Ended | ev.StreamFailed)
    whole = events(body)
    assert read[:-1] == whole[:-1]
    assert type(read[-1]) is type(whole[-1])
    assert COHERE.stream_renderer(ask()).render(read)
    tail = COHERE.stream_tail()
    for piece in pieces(body, cuts):
        tail.feed(piece)


@ENOUGH
@given(OBJECTS, st.integers(400, 599))
def test_errors(body: Any, status: int) -> None:
    error = COHERE.parse_error(status, {}, json.dumps(body).encode())
    assert error.status == status
    assert set(json.loads(COHERE.render_error(error))) == {"message"}


@ENOUGH
@given(OBJECTS | mutated(ANSWER) | mutated({"model": "m", **BODIES[1]}) | mutated({"model": "m", **BODIES[5]}))
def test_embeddings_and_models(body: Any) -> None:
    try_embeddings(json.dumps(body).encode())


@ENOUGH
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=3))
def test_bytes(body: bytes, cuts: list[int]) -> None:
    try_request(body)
    try_response(body)
    try_embeddings(body)
    assert isinstance(events(body, cuts)[-1], ev.StreamFailed)
    assert COHERE.parse_error(500, {}, body).status == 500


@pytest.mark.parametrize("depth", [200, 900, 100_000])
def test_depth(depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    try_request(
        f'{{"model":"m","messages":[{{"role":"user","content":"x"}}],"documents":[{{"data":{deep}}}]}}'.encode()
    )
    try_response(f'{{"message":{{"content":[{{"type":"odd","x":{deep}}}]}}}}'.encode())
    try_embeddings(f'{{"model":"m","texts":["a"],"inputs":{deep}}}'.encode())
    found = events(b'data: {"type":"citation-start","delta":{"message":{"citations":' + deep.encode() + b"}}}\n\n")
    assert isinstance(found[-1], ev.StreamFailed)


def test_odd_characters_and_numbers() -> None:
    for text in ("\\ud800", "\\u0000"):
        try_request(f'{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}'.encode())
        try_response(f'{{"message":{{"content":"{text}"}},"finish_reason":"COMPLETE"}}'.encode())
    big = {"usage": {"tokens": {"input_tokens": 10**30, "output_tokens": 1e300}}, "message": {}}
    try_response(json.dumps(big).encode())
    call = told("tool-call-start", 10**30, tool_calls={"id": "a", "function": {"name": "f", "arguments": ""}})
    assert isinstance(events(sse(START, call, END))[-1], ev.Ended)
