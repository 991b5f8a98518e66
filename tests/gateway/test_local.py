"""The local model behind the gateway: real llama.cpp, every dialect."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.fixtures import fetched
from tests.gateway import asking
from tests.gateway.serving import Serving, config, request, start

LIMIT = {
    "gemini": {"generationConfig": {"maxOutputTokens": 20}},
    "ollama": {"options": {"num_predict": 20}},
    "responses": {"max_output_tokens": 20},
    "bedrock": {"inferenceConfig": {"maxTokens": 20}},
}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def gateway(shared_engine: Any) -> Iterator[Serving]:
    serving = start(config({}, {"fallback": ["nowhere:m", "local:default"]}))
    yield serving
    serving.stop()


@pytest.mark.parametrize("client", asking.DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_it_answers_every_dialect(client: str, stream: bool, gateway: Serving) -> None:
    path, body = asking.chat(client, model="local:default", stream=stream)
    answer = gateway.ask(path, body | LIMIT.get(client, {"max_tokens": 20}))
    assert answer.status == 200
    assert answer.headers["x-tsuji-cost"] == "0.000000000"
    assert answer.headers["x-tsuji-target"] == "local:default"
    if stream:
        assert asking.streamed(client, answer)
        assert asking.ended(client, answer)
        if client not in ("gemini", "ollama", "bedrock"):  # streams of these have no comments
            facts = answer.summary()
            assert facts["cost"] == "0.000000000"
            assert min(facts["input_tokens"], facts["output_tokens"]) > 0
    else:
        assert asking.text(client, answer)
        assert min(asking.usage(client, answer)) > 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_must_be_called_is_called(stream: bool, gateway: Serving) -> None:
    path, body = asking.chat("openai", model="local:default", stream=stream, tools=[TOOL], tool_choice="required")
    answer = gateway.ask(path, body | {"max_tokens": 200, "temperature": 0})
    assert answer.status == 200
    if stream:
        deltas = [c["delta"] for e in answer.events() if e != "[DONE]" for c in e.get("choices", ())]
        calls = [call["function"] for delta in deltas for call in delta.get("tool_calls", ())]
        name, arguments = calls[0]["name"], "".join([call.get("arguments", "") for call in calls])
        ends = [c["finish_reason"] for e in answer.events() if e != "[DONE]" for c in e.get("choices", ())]
        assert ends[-1] == "tool_calls"
    else:
        choice = answer.json()["choices"][0]
        (call,) = choice["message"]["tool_calls"]
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        assert choice["finish_reason"] == "tool_calls"
    assert name == "weather"
    assert isinstance(json.loads(arguments)["city"], str)


def test_embeddings(gateway: Serving, local_engine: Any) -> None:
    fetched(local_engine, "embed")
    answer = gateway.ask("/v1/embeddings", {"model": "local:embed", "input": ["a cat", "a kitten"]})
    assert answer.status == 200
    assert [len(row["embedding"]) for row in answer.json()["data"]] == [384, 384]


def test_it_is_a_fallback_like_any_other(gateway: Serving) -> None:
    path, body = asking.chat("openai", model="fallback")
    answer = gateway.ask(path, body | {"max_tokens": 20})
    assert (answer.status, answer.headers["x-tsuji-attempts"]) == (200, "2")


def test_a_model_that_there_is_not(gateway: Serving) -> None:
    for client in asking.DIALECTS:
        answer = gateway.ask(*asking.chat(client, model="local:no-such-model"))
        assert answer.status == 404
        assert "no-such-model" in asking.error(client, answer.body)[1]


def test_the_list_of_models_has_it(gateway: Serving) -> None:
    ids = [row["id"] for row in gateway.ask("/v1/models", b"", method="GET").json()["data"]]
    assert "local:default" in ids


def test_a_crash_is_told_and_the_next_request_is_served(gateway: Serving, local_engine: Any) -> None:
    path, body = asking.chat("openai", model="local:default", stream=True)
    bounded = body | {"max_tokens": 20}
    with gateway.client() as client:
        client.send(request(path, body | {"max_tokens": 2000, "messages": [{"role": "user", "content": "Count."}]}))
        client.piece()
        os.kill(local_engine.endpoint("default").info.pid, signal.SIGKILL)
        answer = client.rest()
        assert not answer.endswith(b"0\r\n\r\n")
        assert b"SIGKILL" in answer
    assert gateway.ask(path, bounded).status == 200
