"""embedding() and list_models()."""

import pytest

from tests import answers
from tests.client.conftest import DIALECTS
from tests.scripted import Reply
from tsuji import InvalidRequestError, ModelNotFoundError, UnsupportedParameterError, UpstreamProtocolError


@pytest.mark.parametrize("packed", [False, True])
def test_vectors_are_floats(connect, packed):
    client, server = connect(answers.embeddings("openai", [[0.5, -0.25], [1.0, 0.0]], packed=packed))
    r = client.embedding("mock:e", ["a", "b"])
    assert [d.embedding for d in r.data] == [[0.5, -0.25], [1.0, 0.0]]
    assert [d.index for d in r.data] == [0, 1]
    assert (r.object, r.usage.prompt_tokens, r.usage.total_tokens) == ("list", 3, 3)
    assert r.tsuji.target == "mock:e"
    assert server.last.path == "/embeddings"
    assert server.last.json() == {"model": "e", "input": ["a", "b"]}


def test_base64_stays_where_it_was_asked_for(connect):
    client, server = connect(answers.embeddings("openai", packed=True))
    r = client.embedding("mock:e", input="a", encoding_format="base64", dimensions=2)
    assert r.data[0].embedding == "AAAAPwAAgL4="
    assert server.last.json() == {"model": "e", "input": "a", "encoding_format": "base64", "dimensions": 2}


def test_gemini(connect):
    client, server = connect(answers.embeddings("gemini", [[0.5], [0.25]]), "gemini")
    r = client.embedding("mock:e", ["a", "b"])
    assert [d.embedding for d in r.data] == [[0.5], [0.25]]
    assert "batchEmbedContents" in server.last.path


def test_cohere(connect):
    client, server = connect(answers.embeddings("cohere", [[0.5], [0.25]]), "cohere")
    r = client.embedding("mock:e", ["a", "b"], task="query", dimensions=256)
    assert [d.embedding for d in r.data] == [[0.5], [0.25]]
    assert (r.model, r.usage.prompt_tokens) == ("e", 3)  # the answer does not say its model
    assert server.last.path == "/v2/embed"
    sent = {"texts": ["a", "b"], "input_type": "search_query", "embedding_types": ["float"], "output_dimension": 256}
    assert server.last.json() == {"model": "e", **sent}


def test_dump_is_valid_for_openais_client(connect):
    from openai.types import CreateEmbeddingResponse

    client, _ = connect(answers.embeddings("openai"))
    dump = client.embedding("mock:e", "a").model_dump()
    assert CreateEmbeddingResponse.model_validate(dump).data[0].embedding == [0.5, -0.25]


@pytest.mark.parametrize("inputs", ["a", ["a", "b"], [1, 2, 3], [[1, 2], [3]], ("a", "b")])
def test_forms_of_input(connect, inputs):
    client, server = connect(answers.embeddings("openai"))
    client.embedding("mock:e", inputs)
    assert server.last.json()["input"] == (list(inputs) if isinstance(inputs, tuple) else inputs)


@pytest.mark.parametrize("inputs", [None, [], [1, "a"], [None], {"a": 1}, 5])
def test_wrong_input(connect, inputs):
    client, server = connect(answers.embeddings("openai"))
    with pytest.raises(InvalidRequestError) as caught:
        client.embedding("mock:e", inputs)
    assert caught.value.param == "inputs"
    assert not server.requests


def test_a_dialect_without_embeddings(connect):
    client, _ = connect((), "anthropic")
    with pytest.raises(UnsupportedParameterError, match="no embeddings"):
        client.embedding("mock:e", "a")


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "bedrock"])  # its list is another service
def test_models(connect, dialect):
    client, server = connect(answers.models(dialect), dialect)
    found = client.list_models("mock")
    assert [m.id for m in found] == ["model-1", "model-2"]
    assert server.last.method == "GET"
    assert "content-length" not in server.last.headers
    if dialect == "gemini":
        assert (found[0].context, found[0].max_output) == (1000, 100)
    if dialect == "openai":
        assert (found[0].owned_by, found[0].created) == ("us", 1700000000)


def test_models_of_whom(connect):
    client, _ = connect([answers.html(), Reply(b"{}")])
    with pytest.raises(ModelNotFoundError, match="'anthropic'"):
        client.list_models("antropic")
    with pytest.raises(TypeError, match="'stream'"):
        client.list_models("mock", stream=True)
    for _ in range(2):
        with pytest.raises(UpstreamProtocolError):
            client.list_models("mock")


def test_local_models_need_no_network():
    from tsuji import Client

    with Client() as client:
        assert "default" in {m.id for m in client.list_models("local")}
