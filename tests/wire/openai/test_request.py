"""Requests: top-level fields, both ways."""

from typing import Any

import pytest

from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError
from tsuji.core.parts import CacheMark, Message, Text
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire.dialect import Losses

from .wire import DIALECT, parse, render

HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": HI, **fields}


PLAIN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"temperature": 0}, {"temperature": 0}),
    ({"top_p": 0.5}, {"top_p": 0.5}),
    ({"top_k": 40}, {"top_k": 40}),
    ({"min_p": 0.1}, {"min_p": 0.1}),
    ({"seed": -3}, {"seed": -3}),
    ({"n": 2}, {"n": 2}),
    ({"frequency_penalty": -1.5}, {"frequency_penalty": -1.5}),
    ({"presence_penalty": 1}, {"presence_penalty": 1}),
    ({"logit_bias": {"50256": -100}}, {"logit_bias": {"50256": -100}}),
    ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ({"parallel_tool_calls": False}, {"parallel_tools": False}),
    ({"user": "u"}, {"user": "u"}),
    ({"metadata": {"k": "v"}}, {"metadata": {"k": "v"}}),
    ({"service_tier": "flex"}, {"service_tier": "flex"}),
    ({"verbosity": "low"}, {"verbosity": "low"}),
    ({"store": False}, {"store": False}),
    ({"prompt_cache_key": "k"}, {"prompt_cache_key": "k"}),
    ({"max_tokens": 9}, {"max_tokens": 9}),
    ({"max_completion_tokens": 9}, {"max_tokens": 9}),
    ({"stop": "x"}, {"stop": ("x",)}),
    ({"stop": ["x", "y"]}, {"stop": ("x", "y")}),
    ({"stop": []}, {"stop": ()}),
    ({"stream": True}, {"stream": True, "stream_usage": None}),
    ({"stream": False}, {"stream": False}),
    ({"stream": True, "stream_options": {"include_usage": True}}, {"stream_usage": True}),
    (
        {"stream": True, "stream_options": {"include_usage": False, "include_obfuscation": False}},
        {"stream_usage": False},
    ),
    ({"modalities": ["text", "audio"]}, {"modalities": ("text", "audio")}),
    ({"response_format": {"type": "text"}}, {"response_format": ResponseFormat("text")}),
    ({"response_format": {"type": "json_object"}}, {"response_format": ResponseFormat("json")}),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}},
        {"response_format": ResponseFormat("json_schema", "n", None, SCHEMA, True)},
    ),
    ({"tools": []}, {"tools": ()}),
    (
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "", "parameters": SCHEMA, "strict": False},
                }
            ]
        },
        {"tools": (Tool("f", "", SCHEMA, False),)},
    ),
    ({"tool_choice": "auto"}, {"tool_choice": ToolChoice("auto")}),
    ({"tool_choice": "required"}, {"tool_choice": ToolChoice("required")}),
    ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tool_choice": ToolChoice("named", ("f",))}),
]


@pytest.mark.parametrize(("wire", "core"), PLAIN, ids=lambda v: "+".join(v) if isinstance(v, dict) else "")
def test_fields_that_core_has_a_noun_for(wire: dict[str, Any], core: dict[str, Any]) -> None:
    request = parse(body(**wire))
    assert {name: getattr(request, name) for name in core} == core
    assert render(request) == body(**wire)


KEPT: list[dict[str, Any]] = [
    {"audio": {"voice": "alloy", "format": "wav"}},
    {"web_search_options": {"search_context_size": "low"}},
    {"prediction": {"type": "content", "content": "x"}},
    {"provider": {"order": ["anthropic"]}},
    {"functions": [{"name": "f", "parameters": SCHEMA}], "function_call": {"name": "f"}},
    {"response_format": {"type": "grammar", "grammar": "root ::= x"}},
    {"response_format": {"type": "json_object", "schema": SCHEMA}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "extra": 1}, "beside": 2}},
    {"max_tokens": 5, "max_completion_tokens": 9},
    {"max_completion_tokens": 9, "max_tokens": 5},
    {"tool_choice": "any"},
    {"tool_choice": {"function": {"name": "f"}}},
    {"tool_choice": {"type": "custom", "custom": {"name": "f"}}},
    {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}}},
    {
        "tools": [
            {"type": "custom", "custom": {"name": "f"}},
            {"type": "openrouter:web_search", "parameters": {"max": 1}},
        ]
    },
    {"tools": [{"function": {"name": "f"}}]},
    {"tools": [{"type": "function", "function": {"name": "f", "odd": 1}, "odd": 2}]},
    {"tools": [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
]


@pytest.mark.parametrize("wire", KEPT, ids=lambda v: "+".join(v))
def test_fields_that_only_this_dialect_knows_come_back(wire: dict[str, Any]) -> None:
    assert render(parse(body(**wire))) == body(**wire)


def test_null_is_absent() -> None:
    assert render(parse(body(stop=None, temperature=None, tools=None, provider=None))) == body()


def test_kept_fields_are_refused_by_other_dialects_by_name() -> None:
    request = parse(
        body(provider={"order": ["x"]}, stream=True, tools=[{"type": "function", "function": {"name": "f", "odd": 1}}])
    )
    foreign = Losses("anthropic", drop=True)
    assert foreign.ext(request.ext) == {}
    tool = request.tools[0]
    assert isinstance(tool, Tool)
    foreign.ext(tool.ext, "tools[0].")
    assert foreign.dropped == ["provider", "tools[0].function.odd"]


def test_the_newer_name_of_max_tokens_wins() -> None:
    for wire in ({"max_tokens": 5, "max_completion_tokens": 9}, {"max_completion_tokens": 9, "max_tokens": 5}):
        request = parse(body(**wire))
        assert request.max_tokens == 9
        assert request.ext == {"openai": {"max_tokens": 5}}


def test_tools_of_other_kinds() -> None:
    request = parse(body(tools=[{"type": "web_search", "x": 1}]))
    assert request.tools == (ProviderTool("openai", "web_search", {"type": "web_search", "x": 1}),)


def test_allowed_tools() -> None:
    tools = [{"type": "function", "function": {"name": n}} for n in "fg"]
    wire = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}}
    choice = parse(body(tool_choice=wire)).tool_choice
    assert choice is not None
    assert (choice.mode, choice.names) == ("named", ("f", "g"))
    assert render(ChatRequest("m", tool_choice=ToolChoice("named", ("f", "g"))))["tool_choice"] == wire


def test_cache_marks_of_tools() -> None:
    wire = {"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    tool = parse(body(tools=[wire])).tools[0]
    assert isinstance(tool, Tool)
    assert tool.cache == CacheMark(ttl="1h")


def test_what_the_path_says_wins() -> None:
    request = parse(body(stream=False), "deployment", True)
    assert (request.model, request.stream) == ("deployment", True)
    assert parse({"messages": HI}, "deployment").model == "deployment"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": HI}, "model"),
    ({"model": "", "messages": HI}, "model"),
    ({"model": 1, "messages": HI}, "model"),
    ({"model": "m"}, "messages"),
    (body(messages=[]), "messages"),
    (body(messages="hi"), "messages"),
    (body(messages=["hi"]), "messages[0]"),
    (body(messages=[{"content": "hi"}]), "messages[0].role"),
    (body(messages=[{"role": "robot", "content": "hi"}]), "messages[0].role"),
    (body(messages=[{"role": "user", "content": 1}]), "messages[0].content"),
    (body(messages=[{"role": "user", "content": [1]}]), "messages[0].content[0]"),
    (body(messages=[{"role": "user", "content": [{"text": "x"}]}]), "messages[0].content[0].type"),
    (body(messages=[{"role": "user", "content": [{"type": "text"}]}]), "messages[0].content[0].text"),
    (body(messages=[*HI, {"role": "user", "content": [{"type": "image_url"}]}]), "messages[1].content[0].image_url"),
    (
        body(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
        "messages[0].content[0].image_url.url",
    ),
    (
        body(messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]),
        "messages[0].content[0].input_audio.data",
    ),
    (body(messages=[{"role": "user", "content": [{"type": "file", "file": {}}]}]), "messages[0].content[0].file"),
    (body(messages=[{"role": "assistant", "tool_calls": [{"id": "1"}]}]), "messages[0].tool_calls[0].function"),
    (body(messages=[{"role": "assistant", "tool_calls": {}}]), "messages[0].tool_calls"),
    (body(messages=[{"role": "tool", "content": "x"}]), "messages[0].tool_call_id"),
    (body(temperature="hot"), "temperature"),
    (body(temperature=True), "temperature"),
    (body(max_tokens=1.5), "max_tokens"),
    (body(max_completion_tokens="9"), "max_completion_tokens"),
    (body(n=1 << 64), "n"),
    (body(stream="yes"), "stream"),
    (body(stream_options=[]), "stream_options"),
    (body(stream_options={"include_usage": 1}), "stream_options.include_usage"),
    (body(stop=[1]), "stop[0]"),
    (body(stop=5), "stop"),
    (body(logit_bias={"1": "x"}), "logit_bias.1"),
    (body(modalities=[1]), "modalities[0]"),
    (body(response_format={}), "response_format.type"),
    (body(response_format={"type": "json_schema", "json_schema": {"name": 1}}), "response_format.json_schema.name"),
    (body(tools={}), "tools"),
    (body(tools=[{"type": "function"}]), "tools[0].function"),
    (body(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
    (body(tools=[{}]), "tools[0].type"),
    (body(tool_choice="maybe"), "tool_choice"),
    (body(tool_choice={"type": "function", "function": {}}), "tool_choice.function.name"),
    (body(reasoning_effort=3), "reasoning_effort"),
    (body(reasoning={"effort": 1}), "reasoning.effort"),
    (body(thinking={"budget_tokens": "x"}), "thinking.budget_tokens"),
]


@pytest.mark.parametrize(("wire", "param"), WRONG, ids=[p for _, p in WRONG])
def test_wrong_requests_say_where(wire: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(wire)
    assert caught.value.param == param
    assert caught.value.status == 400
    assert caught.value.fault == "caller"


USER = (Message("user", (Text("hi"),)),)


def test_a_request_of_no_dialect() -> None:
    tool = Tool("f", parameters=SCHEMA)
    request = ChatRequest(
        "m",
        USER,
        (tool,),
        max_tokens=5,
        stop=("x",),
        stream=True,
        response_format=ResponseFormat("json_schema", schema=SCHEMA),
    )
    assert render(request) == body(
        tools=[{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
        max_completion_tokens=5,
        stop=["x"],
        stream=True,
        stream_options={"include_usage": True},
        response_format={"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}},
    )


def test_extensions_need_a_provider_that_accepts_them() -> None:
    request = ChatRequest("m", USER, top_k=40, min_p=0.1)
    with pytest.raises(UnsupportedParameterError) as caught:
        render(request)
    assert caught.value.param == "top_k"
    noted = Losses("openai", drop=True)
    assert render(request, losses=noted) == body()
    assert noted.dropped == ["top_k", "min_p"]
    assert render(request, Quirks(accepts=("top_k", "min_p"))) == body(top_k=40, min_p=0.1)


def test_quirks() -> None:
    quirks = Quirks(
        rename={"max_completion_tokens": "max_tokens"}, drop=("seed",), defaults={"safe": True}, stream_usage=False
    )
    request = ChatRequest("m", USER, max_tokens=5, stream=True)
    assert render(request, quirks) == body(max_tokens=5, stream=True, safe=True)
    with pytest.raises(UnsupportedParameterError) as caught:
        render(ChatRequest("m", USER, seed=1), quirks)
    assert caught.value.param == "seed"


def test_other_dialects_leftovers_are_refused() -> None:
    request = ChatRequest(
        "m", USER, (ProviderTool("anthropic", "web_search_20250305", {}),), ext={"anthropic": {"container": "c"}}
    )
    noted = Losses("openai", drop=True)
    assert render(request, losses=noted) == body()
    assert noted.dropped == ["tools[0] (web_search_20250305)", "container"]
    with pytest.raises(UnsupportedParameterError):
        render(request)


def test_service_tiers_by_other_dialects_words() -> None:
    assert render(ChatRequest("m", USER, service_tier="standard_only"))["service_tier"] == "default"
    assert render(ChatRequest("m", USER, service_tier="on_demand"))["service_tier"] == "on_demand"


def test_paths() -> None:
    assert DIALECT.chat_path("m", True) == "/chat/completions"
    assert DIALECT.models_path == "/models"
    assert {"max_completion_tokens", "reasoning_effort", "top_k"} <= DIALECT.fields
    assert {"input", "dimensions", "input_type"} <= DIALECT.embedding_fields
