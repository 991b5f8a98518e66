"""responses(): OpenAI's response objects and typed events, whatever the provider speaks."""

import copy
import json
import pickle
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from tests import answers
from tests.client.conftest import DIALECTS
from tests.scripted import CUT, Reply
from tsuji import InvalidRequestError, StreamInterruptedError, UnsupportedParameterError, UpstreamProtocolError
from tsuji.client.block import Block

ALL = (*DIALECTS, "responses")
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def weather(city: str, days: int = 1) -> str:
    """Tell the weather.

    Args:
        city: Where
    """
    return f"{city} {days}"


class City(BaseModel):
    name: str


@pytest.mark.parametrize("dialect", ALL)
def test_answer_reads_as_openais(connect, dialect):
    client, _ = connect(answers.chat(dialect, "hello", calls=[answers.Call()]), dialect)
    r = client.responses("mock:m", "hi")
    assert (r.object, r.status, r.output_text, r.output_parsed) == ("response", "completed", "hello", None)
    assert [item.type for item in r.output] == ["message", "function_call"]
    assert r.output[0].content[0].text == r["output"][0]["content"][0]["text"] == "hello"
    assert (r.output[1].name, r.output[1].arguments.replace(" ", "")) == ("weather", '{"city":"Kyoto"}')
    assert (r.usage.input_tokens, r.usage.output_tokens, r.usage.total_tokens) == (10, 5, 15)
    assert r.usage.input_tokens_details.cached_tokens == 0
    assert r.created_at > 1_600_000_000
    assert (r.error, r.incomplete_details, r.previous_response_id, r.output[0].phase) == (None, None, None, None)
    assert r.tsuji.target == "mock:m"
    for thing in (r, r.output[0], r.usage):
        with pytest.raises(AttributeError, match="'nonsense'"):
            _ = thing.nonsense


@pytest.mark.parametrize("dialect", ALL)
def test_dump_is_valid_for_openais_client(connect, dialect):
    client, _ = connect(answers.chat(dialect, thinking="hm", signature="c2ln", calls=[answers.Call()]), dialect)
    r = client.responses("mock:m", "hi")
    read = Response.model_validate(r.model_dump(), strict=True)
    assert [item.type for item in read.output if item.type != "reasoning"] == ["message", "function_call"]
    assert read.output_text == r.output_text
    assert json.loads(r.model_dump_json()) == r.to_dict() == r
    assert not any(isinstance(item, Block) for item in r.to_dict()["output"])
    assert "error" in r.model_dump() and "error" not in r.model_dump(exclude_none=True)


@pytest.mark.parametrize("dialect", ALL)
def test_stream_is_openais_events(connect, dialect):
    client, _ = connect(answers.stream(dialect, ["a", "b"], thinking="hm", calls=[answers.Call()]), dialect)
    stream = client.responses("mock:m", "hi", stream=True)
    events = list(stream)
    for event in events:
        EVENTS.validate_python(event.model_dump(), strict=True)
    assert events[0].type == "response.created"
    assert [e.delta for e in events if e.type == "response.output_text.delta"] == ["a", "b"]
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    last = events[-1].response
    assert (last.output_text, last.usage.output_tokens, last.status) == ("ab", 5, "completed")
    assert (events[0].response.error, last.previous_response_id) == (None, None)
    assert last.created_at == events[0].response.created_at > 1_600_000_000
    whole = stream.response()
    assert (whole.output_text, whole.usage, whole.created_at) == ("ab", last.usage, last.created_at)
    assert [i.type for i in whole.output] == [i.type for i in last.output]
    assert whole.tsuji is stream.tsuji


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("dialect", ALL)
def test_a_tool_loop_gives_thinking_back(connect, dialect, streamed):
    """What the provider signed or encrypted comes back to it, in its own form."""
    said = {"thinking": "hm", "signature": "c2lnbmVk", "calls": [answers.Call()]}
    first = answers.stream(dialect, (), **said) if streamed else answers.chat(dialect, "", **said)
    client, server = connect([first, answers.chat(dialect, "sunny there")], dialect)
    ask: dict[str, Any] = {"tools": [weather], "include": ["reasoning.encrypted_content"], "store": None}
    history: list[Any] = [{"role": "user", "content": "Weather in Kyoto?"}]
    r = client.responses("mock:m", history, stream=streamed, **ask)
    r = r.response() if streamed else r
    thought = next(item for item in r.output if item.type == "reasoning")
    assert thought.summary[0].text == "hm"
    history += r.output
    for call in [item for item in r.output if item.type == "function_call"]:
        result = weather(**json.loads(call.arguments))
        history.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
    assert client.responses("mock:m", history, **ask).output_text == "sunny there"
    sent = server.last.body.decode()
    assert "Kyoto 1" in sent and "tsuji." not in sent
    if dialect not in ("openai", "ollama", "cohere"):  # their plain thoughts have no signature
        assert "c2lnbmVk" in sent


@pytest.mark.parametrize("dialect", ALL)
def test_items_of_openais_own_client_go_in(connect, dialect):
    """Objects of the official client, and dumps that went through JSON."""
    client, server = connect(answers.chat(dialect, "", calls=[answers.Call()]), dialect)
    r = client.responses("mock:m", "hi")
    result = {"type": "function_call_output", "call_id": r.output[0].call_id, "output": "sunny"}
    for output in (Response.model_validate(r.to_dict()).output, json.loads(r.model_dump_json())["output"]):
        server.script(answers.chat(dialect, "ok"))
        assert client.responses("mock:m", [{"role": "user", "content": "hi"}, *output, result]).output_text
        assert "sunny" in server.last.body.decode()


def test_request_on_the_wire(connect):
    client, server = connect(answers.chat("responses"), "responses")
    client.responses(
        "mock:m", "hi", instructions="be kind", max_output_tokens=64, temperature=0.5, top_p=0.9, metadata={"a": "b"},
        reasoning={"effort": "low", "summary": "auto"}, previous_response_id="resp_0", truncation="auto", store=False,
        include=["reasoning.encrypted_content"], parallel_tool_calls=False, tool_choice="auto", verbosity="low",
        service_tier="flex", prompt_cache_key="k", user="u", conversation=None, presence_penalty=0.1, top_logprobs=2,
        tools=[{"type": "web_search", "filters": {"allowed_domains": ["example.org"]}}], background=False,
        text={"format": {"type": "text"}},
    )  # fmt: skip
    assert server.last.path == "/responses"
    assert server.last.json() == {
        "model": "m",
        "input": "hi",
        "instructions": "be kind",
        "max_output_tokens": 64,
        "temperature": 0.5,
        "top_p": 0.9,
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "previous_response_id": "resp_0",
        "truncation": "auto",
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "user": "u",
        "presence_penalty": 0.1,
        "top_logprobs": 2,
        "tools": [{"type": "web_search", "filters": {"allowed_domains": ["example.org"]}}],
        "background": False,
        "text": {"format": {"type": "text"}, "verbosity": "low"},
    }


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "openai"])
@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"previous_response_id": "resp_0"}, "previous_response_id"),
        ({"conversation": "conv_0"}, "conversation"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools[0] (web_search)"),
        ({"prompt": {"id": "pmpt_0"}}, "prompt"),
    ],
)
def test_what_only_openai_keeps_is_refused_by_name_elsewhere(connect, dialect, option, named):
    client, server = connect(answers.chat(dialect), dialect)
    with pytest.raises(UnsupportedParameterError) as caught:
        client.responses("mock:m", "hi", **option)
    assert caught.value.param == named
    assert not server.requests
    assert client.responses("mock:m", "hi", **option, drop_params=True).tsuji.dropped == [named]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda client: client.responses("mock:m", "hi", verbosity="low"), "text.verbosity"),
        (lambda client: client.completion("mock:m", [{"role": "user", "content": "hi"}], verbosity="low"), "verbosity"),
    ],
    ids=["responses", "completion"],
)
def test_a_refusal_names_the_field_as_the_caller_does(connect, call, named):
    client, _ = connect(answers.chat("anthropic"), "anthropic")
    with pytest.raises(UnsupportedParameterError, match=named) as caught:
        call(client)
    assert caught.value.param == named


def test_penalties_reach_those_who_know_them(connect):
    client, server = connect(answers.chat("openai"))
    client.responses("mock:m", "hi", presence_penalty=0.5, frequency_penalty=0.25)
    assert (server.last.json()["presence_penalty"], server.last.json()["frequency_penalty"]) == (0.5, 0.25)


def test_tools_of_every_form(connect):
    client, server = connect(answers.chat("responses"), "responses")
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    own = {"type": "function", "name": "own", "parameters": schema}
    chats = {"type": "function", "function": {"name": "chats", "parameters": schema, "strict": True}}
    anthropics = {"name": "anthropics", "input_schema": schema, "description": "d"}
    client.responses(
        "mock:m", "hi", tools=[weather, own, chats, anthropics],
        tool_choice={"type": "function", "function": {"name": "own"}},
    )  # fmt: skip
    described, *others = server.last.json()["tools"]
    assert (described["name"], described["description"], described["strict"]) == ("weather", "Tell the weather.", False)
    assert described["parameters"]["properties"]["city"] == {"type": "string", "description": "Where"}
    assert others == [
        own,
        {"type": "function", "name": "chats", "parameters": schema, "strict": True},
        {"type": "function", "name": "anthropics", "parameters": schema, "description": "d", "strict": False},
    ]
    assert server.last.json()["tool_choice"] == {"type": "function", "name": "own"}


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("name", ["text_format", "response_format"])
def test_a_type_becomes_an_instance(connect, dialect, name):
    client, server = connect(answers.chat(dialect, '{"name":"Kyoto"}'), dialect)
    assert client.responses("mock:m", "hi", **{name: City}).output_parsed == City(name="Kyoto")
    assert "name" in server.last.body.decode()
    server.script(answers.chat(dialect, "no json"))
    with pytest.raises(UpstreamProtocolError):
        _ = client.responses("mock:m", "hi", **{name: City}).output_parsed


@pytest.mark.parametrize(
    "form",
    [
        {"type": "json_schema", "name": "city", "schema": {"type": "object", "required": ["name"]}},
        {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "object", "required": ["name"]}}},
    ],
    ids=["responses", "chat"],
)
def test_schemas_as_dicts(connect, form):
    client, server = connect(answers.chat("responses", '{"name":"Kyoto"}'), "responses")
    asked = {"type": "json_schema", "name": "city", "schema": {"type": "object", "required": ["name"]}}
    assert client.responses("mock:m", "hi", response_format=form).output_parsed == {"name": "Kyoto"}
    assert server.last.json()["text"] == {"format": asked}
    assert client.responses("mock:m", "hi", text={"format": asked}).output_parsed == {"name": "Kyoto"}
    assert server.last.json()["text"] == {"format": asked}
    server.script(answers.chat("responses", "{}"))
    with pytest.raises(UpstreamProtocolError, match="lacks 'name'"):
        _ = client.responses("mock:m", "hi", text_format=form).output_parsed


def test_a_parsed_stream(connect):
    client, _ = connect(answers.stream("anthropic", ['{"name":', '"Kyoto"}']), "anthropic")
    stream = client.responses("mock:m", "hi", text_format=City, stream=True)
    assert list(stream)[-1].response.output_parsed == stream.response().output_parsed == City(name="Kyoto")


def test_a_cut_stream_does_not_look_finished(connect):
    steps = list(answers.stream("openai", ["Kyo", "to"]).body)
    cut = next(i for i, step in enumerate(steps) if b"Kyo" in step) + 1
    client, _ = connect(Reply([*steps[:cut], 0.05, CUT], content_type=answers.SSE))
    kinds: list[str] = []
    with pytest.raises(StreamInterruptedError):
        for event in client.responses("mock:m", "hi", stream=True):
            kinds.append(event.type)
    assert "response.output_text.delta" in kinds and "response.completed" not in kinds


def test_the_next_target_starts_a_stream_afresh(two):
    steps = list(answers.stream("openai", ["x"]).body)
    failed = answers.events({"error": {"message": "overloaded", "type": "server_error", "code": None}})
    first = Reply([steps[0], *failed], content_type=answers.SSE)
    client, _, _ = two(first, answers.stream("anthropic", ["a"]), ("openai", "anthropic"))
    stream = client.responses("both", "hi", stream=True)
    events = list(stream)
    assert [e.type for e in events].count("response.created") == 1
    assert events[0].sequence_number == 0
    assert (stream.tsuji.target, len(stream.tsuji.attempts)) == ("second:m2", 3)


def test_copies_and_pickles_keep_the_document_alone(connect):
    client, _ = connect(answers.chat("openai"))
    r = client.responses("mock:m", "hi")
    for again in (pickle.loads(pickle.dumps(r)), copy.deepcopy(r), copy.copy(r)):
        assert (again, again.output_text) == (r, "hello")
        assert type(again.output[0]) is type(r.output[0])
        with pytest.raises(AttributeError):
            _ = again.tsuji


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"max_tokens": 3}, "did you mean 'max_output_tokens'"),
        ({"reasoning_effort": "low"}, "did you mean 'reasoning'"),
        ({"previous_response": "x"}, "did you mean 'previous_response_id'"),
        ({"zzz": 1}, "extra_body"),
    ],
)
def test_unknown_keywords(connect, option, said):
    client, server = connect()
    with pytest.raises(TypeError, match=said):
        client.responses("mock:m", "hi", **option)
    assert not server.requests


@pytest.mark.parametrize(
    ("wrong", "options", "param"),
    [
        (None, {}, "input"),
        (3, {}, "input"),
        ({"role": "user", "content": "hi"}, {}, "input"),
        ([3], {}, "input[0]"),
        ([{"role": "someone", "content": "hi"}], {}, "input[0].role"),
        ("hi", {"input_data": "hi"}, "input"),
        ("hi", {"tools": weather}, "tools"),
        ("hi", {"tools": [3]}, "tools[0]"),
        ("hi", {"tools": [{"type": "function", "function": 3}]}, "tools[0].name"),
        ("hi", {"reasoning": "low"}, "reasoning"),
        ("hi", {"text": "low"}, "text"),
        ("hi", {"text_format": City, "response_format": City}, "text"),
        ("hi", {"text_format": City, "text": {"format": {"type": "text"}}}, "text"),
        ("hi", {"max_output_tokens": "many"}, "max_output_tokens"),
    ],
)
def test_mistakes_are_named_before_anything_is_sent(connect, wrong, options, param):
    client, server = connect(answers.chat("openai"))
    with pytest.raises(InvalidRequestError) as caught:
        client.responses("mock:m", wrong, **options)
    assert caught.value.param == param
    assert not server.requests


def test_html(connect):
    client, _ = connect([answers.html(), Reply(b"{}")])
    for _ in range(2):
        with pytest.raises(UpstreamProtocolError):
            client.responses("mock:m", "hi")
