"""The official mistralai client, pointed at the gateway."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from mistralai.client import Mistral, errors
from mistralai.client.models import AssistantMessage, TextChunk, ThinkChunk

from tests import answers
from tests.answers import Call
from tests.clients.conftest import PIXEL, Gateway
from tests.scripted import CUT

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Mistral]:
    with Mistral(server_url=gateway.url, api_key="unused") as made:
        yield made


def _model(upstream: str) -> str:
    return f"{upstream}-mock:model-1"


def _streamed(client: Mistral, **ask: Any) -> tuple[list[Any], Any]:
    """The chunks, and the answer that a program makes of them."""
    with client.chat.stream(**ask) as stream:
        chunks = [event.data for event in stream]
    content: list[Any] = []
    calls: dict[int, Any] = {}
    for choice in [c.choices[0] for c in chunks if c.choices]:
        said = choice.delta.content
        content += [TextChunk(text=said)] if said and isinstance(said, str) else said or []
        for call in choice.delta.tool_calls or ():
            if call.index in calls:
                calls[call.index].function.arguments += call.function.arguments
            else:
                calls[call.index] = call
    return chunks, AssistantMessage(content=content or "", tool_calls=list(calls.values()) or None)


def test_chat(gateway: Gateway, client: Mistral, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "Kyoto is old.", prompt=12, output=7))
    seed = {} if upstream in ("anthropic", "responses", "bedrock") else {"random_seed": 7}  # they have none
    answer = client.chat.complete(
        model=_model(upstream), messages=[{"role": "system", "content": "be brief"}, *HELLO], temperature=0.5, **seed
    )
    assert answer.choices[0].message.content == "Kyoto is old."
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (12, 7, 19)
    body = gateway.last.json()
    assert "be brief" in json.dumps(body)
    if seed:
        assert 7 in (
            body.get("seed"),
            body.get("options", {}).get("seed"),
            body.get("generationConfig", {}).get("seed"),
        )


def test_streaming(gateway: Gateway, client: Mistral, upstream: str) -> None:
    gateway.script(answers.stream(upstream, ["Kyo", "to ", "is old."], prompt=12, output=7))
    chunks, _ = _streamed(client, model=_model(upstream), messages=HELLO)
    deltas = [c.choices[0].delta.content for c in chunks if c.choices]
    assert [d for d in deltas if d] == ["Kyo", "to ", "is old."]
    last = chunks[-1]
    assert last.choices[0].finish_reason == "stop"
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (12, 7)


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_tool_loop(gateway: Gateway, client: Mistral, upstream: str, streaming: bool) -> None:
    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    first = answers.stream(upstream, (), calls=calls) if streaming else answers.chat(upstream, "", calls=calls)
    gateway.script([first, answers.chat(upstream, "Sunny in both.")])
    ask: dict[str, Any] = {"model": _model(upstream), "tools": [WEATHER]}
    if streaming:
        _, message = _streamed(client, messages=HELLO, **ask)
    else:
        message = client.chat.complete(messages=HELLO, **ask).choices[0].message
    made = [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls]
    assert made == [("weather", {"city": "Kyoto"}), ("weather", {"city": "Nara"})]
    results = [
        {"role": "tool", "name": "weather", "tool_call_id": c.id, "content": "sunny"} for c in message.tool_calls
    ]
    final = client.chat.complete(messages=[*HELLO, message, *results], **ask)
    assert final.choices[0].message.content == "Sunny in both."
    assert gateway.last.body.decode().count("sunny") == 2


def test_structured_output(gateway: Gateway, client: Mistral, upstream: str) -> None:
    gateway.script(answers.chat(upstream, '{"name":"Kyoto","people":1460000}'))
    form: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA, "strict": True}}
    answer = client.chat.complete(model=_model(upstream), messages=HELLO, response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"name": "Kyoto", "people": 1460000}
    assert "people" in gateway.last.body.decode()


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_thinking_and_its_way_back(gateway: Gateway, client: Mistral, upstream: str, streaming: bool) -> None:
    signature = "" if upstream in ("openai", "ollama", "cohere") else "c2lnbmVkIQ=="
    said: Any = {"thinking": "Old capital?", "signature": signature}
    first = answers.stream(upstream, ("Kyo", "to"), **said) if streaming else answers.chat(upstream, "Kyoto", **said)
    gateway.script([first, answers.chat(upstream, "yes")])
    ask: dict[str, Any] = {"model": _model(upstream), "prompt_mode": "reasoning"}
    if streaming:
        _, message = _streamed(client, messages=HELLO, **ask)
    else:
        message = client.chat.complete(messages=HELLO, **ask).choices[0].message
    thoughts = [piece.text for chunk in message.content if isinstance(chunk, ThinkChunk) for piece in chunk.thinking]
    assert "".join(thoughts) == "Old capital?"
    assert "".join([chunk.text for chunk in message.content if isinstance(chunk, TextChunk)]) == "Kyoto"
    history = [*HELLO, message, {"role": "user", "content": "sure?"}]
    assert client.chat.complete(messages=history, **ask).choices[0].message.content == "yes"
    body = gateway.last.body.decode()
    assert "tsuji." not in body
    if upstream != "gemini":  # which signs this text, and asks for no such signature back
        assert signature in body


def test_an_image(gateway: Gateway, client: Mistral, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "a pixel"))
    content = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": f"data:image/png;base64,{PIXEL}"},
    ]
    answer = client.chat.complete(model=_model(upstream), messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == "a pixel"
    body = gateway.last.body.decode()
    assert PIXEL in body
    assert upstream in ("ollama", "bedrock") or "image/png" in body


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
def test_errors(gateway: Gateway, client: Mistral, upstream: str, status: int) -> None:
    gateway.script(answers.error(upstream, status, "the provider's words"))
    with pytest.raises(errors.HTTPValidationError if status == 422 else errors.SDKError) as caught:
        client.chat.complete(model=_model(upstream), messages=HELLO)
    assert caught.value.status_code == status
    assert "the provider's words" in str(caught.value)


def test_what_only_mistral_has_is_refused_by_name_elsewhere(gateway: Gateway, client: Mistral) -> None:
    with pytest.raises(errors.SDKError, match="safe_prompt") as caught:
        client.chat.complete(model="gemini-mock:model-1", messages=HELLO, safe_prompt=True)
    assert caught.value.status_code == 400


def test_a_cut_stream_does_not_look_finished(gateway: Gateway, client: Mistral, upstream: str) -> None:
    whole: Any = list(answers.stream(upstream, ["Kyo", "to"]).body)
    cut = next(i for i, step in enumerate(whole) if b"Kyo" in step) + 1
    gateway.script(answers.Reply([*whole[:cut], 0.05, CUT], content_type=answers.stream_type(upstream)))
    seen: list[Any] = []
    with (
        pytest.raises(errors.ResponseValidationError, match="stream_interrupted"),
        client.chat.stream(model=_model(upstream), messages=HELLO) as stream,
    ):
        seen += [event.data for event in stream]
    assert not any(c.choices[0].finish_reason for c in seen if c.choices)


@pytest.mark.parametrize("upstream", ["openai", "gemini", "ollama"])
def test_embeddings(gateway: Gateway, client: Mistral, upstream: str) -> None:
    gateway.script(answers.embeddings(upstream, [[0.5, -0.25], [1.0, 2.0]]))
    answer = client.embeddings.create(model=_model(upstream), inputs=["a", "b"], output_dimension=2)
    assert [row.embedding for row in answer.data] == [[0.5, -0.25], [1.0, 2.0]]
    assert "output_dimension" not in gateway.last.body.decode()


def test_models(client: Mistral) -> None:
    listed = client.models.list().data
    assert "fast" in [row.id for row in listed or ()]
    assert client.models.retrieve(model_id="fast").id == "fast"
