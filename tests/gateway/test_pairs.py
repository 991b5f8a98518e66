"""Every dialect reaches every provider: plain, streaming, tools."""

import json
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking

PAIRS = [(client, upstream) for client in asking.DIALECTS for upstream in asking.DIALECTS]
KEY = {
    "openai": ("authorization", "Bearer upstream-key"),
    "responses": ("authorization", "Bearer upstream-key"),
    "anthropic": ("x-api-key", "upstream-key"),
    "gemini": ("x-goog-api-key", "upstream-key"),
    "ollama": ("authorization", "Bearer upstream-key"),
    "cohere": ("authorization", "Bearer upstream-key"),
    "bedrock": ("authorization", "Bearer upstream-key"),
}
UP_PATH = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:generateContent",
    "ollama": "/api/chat",
    "responses": "/v1/responses",
    "cohere": "/v2/chat",
    "bedrock": "/model/m/converse",
}
NO_COMMENTS = ("gemini", "ollama", "bedrock")
"""Clients of these take every line for data, or know no lines."""
NAMED_IN_THE_PATH = ("gemini", "bedrock")
EMBEDDING = ("openai", "gemini", "ollama", "cohere")
TOOLS: dict[str, dict[str, Any]] = {
    "responses": {"tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]},
    "openai": {"tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]},
    "anthropic": {"tools": [{"name": "weather", "input_schema": {"type": "object"}}]},
    "gemini": {"tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": {"type": "object"}}]}]},
    "ollama": {"tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]},
    "cohere": {"tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]},
    "bedrock": {"toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {}}}}]}},
}


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_whole_answer(client: str, upstream: str, behind: Any) -> None:
    gateway, provider = behind(upstream, answers.chat(upstream, "konnichiwa", prompt=12, output=7))
    path, body = asking.chat(client)
    answer = gateway.ask(path, body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert asking.text(client, answer) == "konnichiwa"
    assert asking.usage(client, answer) == (12, 7)
    assert answer.headers["x-tsuji-target"] == "up:m"
    assert answer.headers["x-tsuji-attempts"] == "1"
    assert answer.headers["x-tsuji-cost"] == "unknown"
    assert int(answer.headers["x-tsuji-overhead-us"]) > 0
    assert len(answer.headers["x-tsuji-request-id"]) == 20
    sent = provider.last
    assert sent.path == UP_PATH[upstream]
    name, key = KEY[upstream]
    assert sent.headers[name] == key
    assert "x-tsuji" not in "".join(sent.headers)
    if upstream not in NAMED_IN_THE_PATH:
        assert sent.json()["model"] == "m"


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream(client: str, upstream: str, behind: Any) -> None:
    gateway, provider = behind(upstream, answers.stream(upstream, ["kon", "nichi", "wa"], prompt=12, output=7))
    path, body = asking.chat(client, stream=True)
    answer = gateway.ask(path, body)
    assert answer.status == 200
    assert answer.whole
    assert answer.headers["content-type"] == answers.stream_type(client)
    assert asking.streamed(client, answer) == "konnichiwa"
    assert asking.ended(client, answer)
    if client in NO_COMMENTS:
        assert b": tsuji" not in answer.body
    else:
        facts = answer.summary()
        assert facts == {"target": "up:m", "attempts": 1, "cost": "unknown", "input_tokens": 12, "output_tokens": 7}
    if upstream == "gemini":
        assert provider.last.target == "/v1beta/models/m:streamGenerateContent?alt=sse"
    elif upstream == "bedrock":
        assert provider.last.target == "/model/m/converse-stream"
    else:
        assert provider.last.json().get("stream", client == upstream == "ollama") is True


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_tool_call(client: str, upstream: str, behind: Any) -> None:
    gateway, _ = behind(upstream, answers.chat(upstream, "", calls=[answers.Call()]))
    path, body = asking.chat(client, **TOOLS[client])
    answer = gateway.ask(path, body).json()
    if client == "openai":
        function = answer["choices"][0]["message"]["tool_calls"][0]["function"]
        assert (function["name"], json.loads(function["arguments"])) == ("weather", {"city": "Kyoto"})
    elif client == "responses":
        call = answer["output"][-1]
        assert (call["name"], json.loads(call["arguments"])) == ("weather", {"city": "Kyoto"})
    elif client == "cohere":
        function = answer["message"]["tool_calls"][0]["function"]
        assert (function["name"], json.loads(function["arguments"])) == ("weather", {"city": "Kyoto"})
    elif client == "anthropic":
        block = answer["content"][-1]
        assert (block["name"], block["input"]) == ("weather", {"city": "Kyoto"})
    elif client == "ollama":
        function = answer["message"]["tool_calls"][0]["function"]
        assert (function["name"], function["arguments"]) == ("weather", {"city": "Kyoto"})
    elif client == "bedrock":
        call = answer["output"]["message"]["content"][-1]["toolUse"]
        assert (call["name"], call["input"]) == ("weather", {"city": "Kyoto"})
    else:
        call = answer["candidates"][0]["content"]["parts"][-1]["functionCall"]
        assert (call["name"], call["args"]) == ("weather", {"city": "Kyoto"})


@pytest.mark.parametrize("upstream", asking.DIALECTS)
def test_gemini_without_alt_sse_streams_a_json_array(upstream: str, behind: Any) -> None:
    gateway, _ = behind(upstream, answers.stream(upstream, ["a", "b"]))
    path, body = asking.chat("gemini", stream=True)
    answer = gateway.ask(path.removesuffix("?alt=sse"), body)
    assert answer.headers["content-type"] == "application/json"
    elements = answer.json()
    parts = [part for e in elements for part in e["candidates"][0]["content"].get("parts", ())]
    assert "".join([part.get("text", "") for part in parts]) == "ab"
    assert elements[-1]["candidates"][0]["finishReason"] == "STOP"


def test_same_dialect_bytes_are_not_touched_below_the_top_level(behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    body = (
        b'{ "model" : "up:m", "messages":[ {"role":"user","content":"h\\u00e9",  "x":1.50} ],"unheard_of": {"a" : 1e2}}'
    )
    assert gateway.ask("/v1/chat/completions", body).status == 200
    sent = provider.last.body
    assert b'[ {"role":"user","content":"h\\u00e9",  "x":1.50} ]' in sent
    assert b'"unheard_of":{"a" : 1e2}' in sent
    assert b'"model":"m"' in sent


def test_a_model_named_twice_is_sent_once(behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    gateway.ask("/v1/chat/completions", b'{"model":"dear","messages":[],"model":"up:m"}')
    assert provider.last.body.count(b'"model"') == 1


def test_anthropic_beta_reaches_anthropic_only(behind: Any) -> None:
    path, body = asking.chat("anthropic")
    for upstream, expected in (("anthropic", "one-2025,two-2026"), ("openai", None)):
        gateway, provider = behind(upstream, answers.chat(upstream))
        gateway.ask(path, body, {"anthropic-beta": "one-2025,two-2026"})
        assert provider.last.headers.get("anthropic-beta") == expected


def test_the_providers_limits_pass_and_its_other_headers_do_not(behind: Any) -> None:
    reply = answers.chat("openai")
    reply.headers = {"x-ratelimit-remaining-requests": "7", "x-request-id": "req_1", "set-cookie": "a=b", "server": "x"}
    gateway, _ = behind("openai", reply)
    headers = gateway.ask(*asking.chat("openai")).headers
    assert headers["x-ratelimit-remaining-requests"] == "7"
    assert headers["x-request-id"] == "req_1"
    assert not {"set-cookie", "server"} & set(headers)


@pytest.mark.parametrize("model", ["models/up:m", "up%3Am", "models%2Fup:m", "up/m"])
def test_gemini_paths_name_models_in_many_ways(model: str, behind: Any) -> None:
    gateway, provider = behind("openai", answers.chat("openai"))
    path, body = asking.chat("gemini", model=model)
    assert gateway.ask(path, body).status == 200
    assert provider.last.json()["model"] == "m"


@pytest.mark.parametrize(("client", "upstream"), [(c, u) for c in EMBEDDING for u in EMBEDDING])
def test_embeddings(client: str, upstream: str, behind: Any) -> None:
    gateway, _ = behind(upstream, answers.embeddings(upstream, [(0.5, -0.25), (1.0, 2.0)]))
    if client == "openai":
        answer = gateway.ask("/v1/embeddings", {"model": "up:m", "input": ["a", "b"]})
        found = [row["embedding"] for row in answer.json()["data"]]
    elif client == "ollama":
        answer = gateway.ask("/api/embed", {"model": "up:m", "input": ["a", "b"], "keep_alive": "5m"})
        found = answer.json()["embeddings"]
    elif client == "cohere":
        answer = gateway.ask("/v2/embed", {"model": "up:m", "texts": ["a", "b"]})
        found = answer.json()["embeddings"]["float"]
    else:
        content = [{"model": "models/up:m", "content": {"parts": [{"text": t}]}} for t in "ab"]
        answer = gateway.ask("/v1beta/models/up:m:batchEmbedContents", {"requests": content})
        found = [row["values"] for row in answer.json()["embeddings"]]
    assert answer.status == 200
    assert found == [[0.5, -0.25], [1.0, 2.0]]


def test_embeddings_from_a_dialect_that_has_none(behind: Any) -> None:
    gateway, provider = behind("anthropic", answers.chat("anthropic"))
    answer = gateway.ask("/v1/embeddings", {"model": "up:m", "input": "a"})
    assert answer.status == 400
    assert "no embeddings" in asking.error("openai", answer.body)[1]
    assert not provider.requests


def test_a_titan_model_embeds_for_other_clients(behind: Any) -> None:
    gateway, provider = behind("bedrock", answers.embeddings("bedrock", [[0.5, -0.25]]))
    asked = {"model": "up:amazon.titan-embed-text-v2:0", "input": "a", "dimensions": 256}
    answer = gateway.ask("/v1/embeddings", asked).json()
    assert [row["embedding"] for row in answer["data"]] == [[0.5, -0.25]]
    assert answer["usage"]["prompt_tokens"] == 3
    assert provider.last.target == "/model/amazon.titan-embed-text-v2%3A0/invoke"
    assert provider.last.json() == {"inputText": "a", "dimensions": 256}


def test_bedrocks_own_request_id_and_error_type_pass(behind: Any) -> None:
    reply = answers.error("bedrock", 400, "no", type="ValidationException")
    reply.headers["x-amzn-requestid"] = "id-1"
    gateway, _ = behind("bedrock", reply)
    answer = gateway.ask(*asking.chat("bedrock"))
    assert answer.headers["x-amzn-requestid"] == "id-1"
    assert answer.headers["x-amzn-errortype"] == "ValidationException"
    assert answer.json() == {"message": "no"}
    assert gateway.ask(*asking.chat("openai")).json()["error"]["code"] == "ValidationException"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_without_a_model_has_the_one_that_was_asked(stream: bool, behind: Any) -> None:
    gateway, _ = behind("bedrock", answers.stream("bedrock") if stream else answers.chat("bedrock"))
    answer = gateway.ask(*asking.chat("openai", stream=stream))
    assert (answer.events()[0] if stream else answer.json())["model"] == "m"
