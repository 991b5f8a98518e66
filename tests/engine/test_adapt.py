"""Requests adapted to what llama.cpp does, and answers turned back: pure."""

import json
from itertools import pairwise
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import Message, Text, Thinking, ToolCall, ToolResult
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.engine.adapt import Unadapt, adapt_request
from tsuji.engine.endpoint import LoadedModel
from tsuji.engine.schemas import call_schema, enforceable, plain_pattern

PLAIN = LoadedModel("llama", 4096, "{{ messages }}", False, False, 1)
TOOLED = LoadedModel("qwen3", 32768, "{{ messages }}{{ tools }}", True, False, 1)
WEATHER = Tool(
    "get_weather",
    "Get the weather in a city",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"], "description": "of temperature"}},
        "required": ["city"],
    },
)
NOW = Tool("now")
ASK = Message("user", (Text("Weather in Oslo?"),))


def request(**fields: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=(ASK,), **fields)


def schema_of(adapted: ChatRequest) -> dict[str, Any]:
    assert adapted.response_format is not None and adapted.response_format.schema is not None
    return adapted.response_format.schema


def test_a_request_without_tools_is_left_alone() -> None:
    for info in (PLAIN, TOOLED):
        assert adapt_request(request(temperature=0.5), info) == (request(temperature=0.5), None)


def test_a_template_with_tools_keeps_them_unless_a_call_must_come() -> None:
    given_request = request(tools=(WEATHER, NOW))
    adapted, back = adapt_request(given_request, TOOLED)
    assert adapted == given_request and back is not None
    adapted, back = adapt_request(request(tools=(WEATHER, NOW), tool_choice=ToolChoice("none")), TOOLED)
    assert adapted.tools == (WEATHER, NOW) and back is None


@pytest.mark.parametrize("info", [PLAIN, TOOLED])
def test_a_required_call_is_enforced_by_schema(info: LoadedModel) -> None:
    adapted, back = adapt_request(request(tools=(WEATHER, NOW), tool_choice=ToolChoice("required")), info)
    assert back is not None and adapted.tools == () and adapted.tool_choice is None
    system = adapted.messages[0]
    assert system.role == "system" and '{"name": "get_weather", "arguments": {"city": "..."}}' in system.text
    assert 'unit: "C" or "F" - of temperature' in system.text and adapted.messages[1] == ASK
    valid = jsonschema.Draft202012Validator(schema_of(adapted)).is_valid
    assert valid({"name": "get_weather", "arguments": {"city": "Oslo", "unit": "C"}})
    assert valid({"name": "now", "arguments": {}})
    assert not valid({"name": "now", "arguments": {"x": 1}})
    assert not valid({"name": "get_weather", "arguments": {}})
    assert not valid({"name": "other", "arguments": {}})
    assert not valid("text")


def test_a_named_call_leaves_one_tool_and_names_must_exist() -> None:
    named = ToolChoice("named", names=("now",))
    adapted, _ = adapt_request(request(tools=(WEATHER, NOW), tool_choice=named), PLAIN)
    assert "get_weather" not in adapted.messages[0].text
    assert not jsonschema.Draft202012Validator(schema_of(adapted)).is_valid(
        {"name": "get_weather", "arguments": {"city": "Oslo"}}
    )
    with pytest.raises(InvalidRequestError, match="'later'"):
        adapt_request(request(tools=(NOW,), tool_choice=ToolChoice("named", names=("later",))), PLAIN)
    with pytest.raises(InvalidRequestError, match="there are no tools"):
        adapt_request(request(tool_choice=ToolChoice("required")), PLAIN)


def test_several_calls_for_who_asks_for_them() -> None:
    asked = request(tools=(WEATHER, NOW), tool_choice=ToolChoice("required"), parallel_tools=True)
    adapted, _ = adapt_request(asked, PLAIN)
    valid = jsonschema.Draft202012Validator(schema_of(adapted)).is_valid
    assert valid([{"name": "now", "arguments": {}}, {"name": "get_weather", "arguments": {"city": "Oslo"}}])
    assert not valid([]) and not valid({"name": "now", "arguments": {}})


def test_free_choice_with_a_template_without_tools() -> None:
    adapted, back = adapt_request(request(tools=(WEATHER,)), PLAIN)
    assert back is not None and adapted.response_format is None and adapted.tools == ()
    assert "answer in plain words" in adapted.messages[0].text
    answer = ResponseFormat("json_schema", schema={"type": "object", "properties": {"x": {"type": "integer"}}})
    adapted, _ = adapt_request(request(tools=(WEATHER,), response_format=answer), PLAIN)
    valid = jsonschema.Draft202012Validator(schema_of(adapted)).is_valid
    assert valid({"x": 1}) and valid({"name": "get_weather", "arguments": {"city": "Oslo"}}) and not valid({"x": "no"})


def test_the_system_message_is_kept_and_provider_tools_are_left_to_be_refused() -> None:
    search = ProviderTool("anthropic", "web_search", {})
    messages = (Message("system", (Text("Be brief."), Text("Be kind."))), ASK)
    adapted, _ = adapt_request(ChatRequest("m", messages, tools=(WEATHER, search)), PLAIN)
    assert adapted.messages[0].text.startswith("Be brief.Be kind.\n\nYou can call")
    assert adapted.tools == (search,)


def test_a_conversation_with_calls_becomes_plain_turns() -> None:
    messages = (
        ASK,
        Message("assistant", (Text("Let me see."), ToolCall("1", "get_weather", '{"city": "Oslo"}'))),
        Message("tool", (ToolResult("1", (Text("4 C"),)),)),
        Message("user", (ToolResult("2", (Text("no"),), name="now", is_error=True), Text("And tomorrow?"))),
    )
    adapted, back = adapt_request(ChatRequest("m", messages), PLAIN)
    assert back is None
    assert [(message.role, message.text) for message in adapted.messages] == [
        ("user", "Weather in Oslo?"),
        ("assistant", 'Let me see.\n{"name": "get_weather", "arguments": {"city": "Oslo"}}'),
        ("user", "Result of get_weather: 4 C\nError of now: no\nAnd tomorrow?"),
    ]
    adapted, _ = adapt_request(ChatRequest("m", (*messages[:3], messages[2])), PLAIN)
    assert adapted.messages[-1].text == (
        "Result of get_weather: 4 C\nResult of get_weather: 4 C\nUse it to answer my question in plain words."
    )
    assert adapt_request(ChatRequest("m", messages), TOOLED)[0].messages == messages


CALL = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'


def answer(*texts: str) -> ChatResponse:
    choices = tuple([Choice(i, (Thinking("hm"), Text(text)), "stop", "stop") for i, text in enumerate(texts)])
    return ChatResponse("chatcmpl-x", "m", choices)


def test_calls_come_back_as_calls() -> None:
    back = Unadapt((WEATHER, NOW))
    response = back.response(answer(CALL + ' {"name": "now", "arguments": {}}', "It is warm."))
    first, second = response.choices
    assert first.stop == "tool_calls" and first.thinking == "hm" and first.text == ""
    assert [(c.name, json.loads(c.arguments)) for c in first.tool_calls] == [
        ("get_weather", {"city": "Oslo"}),
        ("now", {}),
    ]
    assert len({call.id for call in first.tool_calls}) == 2
    assert second == answer("", "It is warm.").choices[1]


def test_a_call_that_was_cut_keeps_its_reason() -> None:
    cut = Choice(0, (Text(CALL[:50]),), "length", "length")
    choice = Unadapt((WEATHER,)).response(ChatResponse("x", "m", (cut,))).choices[0]
    assert choice.stop == "length" and choice.tool_calls[0].arguments == CALL[CALL.index('{"city') : 50]


@given(
    st.lists(
        st.sampled_from([CALL, "Plain.", ' {"name": "now", "arguments": {}}', "[", '{"name": "x"', "\n"]), max_size=4
    ),
    st.lists(st.integers(0, 120), max_size=8),
)
def test_a_stream_gives_what_the_whole_answer_gives(texts: list[str], cuts: list[int]) -> None:
    back = Unadapt((WEATHER, NOW))
    whole = answer("".join(texts), CALL)
    events: list[ev.Event] = []
    for event in replay(whole):
        if type(event) is ev.TextDelta and event.index == 1:
            at = [0, *sorted(min(cut, len(event.text)) for cut in cuts), len(event.text)]
            events += [ev.TextDelta(event.text[a:b], 1, event.choice) for a, b in pairwise(at)]
        else:
            events.append(event)
    turned = back.events()
    assert assemble([out for event in events for out in turned.feed([event])]) == back.response(whole)


def test_a_broken_stream_gives_what_was_held_back() -> None:
    turned = Unadapt((WEATHER,)).events()
    failed = ev.StreamFailed(InvalidRequestError("x"))
    events: list[ev.Event] = [
        ev.Started("x", "m"), ev.PartStarted(Text(""), 0), ev.TextDelta('{"name": "get', 0), failed,
    ]  # fmt: skip
    assert turned.feed(events) == [
        ev.Started("x", "m"), ev.PartStarted(Text(""), 0), ev.TextDelta('{"name": "get', 0), ev.PartEnded(0), failed,
    ]  # fmt: skip


def test_other_parts_keep_their_order() -> None:
    turned = Unadapt((NOW,)).events()
    native = ToolCall("1", "now", "")
    events: list[ev.Event] = [
        ev.PartStarted(Text(""), 0), ev.TextDelta('{"name": "now", "arguments": {}}', 0), ev.PartEnded(0),
        ev.PartStarted(native, 1), ev.ArgumentsDelta("{}", 1), ev.PartEnded(1), ev.Finished("tool_calls"),
    ]  # fmt: skip
    out = turned.feed(events)
    assert [(type(e).__name__, getattr(e, "index", None)) for e in out] == [
        ("PartStarted", 0), ("ArgumentsDelta", 0), ("PartEnded", 0),
        ("PartStarted", 1), ("ArgumentsDelta", 1), ("PartEnded", 1), ("Finished", None),
    ]  # fmt: skip


def test_references_move_with_their_schema() -> None:
    tree = {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/Node"}, "again": {"$ref": "#"}},
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    }
    schema = call_schema([Tool("grow", parameters=tree), NOW], parallel=False, bound=None)
    valid = jsonschema.Draft202012Validator(schema).is_valid
    assert valid({"name": "grow", "arguments": {"root": {"next": {"next": {}}}, "again": {"root": {}}}})
    assert not valid({"name": "grow", "arguments": {"root": {"next": 3}}})


def test_only_strings_and_lists_without_an_end_get_one() -> None:
    schema = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "pattern": {"type": "string", "enum": ["a"], "default": {"pattern": "x"}},
            "list": {"type": "array", "items": {"type": "string", "minLength": 2000}},
            "short": {"type": "array", "maxItems": 2},
        },
    }
    assert enforceable(schema) == schema
    assert enforceable(schema, 1000)["properties"] == {
        "type": {"type": "string", "maxLength": 1000},
        "pattern": {"type": "string", "enum": ["a"], "default": {"pattern": "x"}},
        "list": {"type": "array", "items": {"type": "string", "minLength": 2000, "maxLength": 2000}, "maxItems": 32},
        "short": {"type": "array", "maxItems": 2},
    }


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        (r"^\d{4}-\d{2}$", "^[0-9]{4}-[0-9]{2}$"),
        (r"^[\w.]+@\w+$", "^[A-Za-z0-9_.]+@[A-Za-z0-9_]+$"),
        (r"\d", "^.*([0-9]).*$"),
        (r"^a|b", "^(a|b).*$"),
        (r"^\$\[\d\]\$", r"^(\$\[[0-9]\]\$).*$"),
    ],
)
def test_patterns_are_spelled_out(pattern: str, plain: str) -> None:
    assert plain_pattern(pattern) == plain
