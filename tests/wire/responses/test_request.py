"""Requests: what becomes of each item and field, and what other dialects' requests become here."""

import json
from typing import Any

import pytest

from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError
from tsuji.core.parts import Document, Image, Media, Message, Opaque, Refusal, Text, Thinking, ToolCall, ToolResult
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.responses import DIALECT


def parse(**body: Any) -> ChatRequest:
    return DIALECT.parse_request(json.dumps({"model": "m", **body}).encode(), None, None)


def render(request: ChatRequest, drop: bool = False) -> Any:
    return json.loads(DIALECT.render_request(request, NO_QUIRKS, Losses("responses", drop)).body)


def foreign(*messages: Message, **more: Any) -> Any:
    return render(ChatRequest("m", messages, **more))


ITEMS: list[Any] = [
    {"role": "user", "content": "Weather in Kyoto?"},
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Look"}],
        "encrypted_content": "x",
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "phase": "commentary",
        "content": [
            {"type": "output_text", "text": "I will ", "annotations": []},
            {"type": "refusal", "refusal": "not"},
        ],
    },
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}", "status": "completed"},
    {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"a":1}', "namespace": "n"},
    {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    {
        "type": "function_call_output",
        "id": "fco_1",
        "call_id": "c2",
        "output": [
            {"type": "input_text", "text": "see"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        ],
    },
    {"type": "item_reference", "id": "msg_9"},
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be brief"}]},
    {"role": "assistant", "content": "yes"},
    {"role": "assistant", "content": ""},
    {
        "role": "user",
        "content": [
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
            {"type": "input_file", "file_url": "https://example.org/a.pdf"},
            {"type": "input_file", "file_id": "file_1"},
            {"type": "input_image", "file_id": "file_2"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"type": "input_hologram", "x": 1},
            {"type": "input_text", "text": "these", "prompt_cache_breakpoint": {"mode": "explicit"}},
        ],
    },
]


def test_every_item_comes_back_as_it_was() -> None:
    request = parse(input=ITEMS)
    assert render(request)["input"] == ITEMS


def test_what_the_model_said_in_a_row_is_one_message() -> None:
    said, first, second = parse(input=ITEMS).messages[1:4]
    assert [type(p) for p in said.content] == [Thinking, Text, Refusal, Opaque, ToolCall, ToolCall]
    thought, calls = said.content[0], [p for p in said.content if isinstance(p, ToolCall)]
    assert isinstance(thought, Thinking)
    assert (thought.text, thought.redacted, thought.id, thought.summary) == ("Look", "x", "rs_1", True)
    assert [(c.id, c.name, c.arguments) for c in calls] == [("c1", "f", "{}"), ("c2", "g", '{"a":1}')]
    assert first.content[0] == ToolResult("c1", (Text("sunny"),))
    result = second.content[0]
    assert isinstance(result, ToolResult)
    assert [type(p) for p in result.content] == [Text, Image]


FIELDS: dict[str, Any] = {
    "input": "hi",
    "instructions": "be brief",
    "max_output_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_logprobs": 2,
    "parallel_tool_calls": False,
    "user": "u",
    "metadata": {"a": "b"},
    "service_tier": "flex",
    "store": True,
    "prompt_cache_key": "k",
    "stream": False,
    "stream_options": {"include_obfuscation": False},
    "truncation": "auto",
    "background": True,
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs", "file_search_call.results"],
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto", "context": "all_turns"},
    "tools": [
        {"type": "function", "name": "f", "parameters": {}, "defer_loading": True},
        {"type": "web_search", "search_context_size": "low"},
    ],
    "tool_choice": {"type": "web_search"},
    "previous_response_id": "resp_1",
    "conversation": {"id": "conv_1"},
    "heard_of": {"not": "yet"},
}


def test_every_field_comes_back_as_it_was() -> None:
    assert render(parse(**FIELDS)) == {"model": "m", **FIELDS}


def test_fields_are_understood() -> None:
    request = parse(**FIELDS)
    assert [(m.role, m.text) for m in request.messages] == [("system", "be brief"), ("user", "hi")]
    assert (request.max_tokens, request.logprobs, request.verbosity) == (9, True, "low")
    assert request.response_format == ResponseFormat("json_schema", "n", None, {}, True)
    assert request.reasoning is not None
    assert (request.reasoning.effort, request.reasoning.show) == ("low", "auto")
    assert [type(t) for t in request.tools] == [Tool, ProviderTool]


@pytest.mark.parametrize(
    "choice",
    [
        "auto",
        "required",
        {"type": "function", "name": "f"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
    ],
)
def test_tool_choices_come_back(choice: Any) -> None:
    assert render(parse(input="x", tool_choice=choice))["tool_choice"] == choice


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("background", True),
        ("truncation", "auto"),
        ("max_tool_calls", 3),
        ("include", ["file_search_call.results"]),
    ],
)
@pytest.mark.parametrize("target", ["openai", "anthropic", "gemini"])
def test_what_only_this_api_has_is_refused_by_name_elsewhere(field: str, value: Any, target: str) -> None:
    request = parse(input="x", **{field: value})
    with pytest.raises(UnsupportedParameterError) as caught:
        dialect(target).render_request(request, NO_QUIRKS, Losses(target))
    assert caught.value.param == field


@pytest.mark.parametrize("target", ["openai", "anthropic", "gemini"])
def test_what_asks_nothing_is_refused_nowhere(target: str) -> None:
    request = parse(
        input="x", store=False, background=False, truncation="disabled", include=["reasoning.encrypted_content"]
    )
    losses = Losses(target)
    dialect(target).render_request(request, NO_QUIRKS, losses)
    assert losses.dropped == []


def test_a_request_of_another_dialect() -> None:
    body = foreign(
        Message("system", (Text("be brief"),)),
        Message("user", (Text("see"), Image(Media(data="AAAA", media_type="image/png")))),
        Message("user", (Document(Media(data="AAAA", media_type="application/pdf")),)),
        Message("assistant", (Thinking("hm", "sig", origin="anthropic"), Text("calling"), ToolCall("", "f", "{}"))),
        Message("tool", (ToolResult("", (Text("sunny"),), name="f", is_error=True),)),
        tools=(Tool("f"),),
        tool_choice=ToolChoice("named", ("f",)),
        reasoning=Reasoning(budget=2000),
        response_format=ResponseFormat("json_schema", schema={"type": "object"}),
    )
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
    file = {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "document.pdf"}
    assert body == {
        "model": "m",
        "input": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "input_text", "text": "see"}, image]},
            {"role": "user", "content": [file]},
            {"role": "assistant", "content": "calling"},
            {"type": "function_call", "call_id": "call_0", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_0", "output": "sunny"},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "response", "schema": {"type": "object"}}},
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


@pytest.mark.parametrize(
    "more",
    [
        {"top_k": 1},
        {"min_p": 0.1},
        {"seed": 1},
        {"stop": ("x",)},
        {"n": 2},
        {"logit_bias": {"1": 1.0}},
        {"frequency_penalty": 1.0},
        {"modalities": ("audio",)},
    ],
)
def test_what_the_api_has_no_field_for_is_refused_by_name(more: dict[str, Any]) -> None:
    (name,) = more
    with pytest.raises(UnsupportedParameterError) as caught:
        foreign(Message("user", (Text("x"),)), **more)
    assert caught.value.param == name
    losses = Losses("responses", drop=True)
    body = DIALECT.render_request(ChatRequest("m", (Message("user", (Text("x"),)),), **more), NO_QUIRKS, losses).body
    assert losses.dropped == [name]
    assert name not in json.loads(body)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 3}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": 1}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": "x", "temperature": "hot"}, "temperature"),
        ({"input": "x", "tools": [{"name": "f"}]}, "tools[0].type"),
        ({"input": "x", "tool_choice": "some"}, "tool_choice"),
        ({"input": "x", "text": {"format": "json"}}, "text.format"),
        ({"input": "x", "model": ""}, "model"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**body)
    assert caught.value.param == param


@pytest.mark.parametrize("name", ["presence_penalty", "frequency_penalty", "seed", "top_k", "min_p"])
def test_what_some_providers_take_comes_back_and_is_understood(name: str) -> None:
    request = parse(input="hi", **{name: 1})
    assert getattr(request, name) == 1
    assert render(request)[name] == 1
    accepting = Quirks(accepts=("top_k", "min_p"))
    there = dialect("openai").render_request(request, accepting, Losses("openai")).body
    assert json.loads(there)[name] == 1


def test_text_in_the_words_of_chat_completions() -> None:
    request = parse(input=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}])
    assert request.messages[0].content == (Text("hi"),)
    assert render(request)["input"] == [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
