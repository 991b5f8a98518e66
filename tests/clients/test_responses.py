"""The official openai client's responses, pointed at the gateway."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

from tests import answers
from tests.answers import Call
from tests.clients.conftest import PIXEL, Gateway
from tests.scripted import CUT

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", max_retries=0) as made:
        yield made


def test_create(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "Kyoto is old.", prompt=12, output=7))
    answer = client.responses.create(
        model=f"{upstream}-mock:model-1", instructions="be brief", input="hello", max_output_tokens=50
    )
    assert (answer.output_text, answer.status) == ("Kyoto is old.", "completed")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (12, 7, 19)
    assert "be brief" in gateway.last.body.decode()


def test_create_streaming(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    gateway.script(answers.stream(upstream, ["Kyo", "to ", "is old."]))
    events = list(client.responses.create(model=f"{upstream}-mock:model-1", input="hello", stream=True))
    assert [e.delta for e in events if e.type == "response.output_text.delta"] == ["Kyo", "to ", "is old."]
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "Kyoto is old."
    assert last.response.usage is not None
    assert last.response.usage.output_tokens == 5


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_tool_loop(gateway: Gateway, client: openai.OpenAI, upstream: str, streaming: bool) -> None:
    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    first = answers.stream(upstream, (), calls=calls) if streaming else answers.chat(upstream, "", calls=calls)
    gateway.script([first, answers.chat(upstream, "Sunny in both.")])
    ask: Any = {"model": f"{upstream}-mock:model-1", "tools": [WEATHER]}
    history: list[Any] = [{"role": "user", "content": "hello"}]
    if streaming:
        with client.responses.stream(input=history, **ask) as stream:
            answer: Any = stream.get_final_response()
    else:
        answer = client.responses.create(input=history, **ask)
    made = [item for item in answer.output if item.type == "function_call"]
    assert [(c.name, json.loads(c.arguments)) for c in made] == [
        ("weather", {"city": "Kyoto"}),
        ("weather", {"city": "Nara"}),
    ]
    assert len({c.call_id for c in made}) == 2
    history += answer.output
    history += [{"type": "function_call_output", "call_id": c.call_id, "output": "sunny"} for c in made]
    final = client.responses.create(input=history, **ask)
    assert final.output_text == "Sunny in both."
    assert gateway.last.body.decode().count("sunny") == 2


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_structured_output(gateway: Gateway, client: openai.OpenAI, upstream: str, streaming: bool) -> None:
    words = '{"name":"Kyoto","people":1460000}'
    ask: Any = {"model": f"{upstream}-mock:model-1", "input": "hello", "text_format": City}
    if streaming:
        gateway.script(answers.stream(upstream, [words[:9], words[9:]]))
        with client.responses.stream(**ask) as stream:
            answer = stream.get_final_response()
    else:
        gateway.script(answers.chat(upstream, words))
        answer = client.responses.parse(**ask)
    assert answer.output_parsed == City(name="Kyoto", people=1460000)
    assert "people" in gateway.last.body.decode()


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
def test_thinking_and_its_way_back(gateway: Gateway, client: openai.OpenAI, upstream: str, streaming: bool) -> None:
    """What the provider signed comes back to it in the next turn, and is never shown to the client as anything else."""
    signature = "" if upstream in ("openai", "ollama", "cohere") else "c2lnbmVkIQ=="
    said: Any = {"thinking": "Old capital?", "signature": signature, "calls": [Call()]}
    first = answers.stream(upstream, (), **said) if streaming else answers.chat(upstream, "", **said)
    gateway.script([first, answers.chat(upstream, "done")])
    ask: Any = {"model": f"{upstream}-mock:model-1", "tools": [WEATHER], "include": ["reasoning.encrypted_content"]}
    history: list[Any] = [{"role": "user", "content": "hello"}]
    if streaming:
        with client.responses.stream(input=history, **ask) as stream:
            answer: Any = stream.get_final_response()
    else:
        answer = client.responses.create(input=history, reasoning={"effort": "low"}, **ask)
    thoughts = [item for item in answer.output if item.type == "reasoning" and item.summary]
    assert [t.summary[0].text for t in thoughts] == ["Old capital?"]
    call = next(item for item in answer.output if item.type == "function_call")
    history += [*answer.output, {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    assert client.responses.create(input=history, **ask).output_text == "done"
    sent = gateway.last.body.decode()
    assert (signature in sent) and "tsuji." not in sent


def test_an_image(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "a pixel"))
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    ask: Any = [{"role": "user", "content": [{"type": "input_text", "text": "what is it?"}, picture]}]
    answer = client.responses.create(model=f"{upstream}-mock:model-1", input=ask)
    assert answer.output_text == "a pixel"
    body = gateway.last.body.decode()
    assert PIXEL in body
    assert upstream in ("ollama", "bedrock") or "image/png" in body


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_errors(
    gateway: Gateway, client: openai.OpenAI, upstream: str, status: int, raised: type[openai.APIStatusError]
) -> None:
    gateway.script(answers.error(upstream, status, "the provider's words"))
    with pytest.raises(raised) as caught:
        client.responses.create(model=f"{upstream}-mock:model-1", input="hello")
    assert caught.value.status_code == status
    assert "the provider's words" in caught.value.message


def test_a_cut_stream_does_not_look_finished(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    whole: Any = list(answers.stream(upstream, ["Kyo", "to"]).body)
    cut = next(i for i, step in enumerate(whole) if b"Kyo" in step) + 1
    gateway.script(answers.Reply([*whole[:cut], 0.05, CUT], content_type=answers.stream_type(upstream)))
    kinds: list[str] = []
    with pytest.raises(openai.APIError):
        for event in client.responses.create(model=f"{upstream}-mock:model-1", input="hello", stream=True):
            kinds.append(event.type)
    assert "response.output_text.delta" in kinds
    assert "response.completed" not in kinds


@pytest.mark.parametrize("other", ["openai", "anthropic", "gemini"])
def test_state_of_the_provider_is_refused_by_name_elsewhere(
    gateway: Gateway, client: openai.OpenAI, other: str
) -> None:
    gateway.script(answers.chat("responses", "more"))
    ask: Any = {"input": "go on", "previous_response_id": "resp_1"}
    assert client.responses.create(model="responses-mock:model-1", **ask).output_text == "more"
    assert gateway.last.json()["previous_response_id"] == "resp_1"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=f"{other}-mock:model-1", **ask)
    assert caught.value.param == "previous_response_id"


def test_tokens_are_counted_by_who_can(gateway: Gateway, client: openai.OpenAI, upstream: str) -> None:
    gateway.script(answers.Reply(b'{"input_tokens": 14, "object": "response.input_tokens"}'))
    ask: Any = {"model": f"{upstream}-mock:model-1", "input": "hello", "tools": [WEATHER]}
    if upstream == "responses":
        assert client.responses.input_tokens.count(**ask).input_tokens == 14
        assert gateway.last.json() == ask | {"model": "model-1"}
    else:
        with pytest.raises(openai.InternalServerError) as caught:
            client.responses.input_tokens.count(**ask)
        assert caught.value.status_code == 501
