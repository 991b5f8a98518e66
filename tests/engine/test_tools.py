"""Tools and schemas with the real default model: what is promised holds every time, however small the model."""

import json
from typing import Any, Literal

import jsonschema
import pydantic
import pytest

from tests.engine.chatting import chat, stream
from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.parts import Message, Text, ToolResult
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ResponseFormat, Tool, ToolChoice
from tsuji.engine.local import LocalEngine

WEATHER = Tool(
    "get_weather",
    "Get the current weather in a city",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
        "required": ["city"],
    },
)
CALCULATOR = Tool(
    "calculator",
    "Evaluate an arithmetic expression",
    {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
)
CLOCK = Tool("clock", "Tell the time")
TOOLS = (WEATHER, CALCULATOR, CLOCK)
SCHEMAS: dict[str, Any] = {tool.name: tool.parameters or {"const": {}} for tool in TOOLS}
QUESTIONS = ["How warm is it in Oslo?", "What is 17 * 23?", "Hello! Who are you?", "Write a long story.", "天気は。"]


def user(text: str) -> Message:
    return Message("user", (Text(text),))


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_required_call_always_comes_and_meets_its_schema(local_engine: LocalEngine, question: str) -> None:
    temperature = QUESTIONS.index(question) % 2 * 1.2
    request = ChatRequest(
        "m", (user(question),), tools=TOOLS, tool_choice=ToolChoice("required"), temperature=temperature, seed=3
    )
    choice = chat(local_engine.endpoint("default"), request).choices[0]
    assert choice.stop == "tool_calls" and choice.text == ""
    [call] = choice.tool_calls
    jsonschema.validate(json.loads(call.arguments), SCHEMAS[call.name])


def test_a_named_call_and_several_calls(local_engine: LocalEngine) -> None:
    endpoint = local_engine.endpoint("default")
    named = ChatRequest("m", (user("Hi"),), tools=TOOLS, tool_choice=ToolChoice("named", names=("clock",)))
    assert [(c.name, c.arguments) for c in chat(endpoint, named).choices[0].tool_calls] == [("clock", "{}")]
    several = ChatRequest(
        "m",
        (user("What is the weather in Oslo and in Rome?"),),
        tools=TOOLS,
        tool_choice=ToolChoice("required"),
        parallel_tools=True,
        temperature=0,
    )
    calls = chat(endpoint, several).choices[0].tool_calls
    assert calls and len({call.id for call in calls}) == len(calls)
    for call in calls:
        jsonschema.validate(json.loads(call.arguments), SCHEMAS[call.name])


def test_a_streamed_call_is_the_whole_call_in_pieces(local_engine: LocalEngine) -> None:
    request = ChatRequest(
        "m", (user("How warm is it in Oslo?"),), tools=TOOLS, tool_choice=ToolChoice("required"), temperature=0
    )
    endpoint = local_engine.endpoint("default")
    events = list(stream(endpoint, request))
    assert sum(type(event) is ev.ArgumentsDelta for event in events) > 3
    assert not any(type(event) is ev.TextDelta for event in events)
    streamed, whole = assemble(events).choices[0], chat(endpoint, request).choices[0]
    assert streamed.stop == "tool_calls"
    assert [(c.name, c.arguments) for c in streamed.tool_calls] == [(c.name, c.arguments) for c in whole.tool_calls]


def test_a_tool_loop_ends_in_words(local_engine: LocalEngine) -> None:
    endpoint = local_engine.endpoint("default")
    asked = user("What is the price of the red bike?")
    price = Tool(
        "price", "Look up a price", {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}
    )
    first = chat(endpoint, ChatRequest("m", (asked,), tools=(price,), tool_choice=ToolChoice("required")))
    [call] = first.choices[0].tool_calls
    messages = (
        asked,
        Message("assistant", first.choices[0].content),
        Message("tool", (ToolResult(call.id, (Text("420 euros"),)),)),
    )
    last = chat(endpoint, ChatRequest("m", messages, tools=(price,), temperature=0, max_tokens=60)).choices[0]
    assert last.tool_calls == () and "420" in last.text


class Stop(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    minutes: int = pydantic.Field(ge=0, le=90)


class Leg(pydantic.BaseModel):
    line: str = pydantic.Field(pattern=r"^[A-Z]\d{2}$")
    stops: list[Stop] = pydantic.Field(min_length=1, max_length=2)
    kind: Literal["train", "bus"]


class Trip(pydantic.BaseModel):
    first: Leg
    then: Leg | None


def test_a_pydantic_schema_with_references_holds(local_engine: LocalEngine) -> None:
    answer = ResponseFormat("json_schema", name="trip", schema=Trip.model_json_schema())
    request = ChatRequest("m", (user("Plan a trip by train."),), response_format=answer, temperature=0)
    choice = chat(local_engine.endpoint("default"), request).choices[0]
    assert choice.stop == "stop"
    assert Trip.model_validate_json(choice.text).first.line[1:].isdigit()


def test_the_same_seed_and_no_temperature_give_the_same_answer(local_engine: LocalEngine) -> None:
    endpoint = local_engine.endpoint("default")
    for settings in ({"temperature": 0.0}, {"temperature": 1.0, "seed": 7}):
        request = ChatRequest("m", (user("Name a colour."),), max_tokens=24, **settings)  # pyright: ignore
        assert len({chat(endpoint, request).choices[0].text for _ in range(3)}) == 1
