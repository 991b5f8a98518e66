"""The official clients read what comes out of the cache: a stream of what was kept whole, and the other way round."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import anthropic
import boto3
import cohere
import httpx
import ollama
import openai
import pytest
from botocore.config import Config
from google import genai
from google.genai import types

from tests import answers
from tests.cache.conftest import Cached
from tsuji.config import CacheRule

HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


class Said(NamedTuple):
    """What a client understood. calls: name and arguments. tokens: the prompt's and the answer's."""

    text: str
    calls: list[tuple[str, Any]]
    tokens: tuple[int, int]


def by_openai(url: str, stream: bool) -> Said:
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    asked: Any = {"model": "r", "messages": HI, "tools": [tool]}
    with openai.OpenAI(api_key="unused", base_url=url + "/v1", max_retries=0) as client:
        if stream:
            with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
                answer = events.get_final_completion()
        else:
            answer = client.chat.completions.create(**asked)
    message, usage = answer.choices[0].message, answer.usage
    assert usage is not None
    calls = [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or ()]
    return Said(message.content or "", calls, (usage.prompt_tokens, usage.completion_tokens))


def by_responses(url: str, stream: bool) -> Said:
    tool: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
    with openai.OpenAI(api_key="unused", base_url=url + "/v1", max_retries=0) as client:
        if stream:
            with client.responses.stream(model="r", input="hi", tools=[tool]) as events:
                answer = events.get_final_response()
        else:
            answer = client.responses.create(model="r", input="hi", tools=[tool])
    calls = [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]
    assert answer.usage is not None
    return Said(answer.output_text, calls, (answer.usage.input_tokens, answer.usage.output_tokens))


def by_anthropic(url: str, stream: bool) -> Said:
    asked: Any = {
        "model": "r",
        "messages": HI,
        "max_tokens": 20,
        "tools": [{"name": "weather", "input_schema": SCHEMA}],
    }
    with anthropic.Anthropic(api_key="unused", base_url=url, max_retries=0) as client:
        if stream:
            with client.messages.stream(**asked) as events:
                answer = events.get_final_message()
        else:
            answer = client.messages.create(**asked)
    text = "".join([block.text for block in answer.content if block.type == "text"])
    calls = [(block.name, block.input) for block in answer.content if block.type == "tool_use"]
    return Said(text, calls, (answer.usage.input_tokens, answer.usage.output_tokens))


def by_gemini(url: str, stream: bool) -> Said:
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)])
    off = types.AutomaticFunctionCallingConfig(disable=True)
    asked: Any = {
        "model": "r",
        "contents": "hi",
        "config": types.GenerateContentConfig(tools=[tool], automatic_function_calling=off),
    }
    client = genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=url))
    models = client.models
    chunks: list[Any] = list(models.generate_content_stream(**asked)) if stream else [models.generate_content(**asked)]
    client.close()
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    usage = chunks[-1].usage_metadata
    text = "".join([part.text or "" for part in parts])
    return Said(text, calls, (usage.prompt_token_count, usage.candidates_token_count))


def by_ollama(url: str, stream: bool) -> Said:
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    with ollama.Client(host=url) as client:
        found: Any = client.chat(model="r", messages=HI, tools=[tool], stream=stream)
        chunks = list(found) if stream else [found]
    text = "".join([chunk.message.content or "" for chunk in chunks])
    calls = [(c.function.name, c.function.arguments) for chunk in chunks for c in chunk.message.tool_calls or ()]
    return Said(text, calls, (chunks[-1].prompt_eval_count, chunks[-1].eval_count))


def by_cohere(url: str, stream: bool) -> Said:
    asked: Any = {
        "model": "r",
        "messages": HI,
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}],
    }
    with httpx.Client(timeout=60) as transport:
        client = cohere.ClientV2("unused", base_url=url, max_retries=0, httpx_client=transport)
        if not stream:
            answer = client.chat(**asked)
            text = "".join([block.text for block in answer.message.content or () if block.type == "text"])
            called = [(c.function.name, c.function.arguments) for c in answer.message.tool_calls or ()]
            usage: Any = answer.usage
        else:
            text, called, usage = "", [], None
            for event in client.chat_stream(**asked):
                delta: Any = getattr(event, "delta", None)
                if event.type == "content-delta":
                    text += delta.message.content.text
                elif event.type == "tool-call-start":
                    call = delta.message.tool_calls.function
                    called.append((call.name, call.arguments or ""))
                elif event.type == "tool-call-delta":
                    called[-1] = (called[-1][0], called[-1][1] + delta.message.tool_calls.function.arguments)
                elif event.type == "message-end":
                    usage = delta.usage
    calls = [(name, json.loads(arguments)) for name, arguments in called]
    return Said(text, calls, (int(usage.tokens.input_tokens), int(usage.tokens.output_tokens)))


def by_bedrock(url: str, stream: bool) -> Said:
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    tool = {"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}
    messages = [{"role": "user", "content": [{"text": "hi"}]}]
    asked: Any = {"modelId": "r", "messages": messages, "toolConfig": {"tools": [tool]}}
    try:
        if not stream:
            answer = client.converse(**asked)
            blocks, usage = answer["output"]["message"]["content"], answer["usage"]
            calls = [(b["toolUse"]["name"], b["toolUse"]["input"]) for b in blocks if "toolUse" in b]
            text = "".join([block.get("text", "") for block in blocks])
        else:
            text, called, usage = "", list[tuple[str, str]](), None
            for event in client.converse_stream(**asked)["stream"]:
                delta = event.get("contentBlockDelta", {}).get("delta", {})
                text += delta.get("text", "")
                if "contentBlockStart" in event:
                    called.append((event["contentBlockStart"]["start"]["toolUse"]["name"], ""))
                if "toolUse" in delta:
                    called[-1] = (called[-1][0], called[-1][1] + delta["toolUse"]["input"])
                usage = event.get("metadata", {}).get("usage", usage)
            calls = [(name, json.loads(arguments)) for name, arguments in called]
    finally:
        client.close()
    assert usage is not None
    return Said(text, calls, (usage["inputTokens"], usage["outputTokens"]))


CLIENTS: dict[str, Callable[[str, bool], Said]] = {
    "openai": by_openai,
    "responses": by_responses,
    "anthropic": by_anthropic,
    "gemini": by_gemini,
    "ollama": by_ollama,
    "cohere": by_cohere,
    "bedrock": by_bedrock,
}
EXPECTED = Said("It is sunny. ", [("weather", {"city": "Kyoto"})], (10, 5))


@pytest.mark.parametrize("first", [False, True], ids=["kept whole", "kept of a stream"])
@pytest.mark.parametrize("provider", ["same", "other"])
@pytest.mark.parametrize("client", CLIENTS)
def test_official_clients(client: str, provider: str, first: bool, cached: Any) -> None:
    upstream = client if provider == "same" else ("openai" if client == "anthropic" else "anthropic")
    calls = [answers.Call()]
    if first:
        script = answers.stream(upstream, ["It is ", "sunny. "], calls=calls)
    else:
        script = answers.chat(upstream, "It is sunny. ", calls=calls)
    gateway: Cached = cached(upstream, script, CacheRule(tool_calls=True))
    assert CLIENTS[client](gateway.serving.url, first) == EXPECTED
    gateway.settle()
    for again in (first, not first):
        assert CLIENTS[client](gateway.serving.url, again) == EXPECTED
    assert gateway.calls == 1
    cache = gateway.serving.gateway.cache
    assert cache is not None and cache.flights == {}
