"""Embeddings and lists of models, both ways."""

import json
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse, Model

from tsuji.core.errors import InvalidRequestError, NotFoundError, UnsupportedParameterError, UpstreamProtocolError
from tsuji.core.provider import Quirks
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse, ModelInfo
from tsuji.core.usage import Usage
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.openai.embeddings import (
    parse_embedding_request,
    parse_embedding_response,
    render_embedding_request,
    render_embedding_response,
)
from tsuji.wire.openai.models import parse_models, render_models


def parse(body: Any, model: str | None = None) -> EmbeddingRequest:
    return parse_embedding_request(json.dumps(body).encode(), model)


def render(request: EmbeddingRequest, quirks: Quirks = NO_QUIRKS, losses: Losses | None = None) -> Any:
    call = render_embedding_request(request, quirks, losses or Losses("openai"))
    assert call.path == "/embeddings"
    return json.loads(call.body)


@pytest.mark.parametrize(
    ("wire", "inputs", "many"),
    [
        ("a", ("a",), False),
        (["a"], ("a",), True),
        (["a", "b"], ("a", "b"), True),
        ([1, 2], ((1, 2),), False),
        ([[1], [2]], ((1,), (2,)), True),
    ],
)
def test_inputs(wire: Any, inputs: Any, many: bool) -> None:
    request = parse({"model": "m", "input": wire})
    assert (request.inputs, request.many) == (inputs, many)
    assert render(request) == {"model": "m", "input": wire}


def test_fields_come_back() -> None:
    body = {
        "model": "m",
        "input": "a",
        "dimensions": 8,
        "encoding_format": "base64",
        "user": "u",
        "input_type": "query",
        "truncation": True,
    }
    request = parse(body)
    assert (request.dimensions, request.encoding, request.user, request.task) == (8, "base64", "u", "query")
    assert render(request) == body
    assert parse({"input": "a"}, "deployment").model == "deployment"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "a"}, "model"),
        ({"model": "", "input": "a"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": [1, "a"]}, "input[1]"),
        ({"model": "m", "input": ["a", 1]}, "input[1]"),
        ({"model": "m", "input": "a", "dimensions": "8"}, "dimensions"),
        ({"model": "m", "input": "a", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_wrong_requests(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(body)
    assert caught.value.param == param


def test_a_task_needs_a_provider_that_knows_it() -> None:
    noted = Losses("openai")
    assert render(EmbeddingRequest("m", ("a",), task="search_query"), losses=noted) == {"model": "m", "input": ["a"]}
    assert noted.dropped == ["task"]
    for request, name in (
        (EmbeddingRequest("m", ("a",), task="CODE_RETRIEVAL_QUERY"), "task"),
        (EmbeddingRequest("m", ("a",), title="t"), "title"),
    ):
        with pytest.raises(UnsupportedParameterError) as caught:
            render(request)
        assert caught.value.param == name
        dropping = Losses("openai", drop=True)
        assert render(request, losses=dropping) == {"model": "m", "input": ["a"]}
        assert dropping.dropped == [name]
    assert render(EmbeddingRequest("m", ("a",), task="query"), Quirks(accepts=("input_type",)))["input_type"] == "query"


def respond(body: Any) -> EmbeddingResponse:
    return parse_embedding_response(json.dumps(body).encode())


ROWS = [
    {"object": "embedding", "index": 1, "embedding": [2, 0.5]},
    {"object": "embedding", "index": 0, "embedding": [1.0, 0]},
]


def test_responses() -> None:
    body = {"object": "list", "data": ROWS, "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}, "odd": 1}
    found = respond(body)
    assert found == EmbeddingResponse("m", ((1.0, 0.0), (2.0, 0.5)), Usage(2, total=2), ext={"openai": {"odd": 1}})
    for encoding in (None, "float", "base64"):
        back = json.loads(render_embedding_response(found, EmbeddingRequest("m", ("a", "b"), encoding=encoding)))
        CreateEmbeddingResponse.model_validate({**back, "data": ROWS})
        assert back["usage"] == body["usage"]
        expected: list[Any] = ["AACAPwAAAAA=", "AAAAQAAAAD8="] if encoding == "base64" else [[1.0, 0.0], [2.0, 0.5]]
        assert [row["embedding"] for row in back["data"]] == expected


def test_base64_becomes_floats_where_asked() -> None:
    found = respond({"data": [{"embedding": "AACAPwAAAAA="}], "usage": {"total_tokens": 3}})
    assert found == EmbeddingResponse("", ("AACAPwAAAAA=",), Usage(3, total=3))
    floats = json.loads(render_embedding_response(found, EmbeddingRequest("m", ("a",), encoding="float")))
    assert floats["data"][0]["embedding"] == [1.0, 0.0]
    same = json.loads(render_embedding_response(found, EmbeddingRequest("m", ("a",), encoding="base64")))
    assert same["data"][0]["embedding"] == "AACAPwAAAAA="
    with pytest.raises(UpstreamProtocolError):
        render_embedding_response(EmbeddingResponse("m", ("AAA=",)), EmbeddingRequest("m", ("a",)))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {}},
        {"data": [1]},
        {"data": [{}]},
        {"data": [{"embedding": ["a"]}]},
        {"data": [{"embedding": [None]}]},
    ],
)
def test_what_are_no_embeddings(body: Any) -> None:
    with pytest.raises(UpstreamProtocolError):
        respond(body)


def test_an_error_in_place_of_embeddings() -> None:
    with pytest.raises(NotFoundError):
        respond({"error": {"message": "x", "code": 404}})


def test_models() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "object": "model", "created": 7, "owned_by": "o"},
        {
            "id": "b",
            "object": "model",
            "created": 7,
            "owned_by": "",
            "name": "B",
            "context_length": 9,
            "top_provider": {"max_completion_tokens": 5},
        },
        {"id": "c", "object": "model", "created": 0, "owned_by": "", "context_window": 8, "max_completion_tokens": 4},
    ]
    found = parse_models(json.dumps({"object": "list", "data": rows}).encode())
    assert [(m.id, m.created, m.display_name, m.context, m.max_output) for m in found] == [
        ("a", 7, None, None, None),
        ("b", 7, "B", 9, 5),
        ("c", 0, None, 8, 4),
    ]
    back = json.loads(render_models(found))
    assert back == {"object": "list", "data": rows}
    for row in back["data"]:
        Model.model_validate(row)
    assert parse_models(json.dumps(rows).encode()) == found


def test_models_of_other_dialects() -> None:
    (row,) = json.loads(render_models([ModelInfo("a", display_name="A", context=9, max_output=5)]))["data"]
    Model.model_validate(row)
    assert (row["display_name"], row["context_window"], row["max_completion_tokens"]) == ("A", 9, 5)


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b'{"data":5}', b"null"])
def test_what_is_no_list_of_models(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        parse_models(body)
