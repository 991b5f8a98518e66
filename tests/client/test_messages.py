"""messages(): Anthropic's shapes, whatever the provider speaks."""

import json

import pytest
from pydantic import BaseModel

from tests import answers
from tests.client.conftest import DIALECTS, HI
from tests.scripted import Reply
from tsuji import InvalidRequestError, UpstreamProtocolError


@pytest.mark.parametrize("dialect", DIALECTS)
def test_answer_reads_as_anthropics(connect, dialect):
    client, _ = connect(answers.chat(dialect, "hello", calls=[answers.Call()]), dialect)
    r = client.messages("mock:m", HI, 100)
    assert (r.type, r.role, r.stop_reason, r.stop_sequence) == ("message", "assistant", "tool_use", None)
    assert [b.type for b in r.content] == ["text", "tool_use"]
    assert r.content[0].text == r.content[0]["text"] == "hello"
    assert (r.content[1].name, r.content[1].input) == ("weather", {"city": "Kyoto"})
    assert (r.usage.input_tokens, r.usage.output_tokens) == (10, 5)
    assert r.tsuji.target == "mock:m"
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = r.nonsense


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dump_is_valid_for_anthropics_client(connect, dialect):
    from anthropic.types import Message

    client, _ = connect(answers.chat(dialect, thinking="hm", signature="c2ln"), dialect)
    r = client.messages("mock:m", HI, 100)
    assert Message.model_validate(r.model_dump()).content[0].type == "thinking"
    assert json.loads(r.model_dump_json()) == r.to_dict() == r


@pytest.mark.parametrize("dialect", DIALECTS)
def test_stream_is_anthropics_events(connect, dialect):
    client, _ = connect(answers.stream(dialect, ["a", "b"]), dialect)
    stream = client.messages("mock:m", HI, 100, stream=True)
    events = list(stream)
    assert events[0].type == "message_start"
    assert [e.type for e in events[-2:]] == ["message_delta", "message_stop"]
    assert "".join(e.delta.text for e in events if e.type == "content_block_delta") == "ab"
    assert events[-2].delta.stop_reason == "end_turn"
    whole = stream.response()
    assert (whole.content[0].text, whole.usage.output_tokens) == ("ab", 5)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_thinking_goes_back(connect, dialect):
    client, server = connect(answers.chat(dialect, thinking="hm", signature="c2ln", calls=[answers.Call()]), dialect)
    r = client.messages("mock:m", HI, 100)
    call = next(b for b in r.content if b.type == "tool_use")
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}
    client.messages("mock:m", [*HI, {"role": "assistant", "content": r.content}, result], 100)
    assert "sunny" in server.last.body.decode()
    if dialect not in ("openai", "ollama", "cohere"):  # their plain thoughts have no signature
        assert "c2ln" in server.last.body.decode()


def test_request_on_the_wire(connect):
    client, server = connect(answers.chat("anthropic"), "anthropic")
    client.messages(
        "mock:m", HI, 64, system="be kind", top_k=3, stop_sequences=["x"], betas=["b1", "b2"],
        thinking={"type": "enabled", "budget_tokens": 1024}, metadata={"user_id": "u"},
    )  # fmt: skip
    assert server.last.headers["anthropic-beta"] == "b1,b2"
    assert server.last.json() == {
        "model": "m",
        "max_tokens": 64,
        "messages": HI,
        "system": "be kind",
        "top_k": 3,
        "stop_sequences": ["x"],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "metadata": {"user_id": "u"},
    }


def test_tools_from_functions(connect):
    client, server = connect(answers.chat("anthropic"), "anthropic")

    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    client.messages("mock:m", HI, 64, tools=[weather, {"name": "t", "input_schema": {"type": "object"}}])
    first, second = server.last.json()["tools"]
    assert (first["name"], first["description"], list(first["input_schema"]["properties"])) == (
        "weather",
        "Tell the weather.",
        ["city"],
    )
    assert second == {"name": "t", "input_schema": {"type": "object"}}


class City(BaseModel):
    name: str


@pytest.mark.parametrize("dialect", DIALECTS)
def test_output_format(connect, dialect):
    client, server = connect(answers.chat(dialect, '{"name":"Kyoto"}'), dialect)
    assert client.messages("mock:m", HI, 64, output_format=City).parsed_output == City(name="Kyoto")
    assert "name" in server.last.body.decode()
    server.script(answers.chat(dialect, "no json"))
    with pytest.raises(UpstreamProtocolError):
        _ = client.messages("mock:m", HI, 64, output_format=City).parsed_output


def test_mistakes(connect):
    client, server = connect(answers.chat("openai"))
    with pytest.raises(TypeError, match="did you mean 'stop_sequences'"):
        client.messages("mock:m", HI, 64, stop_sequence=["x"])
    with pytest.raises(InvalidRequestError):
        client.messages("mock:m", HI, "many")
    with pytest.raises(InvalidRequestError):
        client.messages("mock:m", [{"role": "user"}], 64)
    assert not server.requests


def test_a_refusal_names_the_field_as_anthropic_does(connect):
    client, _ = connect(answers.chat("responses"), "responses")
    with pytest.raises(InvalidRequestError) as caught:
        client.messages("mock:m", HI, 64, stop_sequences=["x"])
    assert caught.value.param == "stop_sequences"
    r = client.messages("mock:m", HI, 64, stop_sequences=["x"], drop_params=True)
    assert r.tsuji.dropped == ["stop_sequences"]


def test_html(connect):
    client, _ = connect([answers.html(), Reply(b"{}")])
    for _ in range(2):
        with pytest.raises(UpstreamProtocolError):
            client.messages("mock:m", HI, 64)
