"""The official google-genai client, pointed at the gateway."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
from google import genai
from google.genai import errors, types

from tests import answers
from tests.answers import Call
from tests.clients.conftest import PIXEL, Gateway
from tests.scripted import CUT

WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            description="The weather of a city",
            parameters_json_schema={
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        )
    ]
)


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.fixture
def client(gateway: Gateway) -> Iterator[genai.Client]:
    made = genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=gateway.url))
    yield made
    made.close()


def _config(**what: Any) -> types.GenerateContentConfig:
    off = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig(automatic_function_calling=off, **what)


def test_chat(gateway: Gateway, client: genai.Client, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "Kyoto is old.", prompt=12, output=7))
    answer = client.models.generate_content(
        model=f"{upstream}-mock:model-1", contents="hello", config=_config(system_instruction="be brief")
    )
    assert answer.text == "Kyoto is old."
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata.prompt_token_count, answer.usage_metadata.candidates_token_count) == (12, 7)
    assert "be brief" in gateway.last.body.decode()


def test_streaming(gateway: Gateway, client: genai.Client, upstream: str) -> None:
    gateway.script(answers.stream(upstream, ["Kyo", "to ", "is old."]))
    chunks = list(client.models.generate_content_stream(model=f"{upstream}-mock:model-1", contents="hello"))
    assert [c.text for c in chunks if c.text] == ["Kyo", "to ", "is old."]
    reasons = [c.candidates[0].finish_reason for c in chunks if c.candidates and c.candidates[0].finish_reason]
    assert reasons == [types.FinishReason.STOP]
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].usage_metadata.candidates_token_count == 5


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_tool_loop(gateway: Gateway, client: genai.Client, upstream: str, streaming: bool) -> None:
    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    first = answers.stream(upstream, (), calls=calls) if streaming else answers.chat(upstream, "", calls=calls)
    gateway.script([first, answers.chat(upstream, "Sunny in both.")])
    ask: dict[str, Any] = {"model": f"{upstream}-mock:model-1", "config": _config(tools=[WEATHER])}
    if streaming:
        seen = list(client.models.generate_content_stream(contents="hello", **ask))
        parts = [p for c in seen for p in (c.candidates or [])[0].content.parts or [] if c.candidates]
    else:
        parts = client.models.generate_content(contents="hello", **ask).candidates[0].content.parts
    made = [p.function_call for p in parts if p.function_call]
    assert [(c.name, c.args) for c in made] == [("weather", {"city": "Kyoto"}), ("weather", {"city": "Nara"})]
    results = [
        types.Part(function_response=types.FunctionResponse(id=c.id, name=c.name, response={"result": "sunny"}))
        for c in made
    ]
    history = [
        types.Content(role="user", parts=[types.Part(text="hello")]),
        types.Content(role="model", parts=[p for p in parts if p.function_call]),
        types.Content(role="user", parts=results),
    ]
    assert client.models.generate_content(contents=history, **ask).text == "Sunny in both."
    assert gateway.last.body.decode().count("sunny") == 2


def test_structured_output(gateway: Gateway, client: genai.Client, upstream: str) -> None:
    gateway.script(answers.chat(upstream, '{"name":"Kyoto","people":1460000}'))
    config = _config(response_mime_type="application/json", response_schema=City)
    answer = client.models.generate_content(model=f"{upstream}-mock:model-1", contents="hello", config=config)
    assert answer.parsed == City(name="Kyoto", people=1460000)
    assert "people" in gateway.last.body.decode()


def test_thinking(gateway: Gateway, client: genai.Client, upstream: str) -> None:
    thought = {"thinking": "Old capital?", "signature": "" if upstream == "openai" else "c2lnbmVk"}
    gateway.script(answers.chat(upstream, "Kyoto", **thought))
    config = _config(thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=2000))
    answer = client.models.generate_content(model=f"{upstream}-mock:model-1", contents="hello", config=config)
    assert answer.candidates is not None
    parts = answer.candidates[0].content.parts
    assert [p.text for p in parts if p.thought] == ["Old capital?"]
    assert answer.text == "Kyoto"


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_thinking_comes_back_on_the_next_turn(
    gateway: Gateway, client: genai.Client, upstream: str, streaming: bool
) -> None:
    signature = "" if upstream in ("openai", "ollama", "cohere") else "c2lnbmVkIQ=="
    said: Any = {"thinking": "Old capital?", "signature": signature, "calls": [Call()]}
    first = answers.stream(upstream, (), **said) if streaming else answers.chat(upstream, "", **said)
    gateway.script([first, answers.chat(upstream, "done")])
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=2000)
    ask: dict[str, Any] = {
        "model": f"{upstream}-mock:model-1",
        "config": _config(tools=[WEATHER], thinking_config=thinking),
    }
    if streaming:
        seen = list(client.models.generate_content_stream(contents="hello", **ask))
        parts = [p for c in seen if c.candidates for p in c.candidates[0].content.parts or []]
    else:
        parts = client.models.generate_content(contents="hello", **ask).candidates[0].content.parts
    assert "".join([p.text or "" for p in parts if p.thought]) == "Old capital?"
    call = next(p.function_call for p in parts if p.function_call)
    answer = types.FunctionResponse(id=call.id, name=call.name, response={"result": "sunny"})
    history = [
        types.Content(role="user", parts=[types.Part(text="hello")]),
        types.Content(role="model", parts=parts),
        types.Content(role="user", parts=[types.Part(function_response=answer)]),
    ]
    assert client.models.generate_content(contents=history, **ask).text == "done"
    assert signature in gateway.last.body.decode()


def test_an_image(gateway: Gateway, client: genai.Client, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "a pixel"))
    picture = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    answer = client.models.generate_content(model=f"{upstream}-mock:model-1", contents=["what is it?", picture])
    assert answer.text == "a pixel"
    body = gateway.last.body.decode()
    assert PIXEL in body.replace("-", "+").replace("_", "/")  # its base64 is that of URLs
    assert upstream in ("ollama", "bedrock") or "image/png" in body


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, errors.ClientError),
        (401, errors.ClientError),
        (404, errors.ClientError),
        (429, errors.ClientError),
        (500, errors.ServerError),
    ],
)
def test_errors(
    gateway: Gateway, client: genai.Client, upstream: str, status: int, raised: type[errors.APIError]
) -> None:
    gateway.script(answers.error(upstream, status, "the provider's words"))
    with pytest.raises(raised) as caught:
        client.models.generate_content(model=f"{upstream}-mock:model-1", contents="hello")
    assert caught.value.code == status
    assert "the provider's words" in str(caught.value.message)


def test_a_cut_stream_does_not_look_finished(gateway: Gateway, client: genai.Client, upstream: str) -> None:
    whole = list(answers.stream(upstream, ["Kyo", "to"]).body)
    cut = next(i for i, step in enumerate(whole) if isinstance(step, bytes) and b"Kyo" in step) + 1
    gateway.script(answers.Reply([*whole[:cut], 0.05, CUT], content_type=answers.stream_type(upstream)))
    seen = []
    with pytest.raises(Exception) as caught:
        for chunk in client.models.generate_content_stream(model=f"{upstream}-mock:model-1", contents="hello"):
            seen.append(chunk)
    assert not isinstance(caught.value, AssertionError)
    assert "".join(c.text or "" for c in seen) == "Kyo"
    assert not any(c.candidates and c.candidates[0].finish_reason for c in seen)


def test_embeddings(gateway: Gateway, client: genai.Client) -> None:
    gateway.script(answers.embeddings("openai", [[0.5, -0.25], [1.0, 2.0]]))
    answer = client.models.embed_content(model="openai-mock:embedder", contents=["a", "b"])
    assert answer.embeddings is not None
    assert [e.values for e in answer.embeddings] == [[0.5, -0.25], [1.0, 2.0]]


def test_models(client: genai.Client) -> None:
    assert "models/fast" in [m.name for m in client.models.list()]
    assert client.models.get(model="fast").name == "models/fast"


def test_a_python_function_is_called_in_a_streamed_chat(gateway: Gateway, client: genai.Client, upstream: str) -> None:
    def weather(city: str) -> str:
        """The weather of a city"""
        return f"sunny in {city}"

    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    gateway.script([answers.stream(upstream, (), calls=calls), answers.stream(upstream, ["Sun", "ny"])])
    chat = client.chats.create(model=f"{upstream}-mock:model-1", config=types.GenerateContentConfig(tools=[weather]))
    assert "".join([c.text or "" for c in chat.send_message_stream("hello")]) == "Sunny"
    body = gateway.last.body.decode()
    assert "sunny in Kyoto" in body
    assert "sunny in Nara" in body
    if upstream == "openai":
        messages = json.loads(body)["messages"]
        assert [m["role"] for m in messages] == ["user", "assistant", "tool", "tool"]
        assert [m["tool_call_id"] for m in messages[2:]] == [c["id"] for c in messages[1]["tool_calls"]]


def test_tokens_are_counted_by_who_can(gateway: Gateway, client: genai.Client, upstream: str) -> None:
    gateway.script(answers.Reply(b'{"totalTokens": 14}'))
    ask: Any = {"model": f"{upstream}-mock:model-1", "contents": "hello"}
    if upstream == "gemini":
        assert client.models.count_tokens(**ask).total_tokens == 14
        assert gateway.last.path == "/v1beta/models/model-1:countTokens"
    else:
        with pytest.raises(errors.ServerError) as caught:
            client.models.count_tokens(**ask)
        assert caught.value.code == 501
