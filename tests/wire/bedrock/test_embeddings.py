"""Embeddings through InvokeModel: each family's own body, chosen by the model's id, answered by the client's."""

import base64
import json
import struct
from typing import Any

import pytest

from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError, UpstreamProtocolError
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse
from tsuji.core.usage import Usage
from tsuji.wire.bedrock.embeddings import (
    parse_embedding_request,
    parse_embedding_response,
    render_embedding_request,
    render_embedding_response,
)
from tsuji.wire.dialect import NO_QUIRKS, Losses

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "us.cohere.embed-v4:0"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"


def rendered(model: str, *inputs: str, drop: bool = False, **more: Any) -> Any:
    request = EmbeddingRequest(model, inputs or ("a",), **more)
    return json.loads(render_embedding_request(request, NO_QUIRKS, Losses("bedrock", drop)).body)


@pytest.mark.parametrize(
    ("model", "more", "body"),
    [
        (TITAN, {"dimensions": 256}, {"inputText": "a", "dimensions": 256}),
        ("amazon.titan-embed-text-v1", {}, {"inputText": "a"}),
        (
            "amazon.titan-embed-image-v1",
            {"dimensions": 384},
            {"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 384}},
        ),
        (COHERE, {"dimensions": 512}, {"texts": ["a"], "input_type": "search_document", "output_dimension": 512}),
        ("cohere.embed-english-v3", {"task": "clustering"}, {"texts": ["a"], "input_type": "clustering"}),
        (
            NOVA,
            {"dimensions": 1024, "task": "GENERIC_RETRIEVAL"},
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_RETRIEVAL",
                    "embeddingDimension": 1024,
                    "text": {"value": "a", "truncationMode": "NONE"},
                },
            },
        ),
    ],
)
def test_each_family_has_its_body(model: str, more: dict[str, Any], body: Any) -> None:
    assert rendered(model, **more) == body
    again = parse_embedding_request(json.dumps(body).encode(), model)
    assert (again.inputs, again.dimensions) == (("a",), more.get("dimensions"))


def test_several_texts_a_call() -> None:
    assert rendered(COHERE, "a", "b")["texts"] == ["a", "b"]
    for model in (TITAN, NOVA):
        with pytest.raises(UnsupportedParameterError, match="one text a call") as caught:
            rendered(model, "a", "b", drop=True)
        assert caught.value.param == "input"


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        ("amazon.titan-embed-text-v1", {"dimensions": 9}, "dimensions"),
        ("cohere.embed-english-v3", {"dimensions": 9}, "dimensions"),
        (TITAN, {"task": "search_query"}, "task"),
        (COHERE, {"title": "t"}, "title"),
        (COHERE, {"ext": {"gemini": {"x": 1}}}, "x"),
    ],
)
def test_what_a_family_cannot_say(model: str, more: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        rendered(model, **more)
    assert caught.value.param == param
    assert rendered(model, drop=True, **more)


def test_token_lists_nothing_and_an_unknown_model() -> None:
    request = EmbeddingRequest(TITAN, ((1, 2),))
    with pytest.raises(UnsupportedParameterError, match="token lists"):
        render_embedding_request(request, NO_QUIRKS, Losses("bedrock"))
    with pytest.raises(InvalidRequestError):
        render_embedding_request(EmbeddingRequest(TITAN, ()), NO_QUIRKS, Losses("bedrock"))
    with pytest.raises(InvalidRequestError, match="not known how"):
        rendered("twelvelabs.marengo-embed-2-7-v1:0")


def test_a_profile_without_a_family_in_its_name_is_asked_as_the_client_asked() -> None:
    arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/x"
    body = {"inputText": "a", "normalize": False, "embeddingTypes": ["float"]}
    request = parse_embedding_request(json.dumps(body).encode(), arn)
    call = render_embedding_request(request, NO_QUIRKS, Losses("bedrock"))
    assert json.loads(call.body) == body
    assert call.path == "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fx/invoke"


ANSWERS: list[Any] = [
    {"embedding": [0.5, 1], "inputTextTokenCount": 3, "message": None},
    {"embedding": [0.5, 1], "embeddingsByType": {"float": [0.5, 1]}},
    {"embeddings": [[0.5, 1]], "id": "i", "texts": ["a"]},
    {"embeddings": {"float": [[0.5, 1]]}, "id": "i"},
    {"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5, 1]}]},
]


@pytest.mark.parametrize("body", ANSWERS, ids=range(len(ANSWERS)))
def test_answers_by_their_shape(body: Any) -> None:
    answer = parse_embedding_response(json.dumps(body).encode())
    assert answer.vectors == ((0.5, 1.0),)
    assert answer.usage == (Usage(input_tokens=3) if "inputTextTokenCount" in body else None)


@pytest.mark.parametrize("body", [b"{}", b'{"embeddings":5}', b'{"embedding":["a"]}', b'{"message":"no"}', b"[]"])
def test_answers_that_are_none(body: bytes) -> None:
    with pytest.raises((UpstreamProtocolError, Exception)) as caught:
        parse_embedding_response(body)
    assert caught.value.fault == "upstream"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"inputText": "a"}, {"embedding": [0.5], "inputTextTokenCount": 3}),
        (
            {"texts": ["a"]},
            {"embeddings": [[0.5]], "id": "", "response_type": "embeddings_floats", "texts": ["a"]},
        ),
        (
            {"texts": ["a"], "embedding_types": ["float"]},
            {"embeddings": {"float": [[0.5]]}, "id": "", "response_type": "embeddings_by_type", "texts": ["a"]},
        ),
        (
            {"singleEmbeddingParams": {"text": {"value": "a"}}},
            {"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5]}]},
        ),
    ],
)
def test_a_client_is_answered_in_its_family(asked: Any, expected: Any) -> None:
    request = parse_embedding_request(json.dumps(asked).encode(), "m")
    packed = base64.b64encode(struct.pack("<f", 0.5)).decode()
    for vector in ((0.5,), packed):
        response = EmbeddingResponse("m", (vector,), Usage(input_tokens=3))
        assert json.loads(render_embedding_response(response, request)) == expected
    with pytest.raises(UpstreamProtocolError):
        render_embedding_response(EmbeddingResponse("m", ("no base64",)), request)


@pytest.mark.parametrize(
    "body",
    [
        {"texts": []},
        {"texts": "a"},
        {"inputText": 5},
        {"inputText": "a", "dimensions": "many"},
        {"singleEmbeddingParams": {"image": {}}},
        {"taskType": "SEGMENTED_EMBEDDING", "singleEmbeddingParams": {"text": {"value": "a"}}},
        {"messages": []},
    ],
)
def test_bodies_that_are_none(body: Any) -> None:
    with pytest.raises(InvalidRequestError):
        parse_embedding_request(json.dumps(body).encode(), "m")
    with pytest.raises(InvalidRequestError, match="path"):
        parse_embedding_request(json.dumps(body).encode(), None)
