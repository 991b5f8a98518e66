"""embedContent, batchEmbedContents and the list of models."""

import json
from base64 import b64encode
from struct import pack
from typing import Any

import pytest

from tests.wire.gemini.wires import GEMINI
from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError, UpstreamProtocolError
from tsuji.core.provider import Quirks
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse, ModelInfo
from tsuji.core.usage import Usage
from tsuji.wire.dialect import NO_QUIRKS, Losses

assert GEMINI.parse_embedding_request
assert GEMINI.render_embedding_request
assert GEMINI.parse_embedding_response
assert GEMINI.render_embedding_response
assert GEMINI.parse_models
assert GEMINI.render_models
_parse, _render = GEMINI.parse_embedding_request, GEMINI.render_embedding_request
_read, _write = GEMINI.parse_embedding_response, GEMINI.render_embedding_response
ONE_AT_A_TIME = Quirks(drop=("requests",))
_read_models, _write_models = GEMINI.parse_models, GEMINI.render_models


def parse(body: Any, model: str | None = "e-1") -> EmbeddingRequest:
    return _parse(json.dumps(body).encode(), model)


def text(*texts: str, **fields: Any) -> dict[str, Any]:
    return {"content": {"parts": [{"text": t} for t in texts]}, **fields}


BATCH = {
    "requests": [
        text("a", model="models/e-1", taskType="RETRIEVAL_QUERY", outputDimensionality=8),
        text("b", model="models/e-1", taskType="RETRIEVAL_QUERY", outputDimensionality=8),
    ]
}


def test_a_batch() -> None:
    request = parse(BATCH)
    assert request == EmbeddingRequest("e-1", ("a", "b"), True, dimensions=8, task="RETRIEVAL_QUERY")
    call = _render(request, NO_QUIRKS, Losses("gemini"))
    assert call.path == "/v1beta/models/e-1:batchEmbedContents"
    assert json.loads(call.body) == BATCH


def test_a_single_text() -> None:
    body = text("a", taskType="RETRIEVAL_DOCUMENT", title="t", autoTruncate=True)
    request = parse(body)
    assert (request.inputs, request.many, request.title) == (("a",), False, "t")
    call = _render(request, NO_QUIRKS, Losses("gemini"))
    assert call.path == "/v1beta/models/e-1:embedContent"
    assert json.loads(call.body) == body


def test_snake_case_and_the_models_name_in_the_body() -> None:
    request = parse({"requests": [text("a", "b", model="models/e-2", task_type="X", output_dimensionality=3)]}, None)
    assert (request.model, request.inputs, request.task, request.dimensions) == ("e-2", ("ab",), "X", 3)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "content"),
        ({"requests": []}, "requests"),
        ({"requests": ["x"]}, "requests[0]"),
        ({"requests": [{}]}, "requests[0].content"),
        ({"requests": [text()]}, "requests[0].content.parts"),
        ({"requests": [text("a", taskType="X"), text("b")]}, "requests[1].taskType"),
        ({"content": {"parts": [{"inlineData": {"data": "", "mimeType": "image/png"}}]}}, "content.parts[0]"),
        (text("a", outputDimensionality="3"), "outputDimensionality"),
    ],
)
def test_mistakes_are_named(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(body)
    assert caught.value.param == param


def test_what_cannot_be_embedded() -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        _render(EmbeddingRequest("e", ("a", (1, 2))), NO_QUIRKS, Losses("gemini", drop=True))
    assert caught.value.param == "input[1]"
    with pytest.raises(InvalidRequestError):
        _render(EmbeddingRequest("e", ()), NO_QUIRKS, Losses("gemini"))


def test_whom_an_embedding_is_for_is_a_hint() -> None:
    losses = Losses("gemini")
    _render(EmbeddingRequest("e", ("a",), user="u"), NO_QUIRKS, losses)
    assert losses.dropped == ["user"]


def test_answers() -> None:
    body = {
        "embeddings": [{"values": [0.5, 1]}, {"values": [-1.0, 2.0]}],
        "usageMetadata": {"promptTokenCount": 4, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": 4}]},
    }
    response = _read(json.dumps(body).encode())
    assert response.vectors == ((0.5, 1.0), (-1.0, 2.0))
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (4, None)
    assert json.loads(_write(response, parse(BATCH))) == body
    single = {"embedding": {"values": [0.5]}}
    assert json.loads(_write(_read(json.dumps(single).encode()), parse(text("a")))) == single


def test_base64_vectors_of_others_become_numbers() -> None:
    response = EmbeddingResponse("m", (b64encode(pack("<2f", 0.5, -2)).decode(),), usage=Usage(input_tokens=1, total=1))
    assert json.loads(_write(response, EmbeddingRequest("m", ("a",)))) == {
        "embeddings": [{"values": [0.5, -2.0]}],
        "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1},
    }
    with pytest.raises(UpstreamProtocolError):
        _write(EmbeddingResponse("m", ("abc",)), EmbeddingRequest("m", ("a",)))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"embeddings": [1]}', b'{"embeddings": [{"values": ["x"]}]}', b"[]"])
def test_other_answers(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        _read(body)


def test_models() -> None:
    body = {
        "models": [
            {
                "name": "models/gemini-x",
                "displayName": "Gemini X",
                "inputTokenLimit": 1000,
                "outputTokenLimit": 10,
                "supportedGenerationMethods": ["generateContent"],
                "version": "001",
            },
            {"name": "tunedModels/t", "displayName": "t", "supportedGenerationMethods": []},
        ]
    }
    models = _read_models(json.dumps(body).encode())
    assert [(m.id, m.display_name, m.context, m.max_output) for m in models] == [
        ("gemini-x", "Gemini X", 1000, 10),
        ("tunedModels/t", "t", None, None),
    ]
    assert json.loads(_write_models(models)) == body
    assert _read_models(b"{}") == []


def test_models_of_others() -> None:
    made = json.loads(_write_models([ModelInfo("fast", created=5, owned_by="me", ext={"openai": {"x": 1}})]))
    assert made["models"] == [
        {
            "name": "models/fast",
            "displayName": "fast",
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
        }
    ]
    assert GEMINI.models_path == "/v1beta/models?pageSize=1000"


@pytest.mark.parametrize("body", [b'{"models": 5}', b'{"models": [{}]}', b"x", b"[]"])
def test_no_models(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        _read_models(body)


@pytest.mark.parametrize("many", [False, True])
def test_one_text_at_a_time_where_batches_are_not_known(many: bool) -> None:
    """Vertex AI has :embedContent alone."""
    call = _render(EmbeddingRequest("e-1", ("a",), many, dimensions=8), ONE_AT_A_TIME, Losses("gemini"))
    assert call.path == "/v1beta/models/e-1:embedContent"
    assert json.loads(call.body) == text("a", outputDimensionality=8)


def test_several_texts_where_batches_are_not_known() -> None:
    with pytest.raises(UnsupportedParameterError) as raised:
        _render(EmbeddingRequest("e-1", ("a", "b"), True), ONE_AT_A_TIME, Losses("gemini"))
    assert raised.value.param == "input"
