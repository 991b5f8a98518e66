"""/v2/embed and /v1/models, and the words for tasks."""

import json
from base64 import b64encode
from struct import pack
from typing import Any

import pytest
from cohere import EmbedByTypeResponse, ListModelsResponse

from tests.wire.cohere.wires import COHERE, PIXEL
from tsuji import catalog
from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError, UpstreamError, UpstreamProtocolError
from tsuji.core.provider import Quirks
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse, ModelInfo
from tsuji.core.usage import Usage
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.vectors import pack as as_base64
from tsuji.wire.vectors import unpack

assert COHERE.parse_embedding_request
assert COHERE.render_embedding_request
assert COHERE.parse_embedding_response
assert COHERE.render_embedding_response
assert COHERE.parse_models
assert COHERE.render_models
_parse, _render = COHERE.parse_embedding_request, COHERE.render_embedding_request
_read, _write = COHERE.parse_embedding_response, COHERE.render_embedding_response
_read_models, _write_models = COHERE.parse_models, COHERE.render_models

PACKED = b64encode(pack("<2f", 0.5, -0.25)).decode()
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
BODIES: list[Any] = [
    {"texts": ["a"], "input_type": "search_query"},
    {
        "texts": ["a", "b"],
        "input_type": "clustering",
        "embedding_types": ["float", "base64"],
        "output_dimension": 256,
        "truncate": "END",
        "max_tokens": 9,
        "priority": 1,
    },
    {"texts": ["a"], "embedding_types": ["int8", "float"], "input_type": "search_document"},
    {"images": [f"data:image/png;base64,{PIXEL}"], "input_type": "image", "embedding_types": ["float"]},
    {"inputs": [{"content": [{"type": "text", "text": "a"}]}], "input_type": "search_document"},
    {"inputs": [{"content": [{"type": "text", "text": "a"}, IMAGE]}], "input_type": "search_document"},
]


def rendered(request: EmbeddingRequest, quirks: Quirks = NO_QUIRKS, name: str = "cohere") -> Any:
    render = dialect(name).render_embedding_request
    assert render
    return json.loads(render(request, quirks, Losses(name)).body)


@pytest.mark.parametrize("body", BODIES)
def test_requests(body: Any) -> None:
    body = {"model": "embed-v4.0", **body}
    request = _parse(json.dumps(body).encode(), None)
    call = _render(request, NO_QUIRKS, Losses("cohere"))
    assert (call.path, json.loads(call.body)) == ("/v2/embed", body)


def test_in_core() -> None:
    found = _parse(json.dumps({"model": "e", **BODIES[1]}).encode(), None)
    assert (found.inputs, found.many, found.task, found.dimensions) == (("a", "b"), True, "clustering", 256)
    assert _parse(json.dumps({"model": "e", **BODIES[4]}).encode(), None).inputs == ("a",)
    for types, encoding in ((["float"], "float"), (["base64"], "base64"), (None, None)):
        body = {"model": "e", "texts": ["a"], "embedding_types": types}
        assert _parse(json.dumps(body).encode(), None).encoding == encoding


@pytest.mark.parametrize("target", ["openai", "gemini", "ollama"])
@pytest.mark.parametrize(
    ("body", "param"), [(BODIES[2], "embedding_types"), (BODIES[5], "inputs"), (BODIES[1], "max_tokens")]
)
def test_what_only_this_dialect_has_is_refused_by_name_elsewhere(target: str, body: Any, param: str) -> None:
    render = dialect(target).render_embedding_request
    assert render
    request = _parse(json.dumps({"model": "e", "texts": ["a"], **body, "input_type": None}).encode(), None)
    with pytest.raises(UnsupportedParameterError) as caught:
        render(request, NO_QUIRKS, Losses(target))
    assert caught.value.param == param


def test_images_alone_are_refused_elsewhere() -> None:
    request = _parse(json.dumps({"model": "e", **BODIES[3], "input_type": None}).encode(), None)
    for target in ("openai", "gemini", "ollama"):
        render = dialect(target).render_embedding_request
        assert render
        with pytest.raises(UnsupportedParameterError) as caught:
            render(request, NO_QUIRKS, Losses(target))
        assert caught.value.param == "images"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"texts": []}, "texts"),
        ({}, "texts"),
        ({"texts": [1]}, "texts[0]"),
        ({"texts": "a"}, "texts"),
        ({"texts": ["a"], "embedding_types": "float"}, "embedding_types"),
        ({"texts": ["a"], "input_type": 1}, "input_type"),
        ({"texts": ["a"], "output_dimension": "x"}, "output_dimension"),
        ({"inputs": [{"text": "a"}]}, "inputs[0].content"),
    ],
)
def test_mistakes_are_named(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        _parse(json.dumps({"model": "e", **body}).encode(), None)
    assert caught.value.param == param


def test_requests_of_other_dialects() -> None:
    asked = EmbeddingRequest("e", ("a",), False, 256, "base64", "RETRIEVAL_QUERY")
    assert rendered(asked) == {
        "model": "e",
        "texts": ["a"],
        "input_type": "search_query",
        "output_dimension": 256,
        "embedding_types": ["base64"],
    }
    assert rendered(EmbeddingRequest("e", ("a",)))["embedding_types"] == ["float"]
    for wrong, param in (
        (EmbeddingRequest("e", ((1, 2),)), "input[0]"),
        (EmbeddingRequest("e", ("a",), title="t"), "title"),
        (EmbeddingRequest("e", ("a",), task="text-matching"), "task"),
    ):
        with pytest.raises(UnsupportedParameterError) as caught:
            rendered(wrong)
        assert caught.value.param == param


def test_the_row_says_what_texts_are_unless_the_caller_does() -> None:
    quirks = catalog.provider("cohere").quirks
    assert rendered(EmbeddingRequest("e", ("a",)), quirks)["input_type"] == "search_document"
    assert rendered(EmbeddingRequest("e", ("a",), task="query"), quirks)["input_type"] == "search_query"
    request = COHERE.parse_request(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}', None, None)
    assert b"input_type" not in COHERE.render_request(request, quirks, Losses("cohere")).body


ANSWER: dict[str, Any] = {
    "id": "e1",
    "embeddings": {"float": [[0.5, -0.25]], "int8": [[3, -4]]},
    "texts": ["a"],
    "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 2}},
    "response_type": "embeddings_by_type",
}


def test_answers() -> None:
    found = _read(json.dumps(ANSWER).encode())
    assert (found.vectors, found.model, found.id) == (((0.5, -0.25),), "", "e1")
    assert found.usage is not None
    assert found.usage.input_tokens == 2
    asked = EmbeddingRequest("e", ("a",))
    body = _write(found, asked)
    assert json.loads(body) == ANSWER
    EmbedByTypeResponse.model_validate_json(body)
    openai = dialect("openai").render_embedding_response
    assert openai
    row = json.loads(openai(found, EmbeddingRequest("e", ("a",), encoding="base64")))["data"][0]
    assert row["embedding"] == PACKED
    assert COHERE.read_usage(json.dumps(ANSWER).encode()) == found.usage


def test_answers_of_one_type() -> None:
    assert _read(b'{"embeddings":{"base64":["AAAAPwAAgL4="]}}').vectors == (PACKED,)
    assert _read(b'{"embeddings":{"int8":[[3,-4]]}}').vectors == ((3.0, -4.0),)
    old = _read(b'{"id":"x","embeddings":[[0.5]],"response_type":"embeddings_floats"}')
    assert (old.vectors, old.usage) == (((0.5,),), None)


def test_what_came_with_images_has_no_known_price() -> None:
    body = {**ANSWER, "meta": {"billed_units": {"input_tokens": 2, "image_tokens": 90}}}
    used = _read(json.dumps(body).encode()).usage
    assert used is not None
    assert used.input_tokens is None


def test_answers_of_other_dialects() -> None:
    asked = _parse(b'{"model":"e","texts":["a"],"embedding_types":["float","base64"]}', None)
    for vectors in ([PACKED], [(0.5, -0.25)]):
        body = json.loads(_write(EmbeddingResponse("e", tuple(vectors), Usage(3)), asked))
        EmbedByTypeResponse.model_validate(body)
        assert body["embeddings"] == {"float": [[0.5, -0.25]], "base64": [PACKED]}
        assert body["texts"] == ["a"]
        assert body["meta"] == {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 3}}
    with pytest.raises(UpstreamProtocolError):
        _write(EmbeddingResponse("e", ("no base64!",)), EmbeddingRequest("e", ("a",)))


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'{"embeddings":5}', b'{"embeddings":{}}', b'{"embeddings":{"float":[5]}}']
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        _read(body)


def test_an_error_that_says_success() -> None:
    with pytest.raises(UpstreamError, match="too many"):
        _read(b'{"message":"too many texts"}')


# What vectors are for, across providers.


@pytest.mark.parametrize(
    ("provider", "field", "words"),
    [
        ("cohere", "input_type", ("search_query", "search_document", "classification", "clustering", None)),
        ("voyage", "input_type", ("query", "document", None, None, None)),
        ("jina", "task", ("retrieval.query", "retrieval.passage", "classification", "separation", "text-matching")),
        (
            "gemini",
            "taskType",
            ("RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "CLASSIFICATION", "CLUSTERING", "SEMANTIC_SIMILARITY"),
        ),
    ],
)
def test_each_provider_has_its_words(provider: str, field: str, words: tuple[str | None, ...]) -> None:
    row = catalog.provider(provider)
    spoken = [
        ("query", "RETRIEVAL_QUERY", "search_query", "retrieval.query"),
        ("document", "RETRIEVAL_DOCUMENT", "search_document", "retrieval.passage", "passage"),
        ("classification", "CLASSIFICATION"),
        ("clustering", "CLUSTERING", "separation"),
        ("similarity", "SEMANTIC_SIMILARITY", "text-matching"),
    ]
    for asked, expected in zip(spoken, words, strict=True):
        for word in asked:
            request = EmbeddingRequest("e", ("a",), False, task=word)
            if expected is None:
                with pytest.raises(UnsupportedParameterError) as caught:
                    rendered(request, row.quirks, row.dialect)
                assert caught.value.param == "task"
                render = dialect(row.dialect).render_embedding_request
                assert render
                losses = Losses(row.dialect, drop=True)
                render(request, row.quirks, losses)
                assert losses.dropped == ["task"]
            else:
                assert rendered(request, row.quirks, row.dialect)[field] == expected
    assert rendered(EmbeddingRequest("e", ("a",), False, task="CODE"), row.quirks, row.dialect)[field] == "CODE"


def test_accents_of_openais_embeddings() -> None:
    asked = EmbeddingRequest("e", ("a",), dimensions=256, encoding="base64", task="search_query")
    assert rendered(asked, catalog.provider("voyage").quirks, "openai") == {
        "model": "e",
        "input": ["a"],
        "output_dimension": 256,
        "encoding_format": "base64",
        "input_type": "query",
    }
    assert rendered(asked, catalog.provider("jina").quirks, "openai") == {
        "model": "e",
        "input": ["a"],
        "dimensions": 256,
        "embedding_type": "base64",
        "task": "retrieval.query",
    }
    plain = EmbeddingRequest("e", ("a",), dimensions=256, encoding="float")
    assert rendered(plain, catalog.provider("mistral").quirks, "openai") == {
        "model": "e",
        "input": ["a"],
        "output_dimension": 256,
    }
    nvidia = Quirks(accepts=("input_type",), tasks={"query": "query", "document": "passage"})
    assert rendered(EmbeddingRequest("e", ("a",), task="document"), nvidia, "openai")["input_type"] == "passage"


# Vectors.


def test_vectors() -> None:
    assert as_base64((0.5, -0.25)) == PACKED == as_base64(PACKED)
    assert tuple(unpack(PACKED)) == (0.5, -0.25) == unpack((0.5, -0.25))
    for wrong in ("AAA=", "no!", "é"):
        with pytest.raises(UpstreamProtocolError):
            unpack(wrong)
    with pytest.raises(UpstreamProtocolError):
        as_base64((1e300,))


# Models.


def test_models() -> None:
    row = {"name": "command-a", "endpoints": ["chat"], "finetuned": False, "context_length": 256000.0}
    (found,) = _read_models(json.dumps({"models": [row], "next_page_token": ""}).encode())
    assert (found.id, found.context) == ("command-a", 256000)
    assert json.loads(_write_models([found])) == {"models": [row]}
    mine = _write_models([ModelInfo("fast"), ModelInfo("slow", context=10)])
    assert json.loads(mine) == {"models": [{"name": "fast"}, {"name": "slow", "context_length": 10}]}
    ListModelsResponse.model_validate_json(mine)
    with pytest.raises(UpstreamProtocolError):
        _read_models(b'{"data":[]}')
