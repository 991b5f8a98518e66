"""The model on this machine, through the gateway, by the official clients. It is small: shapes count, not wit."""

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pydantic
import pytest
from google import genai
from google.genai import types

from tests.clients.conftest import Gateway

pytestmark = pytest.mark.usefixtures("local_engine")  # fetches the model, or skips and says why

ASK = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Look up the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class City(pydantic.BaseModel):
    name: str
    country: str


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", max_retries=0) as made:
        yield made


def test_chat(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="local:default", messages=ASK, max_tokens=20, temperature=0
    )
    answer = raw.parse()
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert raw.headers["x-tsuji-target"] == "local:default"
    assert float(raw.headers["x-tsuji-cost"]) == 0


def test_streaming(client: openai.OpenAI) -> None:
    ask = {"model": "local:default", "messages": ASK, "max_tokens": 20, "temperature": 0}
    chunks = list(client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **ask))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    whole = client.chat.completions.create(**ask)
    assert text == whole.choices[0].message.content
    assert len([c for c in chunks if c.choices and c.choices[0].delta.content]) > 1
    assert chunks[-1].usage is not None


def test_structured_output(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model="local:default", messages=ASK, response_format=City, max_tokens=100)
    assert isinstance(answer.choices[0].message.parsed, City)


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_forced_tool_call_is_made(client: openai.OpenAI, choice: object, streaming: bool) -> None:
    ask = {"model": "local:default", "tools": [WEATHER], "tool_choice": choice, "max_tokens": 120}
    messages = [{"role": "user", "content": "How is the weather in Kyoto?"}]
    if streaming:
        with client.chat.completions.stream(messages=messages, **ask) as stream:
            made = stream.get_final_completion().choices[0]
    else:
        made = client.chat.completions.create(messages=messages, **ask).choices[0]
    assert made.finish_reason == "tool_calls"
    assert made.message.tool_calls
    call = made.message.tool_calls[0]
    assert call.function.name == "weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    history = [
        *messages,
        made.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "Sunny, 20 degrees"},
    ]
    final = client.chat.completions.create(
        model="local:default", tools=[WEATHER], messages=history, max_tokens=40, tool_choice="none"
    )
    assert final.choices[0].message.content


@pytest.mark.parametrize("model", ["local:default", "local:embed"])
def test_embeddings(client: openai.OpenAI, model: str) -> None:
    texts = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "The stock market fell sharply."]
    one, two, other = [d.embedding for d in client.embeddings.create(model=model, input=texts).data]

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    assert cosine(one, two) > cosine(one, other) + 0.2


def test_two_answers_at_once(client: openai.OpenAI) -> None:
    def ask(question: str) -> str | None:
        messages = [{"role": "user", "content": question}]
        made = client.chat.completions.create(model="local:default", messages=messages, max_tokens=20)
        return made.choices[0].message.content

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, ["Name a fruit.", "Name a colour."]))
    assert all(answers)


def test_anthropic_client(gateway: Gateway) -> None:
    with anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0) as client:
        ask = {"model": "local:default", "max_tokens": 20, "extra_body": {"temperature": 0}, "messages": ASK}
        with client.messages.stream(**ask) as stream:
            streamed = stream.get_final_message()
        whole = client.messages.create(**ask)
    assert "Paris" in whole.content[0].text  # type: ignore[union-attr]
    assert streamed.content[0].text == whole.content[0].text  # type: ignore[union-attr]


def test_genai_client(gateway: Gateway) -> None:
    with genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=gateway.url)) as client:
        config = types.GenerateContentConfig(max_output_tokens=20, temperature=0)
        answer = client.models.generate_content(model="local:default", contents=ASK[0]["content"], config=config)
    assert "Paris" in (answer.text or "")


def test_tokens_are_counted(gateway: Gateway, client: openai.OpenAI) -> None:
    counted = client.responses.input_tokens.count(model="local:default", input=ASK[0]["content"]).input_tokens
    with anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0) as other:
        assert other.messages.count_tokens(model="local:default", messages=ASK).input_tokens == counted > 0
    with genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=gateway.url)) as google:
        found = google.models.count_tokens(model="local:default", contents=ASK[0]["content"])
    assert found.total_tokens == counted
