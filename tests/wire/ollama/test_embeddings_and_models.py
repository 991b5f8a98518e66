"""/api/embed, /api/embeddings and /api/tags."""

import json
from base64 import b64encode
from struct import pack
from typing import Any

import ollama
import pytest

from tests.wire.ollama.wires import OLLAMA
from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError, UpstreamProtocolError
from tsuji.core.request import EmbeddingRequest
from tsuji.core.response import EmbeddingResponse, ModelInfo
from tsuji.core.usage import Usage
from tsuji.wire.dialect import NO_QUIRKS, Losses

assert OLLAMA.parse_embedding_request
assert OLLAMA.render_embedding_request
assert OLLAMA.parse_embedding_response
assert OLLAMA.render_embedding_response
assert OLLAMA.parse_models
assert OLLAMA.render_models
_parse, _render = OLLAMA.parse_embedding_request, OLLAMA.render_embedding_request
_read, _write = OLLAMA.parse_embedding_response, OLLAMA.render_embedding_response
_read_models, _write_models = OLLAMA.parse_models, OLLAMA.render_models

BODIES: list[tuple[Any, str]] = [
    ({"model": "e", "input": "a"}, "/api/embed"),
    (
        {
            "model": "e",
            "input": ["a", "b"],
            "dimensions": 8,
            "truncate": False,
            "keep_alive": "5m",
            "options": {"num_ctx": 10},
            "odd": 1,
        },
        "/api/embed",
    ),
    ({"model": "e", "prompt": "a", "keep_alive": 1}, "/api/embeddings"),
]


@pytest.mark.parametrize(("body", "path"), BODIES)
def test_requests(body: Any, path: str) -> None:
    request = _parse(json.dumps(body).encode(), None)
    call = _render(request, NO_QUIRKS, Losses("ollama"))
    assert (call.path, json.loads(call.body)) == (path, body)


def test_in_core() -> None:
    request = _parse(json.dumps(BODIES[1][0]).encode(), None)
    assert (request.inputs, request.many, request.dimensions) == (("a", "b"), True, 8)
    assert not _parse(b'{"model":"e","input":"a"}', None).many


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "a"}, "model"),
        ({"model": "e"}, "input"),
        ({"model": "e", "input": []}, "input"),
        ({"model": "e", "input": ["a", 1]}, "input[1]"),
        ({"model": "e", "prompt": 1}, "prompt"),
        ({"model": "e", "input": "a", "dimensions": "x"}, "dimensions"),
    ],
)
def test_what_is_wrong_is_named(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        _parse(json.dumps(body).encode(), None)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"inputs": ((1, 2),)}, "input[0]"), ({"task": "image"}, "task"), ({"title": "t"}, "title")],
)
def test_what_cannot_be_said_is_refused_by_name(fields: Any, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        _render(EmbeddingRequest(**{"model": "e", "inputs": ("a",), **fields}), NO_QUIRKS, Losses("ollama"))
    assert caught.value.param == param


def test_a_task_is_left_out() -> None:
    losses = Losses("ollama")
    call = _render(EmbeddingRequest("e", ("a",), False, task="RETRIEVAL_QUERY"), NO_QUIRKS, losses)
    assert (json.loads(call.body), losses.dropped) == ({"model": "e", "input": "a"}, ["task"])


def test_answers() -> None:
    body = {"model": "e", "embeddings": [[0.5, 1.0]], "prompt_eval_count": 3, "total_duration": 7}
    found = _read(json.dumps(body).encode())
    assert (found.vectors, found.usage) == (((0.5, 1.0),), Usage(3))
    request = EmbeddingRequest("e", ("a",))
    assert json.loads(_write(found, request)) == body
    ollama.EmbedResponse.model_validate_json(_write(found, request))
    legacy = _parse(b'{"model":"e","prompt":"a"}', None)
    assert json.loads(_write(_read(b'{"embedding":[1,2]}'), legacy)) == {"embedding": [1.0, 2.0]}


def test_vectors_of_another_dialect() -> None:
    packed = b64encode(pack("<2f", 0.5, -0.25)).decode()
    answer = _write(EmbeddingResponse("", (packed,)), EmbeddingRequest("e", ("a",)))
    assert json.loads(answer) == {"model": "e", "embeddings": [[0.5, -0.25]]}
    with pytest.raises(UpstreamProtocolError):
        _write(EmbeddingResponse("", ("abc",)), EmbeddingRequest("e", ("a",)))


@pytest.mark.parametrize("body", [b"{}", b'{"embeddings":{}}', b'{"embeddings":[1]}', b'{"embeddings":[["x"]]}', b"x"])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        _read(body)
    with pytest.raises(UpstreamProtocolError):
        _read_models(body)


def test_models() -> None:
    row = {
        "name": "gemma3:latest",
        "model": "gemma3:latest",
        "modified_at": "2025-10-03T23:34:03.409490317-07:00",
        "size": 3338801804,
        "digest": "a2af6c",
        "details": {"family": "gemma", "parameter_size": "4.3B"},
    }
    (found,) = _read_models(json.dumps({"models": [row]}).encode())
    assert (found.id, found.created) == ("gemma3:latest", 1759559643)
    back = json.loads(_write_models([found]))["models"][0]
    assert back == {**row, "modified_at": "2025-10-04T06:34:03Z"}
    listed = ollama.ListResponse.model_validate_json(_write_models([ModelInfo("fast")]))
    assert [m.model for m in listed.models] == ["fast"]
