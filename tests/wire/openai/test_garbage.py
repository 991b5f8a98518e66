"""Whatever comes in, only our own errors come out."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsuji.core import events as ev
from tsuji.core.errors import InvalidRequestError, TsujiError, UpstreamError
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.openai.embeddings import parse_embedding_request, parse_embedding_response, render_embedding_request
from tsuji.wire.openai.models import parse_models, render_models

from .test_messages import MESSAGES, PARTS
from .test_request import KEPT, PLAIN
from .test_response import ANSWERS, whole
from .wire import DIALECT, chunks, finish

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(["[]", "{}", "[[]]", "[null]", '{"type":[]}', '{"type":{}}', "1000000000000000000000"]).map(
        json.loads
    ),
)


def nodes(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += nodes(inner, (*at, key))
    return found


@st.composite
def mutated(draw: st.DrawFn, whole: list[Any]) -> bytes:
    """One of `whole` with a few values in it replaced."""
    body = copy.deepcopy(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 3))):
        places = nodes(body)
        if not places:
            break
        *path, last = draw(st.sampled_from(places))
        holder = body
        for key in path:
            holder = holder[key]
        holder[last] = copy.deepcopy(draw(LEAVES))
    return json.dumps(body).encode()


HI = {"role": "user", "content": "hi"}
REQUESTS = [{"model": "m", "messages": [HI], **wire} for wire, _ in PLAIN] + [
    {"model": "m", "messages": [HI], **wire} for wire in KEPT
]
REQUESTS += [{"model": "m", "messages": [wire]} for wire in MESSAGES]
REQUESTS += [{"model": "m", "messages": [{"role": "user", "content": [wire]}]} for wire, _ in PARTS]
REQUESTS += [{"model": "m", "messages": [HI], "reasoning": {"effort": "low"}, "thinking": {"type": "enabled"}}]
RESPONSES = [
    whole(message, usage={"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}}, logprobs={"content": []})
    for message in ANSWERS
]
DELTAS = [
    {
        "id": "c",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "delta": message,
                "logprobs": {"content": [{"token": "a", "logprob": 1}]},
            }
        ],
        "usage": {"prompt_tokens": 1},
    }
    for message in ANSWERS
]


def request_path(body: bytes) -> None:
    request = DIALECT.parse_request(body, None, None)
    DIALECT.render_request(request, NO_QUIRKS, Losses("openai"))


def embedding_path(body: bytes) -> None:
    render_embedding_request(parse_embedding_request(body), NO_QUIRKS, Losses("openai"))


def response_path(body: bytes) -> None:
    DIALECT.render_response(DIALECT.parse_response(body, NO_QUIRKS))


@settings(max_examples=300)
@given(mutated(REQUESTS) | st.binary(max_size=40))
def test_requests(body: bytes) -> None:
    try:
        request_path(body)
    except InvalidRequestError as error:
        assert error.status == 400


@settings(max_examples=300)
@given(mutated(RESPONSES) | st.binary(max_size=40))
def test_responses(body: bytes) -> None:
    try:
        response_path(body)
    except TsujiError as error:
        assert isinstance(error, UpstreamError) or error.body is not None
    DIALECT.read_usage(body)


@settings(max_examples=300)
@given(st.lists(mutated(DELTAS), min_size=1, max_size=3), st.binary(max_size=20), st.integers(1, 50))
def test_streams(bodies: list[bytes], junk: bytes, step: int) -> None:
    stream = b"".join([b"data: " + body + b"\n\n" for body in bodies]) + junk + b"\n\n" + chunks(finish())
    parser, tail = DIALECT.stream_parser(NO_QUIRKS), DIALECT.stream_tail()
    renderer = DIALECT.stream_renderer(DIALECT.parse_request(json.dumps(REQUESTS[0]).encode(), None, None))
    found: list[ev.Event] = []
    for at in range(0, len(stream), step):
        found += parser.feed(stream[at : at + step])
        tail.feed(stream[at : at + step])
    found += parser.close()
    assert type(found[-1]) in (ev.Ended, ev.StreamFailed)
    assert sum([type(e) in (ev.Ended, ev.StreamFailed) for e in found]) == 1
    try:
        renderer.render(found)
    except InvalidRequestError as error:
        pytest.fail(f"a stream that was read cannot be written: {error}")


DEEP = b"[" * 50_000 + b"]" * 50_000
DEEP_FIELDS = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
HOSTILE = [b"", b"\x00", b"\xff\xfe", b'"\\ud800"', b"1e999", DEEP, DEEP_FIELDS, b'{"model":"\\ud800"}']
HOSTILE += [
    b'{"model":"m","messages":' + DEEP + b"}",
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"odd":' + DEEP_FIELDS + b"}",
]
HOSTILE += [b'{"choices":[{"message":{"content":"x","odd":' + DEEP_FIELDS + b"}}]}"]


@pytest.mark.parametrize("path", [request_path, embedding_path, response_path, parse_embedding_response])
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bodies(body: bytes, path: Callable[[bytes], Any]) -> None:
    with pytest.raises(TsujiError):
        path(body)


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_streams(body: bytes) -> None:
    parser = DIALECT.stream_parser(NO_QUIRKS)
    found = [*parser.feed(b"data: " + body + b"\n\n"), *parser.close()]
    assert type(found[-1]) is ev.StreamFailed


@settings(max_examples=100)
@given(mutated([{"data": [{"id": "a", "created": 1, "owned_by": "o", "top_provider": {"max_completion_tokens": 1}}]}]))
def test_models(body: bytes) -> None:
    try:
        render_models(parse_models(body))
    except TsujiError as error:
        assert isinstance(error, UpstreamError) or error.body is not None


@settings(max_examples=100)
@given(mutated([{"model": "m", "input": ["a", [1]], "dimensions": 1, "input_type": "q", "odd": 1}]))
def test_embedding_requests(body: bytes) -> None:
    try:
        embedding_path(body)
    except InvalidRequestError as error:
        assert error.status == 400
