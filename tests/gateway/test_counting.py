"""Tokens counted before a call: at the provider's own endpoint, by the local model, or honestly not at all."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Serving, config, start
from tests.scripted import Reply
from tests.wire.recordings import MISSING, Exchange, exchanges

BODIES: dict[str, dict[str, Any]] = {
    "anthropic": {
        "model": "up:m",
        "messages": [{"role": "user", "content": "hi"}],
        "unheard_of": {"b": 1, "a": [2.50]},
    },
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "unheardOf": 1},
    "responses": {"model": "up:m", "input": "hi", "unheard_of": None},
}
PATHS = {
    "anthropic": "/v1/messages/count_tokens",
    "gemini": "/v1beta/models/up:m:countTokens",
    "responses": "/v1/responses/input_tokens",
}
UP_PATHS = {**PATHS, "gemini": "/v1beta/models/m:countTokens"}
NUMBERS: dict[str, dict[str, Any]] = {
    "anthropic": {"input_tokens": 14, "context_management": {"original_input_tokens": 20}},
    "gemini": {"totalTokens": 14, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 14}]},
    "responses": {"input_tokens": 14, "object": "response.input_tokens"},
}
each = pytest.mark.parametrize("dialect", PATHS)


@each
def test_the_provider_of_the_dialect_is_asked_as_it_came(dialect: str, behind: Any) -> None:
    said = json.dumps(NUMBERS[dialect]).encode()
    gateway, provider = behind(dialect, Reply(said))
    answer = gateway.ask(PATHS[dialect] + "?beta=true", BODIES[dialect], {"anthropic-beta": "b1"})
    assert (answer.status, answer.body) == (200, said)
    assert answer.headers["x-tsuji-target"] == "up:m"
    assert "x-tsuji-cost" not in answer.headers
    assert provider.last.path == UP_PATHS[dialect]
    sent = provider.last.json()
    assert sent == BODIES[dialect] | ({"model": "m"} if "model" in BODIES[dialect] else {})
    assert provider.last.headers.get("anthropic-beta") == ("b1" if dialect == "anthropic" else None)


def test_a_model_that_geminis_body_names_too(behind: Any) -> None:
    gateway, provider = behind("gemini", Reply(b'{"totalTokens": 3}'))
    nested = {"model": "models/up:m", **BODIES["gemini"], "systemInstruction": {"parts": [{"text": "be brief"}]}}
    assert gateway.ask(PATHS["gemini"], {"generateContentRequest": nested}).json() == {"totalTokens": 3}
    assert provider.last.json() == {"generateContentRequest": {**nested, "model": "models/m"}}
    wrong = gateway.ask(PATHS["gemini"], {"generateContentRequest": 3})
    assert wrong.status == 400
    assert "generateContentRequest" in asking.error("gemini", wrong.body)[1]


@pytest.mark.parametrize(
    ("dialect", "upstream"), [(d, other) for d in PATHS for other in asking.DIALECTS if other != d]
)
def test_another_dialects_tokens_are_not_guessed(dialect: str, upstream: str, behind: Any) -> None:
    gateway, provider = behind(upstream, answers.chat(upstream))
    answer = gateway.ask(PATHS[dialect], BODIES[dialect])
    assert (answer.status, answer.headers["x-tsuji-fault"]) == (501, "gateway")
    assert f"speaks {upstream}" in asking.error(dialect, answer.body)[1]
    assert not provider.requests


def test_thinking_of_another_provider_is_not_counted(behind: Any) -> None:
    gateway, provider = behind("anthropic", Reply(b'{"input_tokens": 1}'))
    block = {"type": "redacted_thinking", "data": "tsuji.abc"}
    body = {"model": "up:m", "messages": [{"role": "assistant", "content": [block]}]}
    answer = gateway.ask(PATHS["anthropic"], body)
    assert answer.status == 501
    assert "thinking of another provider" in asking.error("anthropic", answer.body)[1]
    assert not provider.requests


@each
@pytest.mark.parametrize(
    "wrong", [b"{}", b'{"input_tokens": "14", "totalTokens": -1}', b"[]", b'{"input_tokens": 1', b"<html>"]
)
def test_an_answer_without_a_number_is_none(dialect: str, wrong: bytes, behind: Any) -> None:
    gateway, _ = behind(dialect, Reply(wrong))
    answer = gateway.ask(PATHS[dialect], BODIES[dialect])
    assert (answer.status, answer.headers["x-tsuji-fault"]) == (502, "upstream")
    assert asking.error(dialect, answer.body)[1]


@each
def test_the_providers_error_keeps_its_status_and_words(dialect: str, behind: Any) -> None:
    gateway, _ = behind(dialect, answers.error(dialect, 429, "slow down"))
    answer = gateway.ask(PATHS[dialect], BODIES[dialect])
    assert (answer.status, asking.error(dialect, answer.body)[1]) == (429, "slow down")


def test_a_body_without_a_model(behind: Any) -> None:
    gateway, _ = behind("anthropic", Reply(b"{}"))
    answer = gateway.ask(PATHS["anthropic"], {"messages": []})
    assert (answer.status, answer.headers["x-tsuji-fault"]) == (400, "caller")


# The local model.


@pytest.fixture(scope="module")
def local(shared_engine: Any) -> Iterator[Serving]:
    serving = start(config({}))
    yield serving
    serving.stop()


@each
@pytest.mark.parametrize("tools", [False, True], ids=["plain", "tools"])
def test_the_local_model_counts_what_it_will_read(dialect: str, tools: bool, local: Serving) -> None:
    """The count is what the answer's usage then says."""
    path, body = asking.chat(dialect, model="local:default", **(TOOLS[dialect] if tools else {}))
    body |= LIMIT[dialect]
    said = asking.usage(dialect, local.ask(path, body))[0]
    counted = {k: v for k, v in body.items() if k != "max_tokens"}
    answer = local.ask(PATHS[dialect].replace("up:m", "local:default"), counted)
    assert answer.status == 200
    assert answer.json()["totalTokens" if dialect == "gemini" else "input_tokens"] == said > 0
    if dialect == "gemini":
        nested = local.ask("/v1beta/models/local:default:countTokens", {"generateContentRequest": counted})
        assert nested.json() == answer.json()


TOOLS: dict[str, dict[str, Any]] = {
    "responses": {"tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]},
    "anthropic": {"tools": [{"name": "weather", "input_schema": {"type": "object"}}]},
    "gemini": {"tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": {"type": "object"}}]}]},
}
LIMIT: dict[str, dict[str, Any]] = {
    "gemini": {"generationConfig": {"maxOutputTokens": 4}},
    "anthropic": {"max_tokens": 4},
    "responses": {"max_output_tokens": 4},
}


# What was recorded.

_DIALECT_OF = {
    "api.anthropic.com": "anthropic",
    "api.openai.com": "responses",
    "generativelanguage.googleapis.com": "gemini",
    "aiplatform.googleapis.com": "gemini",
}
RECORDED = exchanges(hosts=_DIALECT_OF, path=lambda p: p.endswith(("count_tokens", ":countTokens", "input_tokens")))


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "there are recordings")
@pytest.mark.parametrize("exchange", RECORDED, ids=lambda e: e.id)
def test_recorded_counts_pass_unchanged(exchange: Exchange, behind: Any) -> None:
    dialect = _DIALECT_OF[exchange.host]
    gateway, provider = behind(dialect, Reply(exchange.raw_response, exchange.status))
    body, model = dict(exchange.request), exchange.path.rpartition("/")[2].partition(":")[0]
    if dialect != "gemini":
        model = body["model"]
        body["model"] = "up:" + model
    answer = gateway.ask(PATHS[dialect].replace("up:m", "up:" + model), body)
    assert (answer.status, answer.body) == (exchange.status, exchange.raw_response)
    assert provider.last.json() == exchange.request
    assert provider.last.path == UP_PATHS[dialect].replace("/m:", f"/{model}:")
