"""The table of endpoints, and what the gateway answers out of itself."""

from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import config
from tsuji.core.errors import NotFoundError
from tsuji.gateway.endpoints import WrongMethodError, dialect_of, find


@pytest.mark.parametrize(
    ("method", "path", "operation", "dialect", "model"),
    [
        ("POST", "/v1/chat/completions", "chat", "openai", None),
        ("POST", "/v1/embeddings", "embeddings", "openai", None),
        ("POST", "/v1/responses", "chat", "responses", None),
        ("POST", "/v1/messages", "chat", "anthropic", None),
        ("POST", "/v1/messages/count_tokens", "count_tokens", "anthropic", None),
        ("POST", "/v1/responses/input_tokens", "count_tokens", "responses", None),
        ("POST", "/v1beta/models/a:b:countTokens", "count_tokens", "gemini", "a:b"),
        ("POST", "/v1beta/models/a:b:generateContent", "chat", "gemini", "a:b"),
        ("POST", "/v1beta/models/a/b/c:streamGenerateContent", "chat", "gemini", "a/b/c"),
        ("POST", "/v1beta/models/models/local:default:generateContent", "chat", "gemini", "local:default"),
        ("POST", "/v1beta/models/a%2Fb%20c:embedContent", "embeddings", "gemini", "a/b c"),
        ("POST", "/v1beta/models/m:batchEmbedContents", "embeddings", "gemini", "m"),
        ("POST", "/v1/models/m:generateContent", "chat", "gemini", "m"),
        ("GET", "/v1/models/a:b/c", "model", "openai", "a:b/c"),
        ("HEAD", "/v1/models/a", "model", "openai", "a"),
        ("GET", "/v1beta/models/a", "model", "gemini", "a"),
        ("GET", "/v1beta/models", "models", "gemini", None),
        ("HEAD", "/healthz", "health", "openai", None),
    ],
)
def test_what_a_path_means(method: str, path: str, operation: str, dialect: str, model: str | None) -> None:
    endpoint, named = find(method.encode(), path.encode())
    assert (endpoint.operation, endpoint.dialect, named) == (operation, dialect, model)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/models/", "/v1/messages/", "/x"])
def test_paths_that_mean_nothing(path: str) -> None:
    with pytest.raises(NotFoundError):
        find(b"POST" if path.endswith("/") else b"GET", path.encode())


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", b"POST"),
        ("POST", "/healthz", b"GET, HEAD"),
        ("DELETE", "/v1beta/models/m:generateContent", b"GET, HEAD, POST"),
        ("PUT", "/v1/models", b"GET, HEAD"),
    ],
)
def test_the_wrong_method(method: str, path: str, allow: bytes) -> None:
    with pytest.raises(WrongMethodError) as caught:
        find(method.encode(), path.encode())
    assert caught.value.allow == allow


def test_errors_speak_the_dialect_of_the_path(behind: Any) -> None:
    gateway, _ = behind("openai", answers.chat("openai"))
    for path, dialect in (
        ("/v1/nothing", "openai"),
        ("/v1/messages/x", "anthropic"),
        ("/v1beta/x", "gemini"),
        ("/api/pull", "ollama"),
        ("/v2/rerank", "cohere"),
    ):
        assert dialect_of(path.encode()) == dialect
        answer = gateway.ask(path, {})
        assert answer.status == 404
        assert asking.error(dialect, answer.body)[1]
    wrong = gateway.ask("/v1/messages", b"", method="GET")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert "POST" in asking.error("anthropic", wrong.body)[1]
    near = gateway.ask("/chat/completions", {})
    assert "/v1/chat/completions" in asking.error("openai", near.body)[1]


def test_models_are_listed_in_each_dialect(serve: Any) -> None:
    gateway = serve(config({"up": ("openai", "http://127.0.0.1:9")}, {"fast": ["up:m"], "smart": ["up:n"]}))
    openai = gateway.ask("/v1/models", b"", method="GET").json()
    assert openai["object"] == "list"
    assert {"fast", "smart"} <= {row["id"] for row in openai["data"]}
    anthropic = gateway.ask("/v1/models", b"", {"anthropic-version": "2023-06-01"}, "GET").json()
    assert anthropic["data"][0]["type"] == "model"
    gemini = gateway.ask("/v1beta/models", b"", method="GET").json()
    assert "models/fast" in [row["name"] for row in gemini["models"]]
    assert gateway.ask("/v1/models", b"", {"x-goog-api-key": "unused"}, "GET").json() == gemini
    for header in ({"user-agent": "cohere/7.3.1"}, {"x-client-name": "mine"}):
        cohere = gateway.ask("/v1/models", b"", header, "GET").json()
        assert {"name": "fast"} in cohere["models"]


def test_one_model(serve: Any) -> None:
    gateway = serve(config({"up": ("openai", "http://127.0.0.1:9")}, {"fast": ["up:m"]}))
    assert gateway.ask("/v1/models/fast", b"", method="GET").json()["id"] == "fast"
    assert gateway.ask("/v1/models/up:any/thing", b"", method="GET").json()["id"] == "up:any/thing"
    assert gateway.ask("/v1/models/fast", b"", {"anthropic-version": "1"}, "GET").json()["type"] == "model"
    assert gateway.ask("/v1beta/models/fast", b"", method="GET").json()["name"] == "models/fast"
    assert gateway.ask("/v1/models/nobody:m", b"", method="GET").status == 404


def test_health_and_the_front_page(serve: Any) -> None:
    gateway = serve(config({}))
    assert gateway.ask("/healthz", b"", method="GET").json() == {"status": "ok"}
    assert gateway.ask("/readyz", b"", method="GET").json() == {"status": "ready"}
    assert "POST /v1/chat/completions" in gateway.ask("/", b"", method="GET").json()["endpoints"]
