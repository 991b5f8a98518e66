"""Whatever comes, only TsujiError is raised, and what was understood can be rendered."""

import contextlib
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.garbage import ENOUGH, any_value, mutation
from tests.wire.gemini.test_request_in import FULL, PARTS, SNAKE
from tests.wire.gemini.wires import GEMINI, answer, ask, events, pieces, render, sse
from tsuji.core import events as ev
from tsuji.core.errors import TsujiError
from tsuji.wire.dialect import NO_QUIRKS, Losses

NAMES = sorted(
    {
        "candidates content parts text thought thoughtSignature functionCall functionResponse inlineData fileData "
        "inline_data mime_type role name args response data fileUri mimeType finishReason index usageMetadata error "
        "code status details promptFeedback blockReason groundingMetadata groundingSupports groundingChunks segment "
        "endIndex groundingChunkIndices citationMetadata citationSources logprobsResult chosenCandidates topCandidates "
        "token logProbability contents systemInstruction tools functionDeclarations toolConfig functionCallingConfig "
        "mode generationConfig generation_config thinkingConfig thinkingBudget responseSchema responseMimeType "
        "responseModalities stopSequences topK parameters type items properties id modelVersion responseId requests "
        "embeddings embedding values models executableCode partialArgs jsonPath stringValue willContinue"
    }.pop().split(" ")
)
WORDS = ["user", "model", "STOP", "AUTO", "application/json", "OBJECT", "image/png", "HIGH"]
VALUES = any_value(NAMES, WORDS)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)
mutated = partial(mutation, VALUES)


def try_request(body: bytes) -> None:
    """What was understood can be rendered, and what was rendered comes back as it is."""
    try:
        once = respoken(body)
    except TsujiError:
        return
    assert json.loads(respoken(once)) == json.loads(once)


def respoken(body: bytes) -> bytes:
    request = GEMINI.parse_request(body, "gemini-3-flash", None)
    return GEMINI.render_request(request, NO_QUIRKS, Losses("gemini")).body


def try_response(body: bytes) -> None:
    with contextlib.suppress(TsujiError):
        GEMINI.render_response(GEMINI.parse_response(body, NO_QUIRKS))
    GEMINI.read_usage(body)


@ENOUGH
@given(OBJECTS | mutated(FULL) | mutated(SNAKE) | mutated({"contents": [{"role": "model", "parts": PARTS}]}))
def test_requests(body: Any) -> None:
    try_request(json.dumps(body).encode())


ANSWER = {
    **answer(
        *PARTS,
        groundingMetadata={
            "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
            "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 1}, "groundingChunkIndices": [0]}],
        },
        logprobsResult={
            "chosenCandidates": [{"token": "a", "logProbability": -1}],
            "topCandidates": [{"candidates": []}],
        },
    ),
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}]},
    "promptFeedback": {"blockReason": "SAFETY"},
}


@ENOUGH
@given(OBJECTS | mutated(ANSWER))
def test_answers(body: Any) -> None:
    try_response(json.dumps(body).encode())


PIECES = {"name": "f", "partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "x"}], "willContinue": True}
PARTIAL = answer({"functionCall": PIECES}, {"functionCall": PIECES}, {"functionCall": {}})


@ENOUGH
@given(st.lists(OBJECTS | mutated(ANSWER) | mutated(PARTIAL), max_size=3), st.lists(st.integers(0, 400), max_size=4))
def test_streams(bodies: list[Any], cuts: list[int]) -> None:
    body = sse(*bodies)
    found = events(body, cuts)
    assert isinstance(found[-1], ev.Ended | ev.StreamFailed)
    assert GEMINI.stream_renderer(ask()).render(found)
    tail = GEMINI.stream_tail()
    for piece in pieces(body, cuts):
        tail.feed(piece)


@ENOUGH
@given(OBJECTS, st.integers(400, 599))
def test_errors(body: Any, status: int) -> None:
    error = GEMINI.parse_error(status, {}, json.dumps({"error": body}).encode())
    assert error.status == status
    assert json.loads(GEMINI.render_error(error))["error"]["code"] == status


@ENOUGH
@given(OBJECTS)
def test_embeddings_and_models(body: Any) -> None:
    raw = json.dumps(body).encode()
    assert GEMINI.parse_embedding_request
    assert GEMINI.parse_embedding_response
    assert GEMINI.parse_models
    for parse in (lambda: GEMINI.parse_embedding_request(raw, None), lambda: GEMINI.parse_embedding_response(raw)):  # pyright: ignore[reportOptionalCall]
        with contextlib.suppress(TsujiError):
            parse()
    with contextlib.suppress(TsujiError):
        GEMINI.parse_models(raw)


@ENOUGH
@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=3))
def test_bytes(body: bytes, cuts: list[int]) -> None:
    try_request(body)
    try_response(body)
    for found in (events(body, cuts), events(b"data: " + body + b"\n\n", cuts)):
        assert isinstance(found[-1], ev.StreamFailed | ev.Ended)
    assert GEMINI.parse_error(500, {}, body).status == 500


@pytest.mark.parametrize("depth", [200, 900, 100_000])
@pytest.mark.parametrize(
    ("before", "inside", "closing", "after"),
    [
        ('{"functionCall":{"name":"f","args":', '{"a":', "}", "}}"),
        ("", '{"functionResponse":{"name":"f","parts":[', "]}}", ""),
        ("", '{"executableCode":', "}", ""),
    ],
)
def test_depth(depth: int, before: str, inside: str, closing: str, after: str) -> None:
    part = before + inside * depth + '{"text":""}' + closing * depth + after
    content = '[{"parts":[' + part + "]}]"
    try_request(f'{{"contents":{content}}}'.encode())
    answered = f'{{"candidates":[{{"content":{content[1:-1]},"finishReason":"STOP"}}]}}'.encode()
    try_response(answered)
    with contextlib.suppress(TsujiError):
        GEMINI.stream_renderer(ask()).render(events(b"data: " + answered + b"\n\n"))


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\udfff x"])
def test_odd_characters(text: str) -> None:
    parts = '[{"text":"~"},{"functionCall":{"name":"f","args":{"a":"~"}}}]'.replace("~", text)
    try_request(f'{{"contents":[{{"parts":{parts}}}]}}'.encode())
    try_response(f'{{"candidates":[{{"content":{{"parts":{parts}}}}}]}}'.encode())


def test_numbers_beyond_64_bits() -> None:
    big = 10**30
    body = json.dumps({"contents": [{"parts": [{"functionCall": {"name": "f", "args": {"a": big}}}]}]}).encode()
    request = GEMINI.parse_request(body, "m", None)
    assert render(request)["contents"][0]["parts"][0]["functionCall"]["args"] == {"a": big}
