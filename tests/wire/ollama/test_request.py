"""Chat requests, both ways."""

import json
from typing import Any

import pytest

from tests.wire.ollama.wires import GENERATE, HI, ask, call, parse, render
from tsuji.catalog import provider
from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError
from tsuji.core.parts import Audio, Document, Image, Media, Message, Text, Thinking, ToolCall, ToolResult
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

BASE64 = Media(data="YWxsIG9mIGl0", media_type="text/plain; charset=utf-8")
PNG = "iVBORw0KGgoAAA=="
CALL = {"function": {"name": "weather", "arguments": {"city": "Kyoto"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}}}
FULL: dict[str, Any] = {
    "model": "qwen3:8b",
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "what is it?", "images": [PNG, "data:image/webp;base64,AAAA"]},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [CALL, CALL]},
        {"role": "tool", "content": "sunny", "tool_name": "weather"},
        {"role": "tool", "content": "rain", "tool_name": "weather", "tool_call_id": "c2"},
        {"role": "tool", "content": "old form", "name": "weather"},
        {"role": "tool", "content": "no name"},
        {"role": "assistant", "thinking": "only that", "tool_calls": [], "mood": "odd"},
        {"role": "assistant", "content": "it is", "tool_calls": [{"id": "x", "type": "function", **CALL, "more": 1}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "index": 0, "extra": 2}}]},
    ],
    "tools": [TOOL, {"function": {"name": "bare"}, "kind": 1}],
    "stream": False,
    "format": {"type": "object"},
    "options": {
        "num_predict": 40,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 20,
        "min_p": 0.1,
        "seed": 7,
        "stop": ["END"],
        "presence_penalty": 1.5,
        "frequency_penalty": 1,
        "num_ctx": 4096,
        "repeat_penalty": 1.1,
    },
    "think": "high",
    "keep_alive": "5m",
    "logprobs": True,
    "top_logprobs": 3,
    "truncate": False,
    "shift": True,
    "unheard_of": {"a": 1},
}
BARE = {"model": "m", "messages": HI}
SAME = [
    FULL,
    BARE,
    {**BARE, "stream": True},
    {**BARE, "format": "json", "think": False, "keep_alive": 0},
    {**BARE, "format": "", "options": {}},
    {**BARE, "options": {"stop": "END", "num_predict": -1}, "think": True},
    {**BARE, "options": {"stop": []}},
    {"model": "m", "messages": []},
]


@pytest.mark.parametrize("body", SAME)
def test_what_came_goes_out_as_it_came(body: Any) -> None:
    assert render(parse(body)) == body


def test_in_core() -> None:
    request = parse(FULL)
    assert (request.model, request.stream, request.max_tokens, request.temperature) == ("qwen3:8b", False, 40, 0.5)
    assert (request.top_p, request.top_k, request.min_p, request.seed) == (0.9, 20, 0.1, 7)
    assert (request.stop, request.presence_penalty, request.frequency_penalty) == (("END",), 1.5, 1)
    assert (request.logprobs, request.top_logprobs) == (True, 3)
    assert request.response_format == ResponseFormat("json_schema", schema={"type": "object"})
    assert request.reasoning is not None
    assert request.reasoning.effort == "high"
    assert request.tools[0] == Tool("weather", "d", {"type": "object"})
    system, user, first, *results = request.messages[:7]
    assert system == Message("system", (Text("be brief"),))
    assert user.content[0] == Text("what is it?")
    assert user.content[1] == Image(Media(data=PNG, media_type="image/png"))
    image = user.content[2]
    assert isinstance(image, Image)
    assert image.source == Media(data="AAAA", media_type="image/webp")
    called = ToolCall("", "weather", '{"city":"Kyoto"}')
    assert first.content == (Thinking("hm", origin="ollama"), called, called)
    made = [r.content[0] for r in results]
    assert made[0] == ToolResult("", (Text("sunny"),), "weather")
    assert [(r.call_id, r.name) for r in made if isinstance(r, ToolResult)] == [
        ("", "weather"),
        ("c2", "weather"),
        ("", "weather"),
        ("", None),
    ]


def test_a_stream_is_asked_for_by_saying_nothing() -> None:
    assert parse(BARE).stream
    assert parse({**BARE, "stream": None}).stream
    assert not parse({**BARE, "stream": False}).stream


def test_a_result_without_a_name_is_of_the_first_call_that_has_none() -> None:
    calls = [{"function": {"name": name, "arguments": {}}} for name in ("a", "b")]
    results = [{"role": "tool", "content": "2", "tool_name": "a"}, {"role": "tool", "content": "1"}]
    request = parse({**BARE, "messages": [*HI, {"role": "assistant", "content": "", "tool_calls": calls}, *results]})
    assert [m.content[0].name for m in request.messages[2:] if isinstance(m.content[0], ToolResult)] == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": HI}, "model"),
        ({"model": "", "messages": HI}, "model"),
        ({**BARE, "messages": {}}, "messages"),
        ({**BARE, "messages": ["hi"]}, "messages[0]"),
        ({**BARE, "messages": [{"role": "model", "content": "x"}]}, "messages[0].role"),
        ({**BARE, "messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content"),
        ({**BARE, "messages": [{"role": "user", "images": [1]}]}, "messages[0].images[0]"),
        (
            {
                **BARE,
                "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}],
            },
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({**BARE, "stream": "yes"}, "stream"),
        ({**BARE, "format": "yaml"}, "format"),
        ({**BARE, "think": "hard"}, "think"),
        ({**BARE, "options": {"temperature": "hot"}}, "options.temperature"),
        ({**BARE, "options": {"top_k": 1.5}}, "options.top_k"),
        ({**BARE, "options": {"stop": [1]}}, "options.stop[0]"),
        ({**BARE, "tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ],
)
def test_what_is_wrong_is_named(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(body)
    assert caught.value.param == param


def test_hints_go_nowhere_else_and_options_are_refused_by_name() -> None:
    body = {**BARE, "keep_alive": -1, "options": {"num_ctx": 8192, "num_gpu": 1, "num_predict": -1}, "truncate": True}
    openai = dialect("openai")
    sent = openai.render_request(parse(body), NO_QUIRKS, Losses("openai"))
    assert b"num_ctx" not in sent.body
    with pytest.raises(UnsupportedParameterError) as caught:
        openai.render_request(parse({**BARE, "options": {"mirostat": 1}}), NO_QUIRKS, Losses("openai"))
    assert caught.value.param == "options.mirostat"


SAMPLERS = {
    "repeat_penalty": 1.3,
    "repeat_last_n": 32,
    "mirostat": 2,
    "mirostat_tau": 4.5,
    "mirostat_eta": 0.2,
    "typical_p": 0.9,
}


@pytest.mark.parametrize("row", ["local", "llamacpp"])
def test_llama_cpps_samplers_reach_llama_cpp(row: str) -> None:
    openai, quirks = dialect("openai"), provider(row).quirks
    losses = Losses("openai")
    sent = json.loads(openai.render_request(parse({**BARE, "options": SAMPLERS}), quirks, losses).body)
    assert SAMPLERS.items() <= sent.items()
    assert "options" not in sent and not losses.dropped
    with pytest.raises(UnsupportedParameterError) as caught:
        openai.render_request(parse({**BARE, "options": {**SAMPLERS, "tfs_z": 0.5}}), quirks, losses)
    assert caught.value.param == "options.tfs_z"
    dropping = Losses("openai", drop=True)
    openai.render_request(parse({**BARE, "options": SAMPLERS}), NO_QUIRKS, dropping)
    assert dropping.dropped == ["options." + name for name in SAMPLERS]


# From other dialects.


def test_a_request_of_another_dialect() -> None:
    call_1, call_2 = ToolCall("c1", "weather", '{"city":"Kyoto"}'), ToolCall("c2", "time", "not json")
    results = (
        ToolResult("c2", (Text("noon"), Image(Media(data=PNG)))),
        ToolResult("c1", (Text("sunny"),)),
        Text("so?"),
    )
    request = ask(
        messages=(
            Message("developer", (Text("be"), Text("brief"))),
            Message("user", (Text("hi"), Document(BASE64, title="Book"), Image(Media(data=PNG)))),
            Message(
                "assistant", (Thinking("hm", signature="s", origin="anthropic"), Text("a"), Text("b"), call_1, call_2)
            ),
            Message("user", results),
        ),
        tools=(Tool("weather", parameters={"type": "object"}, strict=True),),
        tool_choice=ToolChoice("auto"),
        response_format=ResponseFormat("json"),
        max_tokens=9,
        stop=("x", "y"),
    )
    body = render(request)
    assert call(request).path == "/api/chat"
    assert body["messages"] == [
        {"role": "system", "content": "be\n\nbrief"},
        {"role": "user", "content": "hi\n\nBook\nall of it", "images": [PNG]},
        {
            "role": "assistant",
            "content": "ab",
            "thinking": "hm",
            "tool_calls": [
                {"id": "c1", "function": {"name": "weather", "arguments": {"city": "Kyoto"}}},
                {"id": "c2", "function": {"name": "time", "arguments": {"arguments": "not json"}}},
            ],
        },
        {"role": "tool", "content": "noon", "images": [PNG], "tool_name": "time", "tool_call_id": "c2"},
        {"role": "tool", "content": "sunny", "tool_name": "weather", "tool_call_id": "c1"},
        {"role": "user", "content": "so?"},
    ]
    assert body["options"] == {"num_predict": 9, "stop": ["x", "y"]}
    assert (body["stream"], body["format"]) == (False, "json")
    assert body["tools"] == [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": (Tool("f"),), "tool_choice": ToolChoice("required")}, "tool_choice"),
        ({"tools": (Tool("f"),), "tool_choice": ToolChoice("named", ("f",))}, "tool_choice"),
        ({"tools": (ProviderTool("anthropic", "web_search", {}),)}, "tools[0]"),
        ({"parallel_tools": False}, "parallel_tool_calls"),
        ({"n": 2}, "n"),
        ({"logit_bias": {"1": 5.0}}, "logit_bias"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"verbosity": "low"}, "verbosity"),
        ({"store": True}, "store"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"ext": {"openai": {"prediction": {}}}}, "prediction"),
        ({"messages": (Message("user", (Image(Media(url="https://x/y.png")),)),)}, "messages[0].content[0] (image)"),
        ({"messages": (Message("user", (Audio(Media(data="AA==")),)),)}, "messages[0].content[0] (audio)"),
        ({"messages": (Message("user", (Document(Media(data="AA==")),)),)}, "messages[0].content[0] (document)"),
        (
            {"messages": (Message("user", (Document(Media(text="a"), cite=True),)),)},
            "messages[0].content[0] (citations)",
        ),
        ({"messages": (Message("user", (Text("x"),), name="ann"),)}, "messages[0].name"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(fields: Any, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        render(ask(**fields))
    assert caught.value.param == param
    losses = Losses("ollama", drop=True)
    dialect("ollama").render_request(ask(**fields), NO_QUIRKS, losses)
    assert param in losses.dropped


def test_hints_of_others_are_left_out_and_told() -> None:
    losses = Losses("ollama")
    part = ToolResult("c", (Text("x"),), "f", is_error=True)
    thought = Thinking(redacted="secret", origin="anthropic")
    messages = (Message("assistant", (thought, Text("a"))), Message("tool", (part,)))
    request = ask(user="u", prompt_cache_key="k", service_tier="flex", n=1, store=False, messages=messages)
    dialect("ollama").render_request(request, NO_QUIRKS, losses)
    assert losses.dropped == [
        "messages[0].content[0] (thinking)",
        "messages[1].content[0].is_error",
        "user",
        "prompt_cache_key",
        "service_tier",
    ]


def test_the_choice_of_tools_is_a_choice_among_those_sent() -> None:
    tools = (Tool("a"), Tool("b"))
    assert "tools" not in render(ask(tools=tools, tool_choice=ToolChoice("none")))
    only = render(ask(tools=tools, tool_choice=ToolChoice("auto", ("b",))))["tools"]
    assert [t["function"]["name"] for t in only] == ["b"]


@pytest.mark.parametrize(
    ("model", "asked", "think"),
    [
        ("qwen3", Reasoning(effort="low"), True),
        ("qwen3", Reasoning(effort="none"), False),
        ("qwen3", Reasoning(enabled=False), False),
        ("qwen3", Reasoning(budget=0), False),
        ("qwen3", Reasoning(budget=4096), True),
        ("qwen3", Reasoning(adaptive=True), True),
        ("qwen3", Reasoning(effort="auto"), None),
        ("gpt-oss:20b", Reasoning(effort="none"), "low"),
        ("gpt-oss:20b", Reasoning(effort="minimal"), "low"),
        ("gpt-oss:20b", Reasoning(effort="xhigh"), "high"),
        ("gpt-oss:20b", Reasoning(budget=4096), "medium"),
        ("gpt-oss:20b", Reasoning(enabled=True), "medium"),
    ],
)
def test_effort(model: str, asked: Reasoning, think: Any) -> None:
    assert render(ChatRequest(model, reasoning=asked)).get("think") == think


# /api/generate.

GENERATED = [
    {"model": "m", "prompt": "hi"},
    {"model": "m", "prompt": "", "stream": False, "system": "", "images": [], "raw": False, "suffix": ""},
    {"model": "m"},
    {
        "model": "m",
        "prompt": "def f(",
        "suffix": "return",
        "system": "be brief",
        "images": [PNG],
        "template": "{{ .Prompt }}",
        "context": [1, 2],
        "raw": True,
        "stream": False,
        "format": "json",
        "options": {"temperature": 0, "num_ctx": 10},
        "keep_alive": "1h",
        "think": True,
    },
]


@pytest.mark.parametrize("body", GENERATED)
def test_a_prompt_goes_to_ollama_as_it_came(body: Any) -> None:
    request = parse(body, GENERATE)
    assert call(request).path == "/api/generate"
    assert render(request) == body


def test_a_prompt_is_a_conversation_elsewhere() -> None:
    request = parse({"model": "m", "prompt": "hi", "system": "be brief", "images": [PNG]}, GENERATE)
    image = Image(Media(data=PNG, media_type="image/png"))
    assert request.messages == (Message("system", (Text("be brief"),)), Message("user", (Text("hi"), image)))
    assert request.stream
    for name, value in (("suffix", "x"), ("template", "x"), ("context", [1]), ("raw", True)):
        asked = parse({"model": "m", "prompt": "hi", name: value}, GENERATE)
        with pytest.raises(UnsupportedParameterError) as caught:
            dialect("openai").render_request(asked, NO_QUIRKS, Losses("openai"))
        assert caught.value.param == name
    with pytest.raises(InvalidRequestError) as wrong:
        parse({"model": "m", "prompt": ["hi"]}, GENERATE)
    assert wrong.value.param == "prompt"
