"""Requests, both ways."""

import json
from typing import Any

import pytest

from tests.wire.cohere.wires import CALL, CITATION, COHERE, FULL, HI, PIXEL, TOOL, ask, parse, render
from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError
from tsuji.core.parts import (
    Audio,
    Citation,
    Document,
    Image,
    Media,
    Message,
    Opaque,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from tsuji.core.request import Reasoning
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

USER = (Message("user", (Text("hi"),)),)
ODD: list[Any] = [
    {"messages": HI},
    {"messages": HI, "stream": True, "stop_sequences": [], "tools": [], "documents": [], "k": 0},
    {"messages": HI, "strict_tools": False, "tools": [TOOL], "tool_choice": "NONE", "thinking": {"type": "disabled"}},
    {"messages": HI, "response_format": {"type": "text"}, "citation_options": {"mode": "OFF"}, "unheard_of": {"a": 1}},
    {"messages": HI, "response_format": {"type": "json_object"}, "citation_options": {"mode": "FAST", "x": 1}},
    {"messages": HI, "documents": ["x"], "citation_options": {"mode": "fast"}},
    {"messages": [{"role": "system", "content": "s"}], "documents": ["x"]},
    {"messages": [{"role": "user", "content": [], "odd": 1}, {"role": "assistant", "content": ""}]},
    {"messages": [{"role": "assistant", "tool_calls": [], "citations": []}, {"role": "assistant"}]},
    {"messages": [{"role": "assistant", "content": [], "tool_calls": [CALL], "citations": [CITATION]}]},
    {"messages": [{"role": "assistant", "content": "Kyoto", "citations": [{**CITATION, "content_index": 0}]}]},
    {"messages": [{"role": "assistant", "tool_plan": "", "tool_calls": [{"id": "a", "function": {"name": "f"}}]}]},
    {"messages": [{"role": "tool", "tool_call_id": "a", "content": "plain"}]},
    {"messages": [{"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "t", "cache": 1}]}]},
    {"messages": [{"role": "user", "content": [{"type": "document", "document": {"data": {"text": "x"}}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "odd", "odd": 1}]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y", "z": 1}}]}]},
    {"messages": HI, "tools": [{"type": "function", "function": {"name": "f", "strict": True}, "odd": 1}]},
]


@pytest.mark.parametrize("body", [FULL, *[{"model": "m", **body} for body in ODD]])
def test_a_request_comes_back_as_it_was(body: Any) -> None:
    assert render(parse(body)) == body


def test_in_core() -> None:
    found = parse(FULL)
    system, first, said, _, planned, result, _, last = found.messages
    assert (system.role, system.text, first.text) == ("system", "Be brief.", "Which town is old?")
    assert [(type(p), p.text) for p in said.content if isinstance(p, Text | Thinking)] == [
        (Thinking, "Hm."),
        (Text, "Kyoto is."),
    ]
    cited = said.content[1]
    assert isinstance(cited, Text)
    (citation,) = cited.citations
    assert (citation.start, citation.end, citation.title) == (0, 5, "Towns")
    assert citation.text == "Kyoto is old."
    plan, call = planned.content
    assert isinstance(plan, Thinking)
    assert plan.text == "I will ask for the weather."
    assert isinstance(call, ToolCall)
    assert (call.id, call.name, call.arguments) == ("weather_1", "weather", '{"city":"Kyoto"}')
    (answered,) = result.content
    assert isinstance(answered, ToolResult)
    (document,) = answered.content
    assert isinstance(document, Document)
    assert (answered.call_id, document.source.text) == ("weather_1", '{"sky":"clear"}')
    assert [type(p) for p in last.content] == [Document, Document, Document, Text, Image]
    docs = [p for p in last.content if isinstance(p, Document)]
    assert [(d.source.text, d.title, d.cite) for d in docs] == [
        ("a text alone", None, True),
        ("Kyoto is old.", "Towns", True),
        ('{"body":"Nara too.","year":710}', None, True),
    ]
    image = last.content[-1]
    assert isinstance(image, Image)
    assert (image.source, image.detail) == (Media(data=PIXEL, media_type="image/png"), "low")
    (tool,) = found.tools
    assert isinstance(tool, Tool)
    assert (tool.name, tool.strict, found.tool_choice) == ("weather", True, ToolChoice("required"))
    assert found.response_format == ResponseFormat("json_schema", schema={"type": "object"})
    assert found.reasoning == Reasoning(enabled=True, budget=500)
    assert (found.max_tokens, found.stop, found.temperature, found.seed) == (100, ("END",), 0.3, 7)
    assert (found.top_k, found.top_p, found.frequency_penalty, found.presence_penalty) == (40, 0.7, 0.1, 0.2)
    assert (found.logprobs, found.stream) == (True, False)
    kept = (found.ext or {})["cohere"]
    assert {k: v for k, v in kept.items() if k[0] != "~"} == {
        "safety_mode": "STRICT",
        "priority": 1,
        "raw_prompting": False,
    }


@pytest.mark.parametrize("target", ["openai", "anthropic", "gemini", "ollama", "responses"])
@pytest.mark.parametrize("field", ["safety_mode", "priority", "raw_prompting", "citation_options", "unheard_of"])
def test_what_only_this_dialect_has_is_refused_by_name_elsewhere(target: str, field: str) -> None:
    value = {"citation_options": {"mode": "FAST"}}.get(field, 1)
    request = parse({"model": "m", "messages": HI, field: value})
    with pytest.raises(UnsupportedParameterError) as caught:
        dialect(target).render_request(request, NO_QUIRKS, Losses(target))
    assert caught.value.param == field
    losses = Losses(target, drop=True)
    dialect(target).render_request(request, NO_QUIRKS, losses)
    assert field in losses.dropped


@pytest.mark.parametrize("target", ["openai", "anthropic", "gemini", "ollama", "responses"])
def test_what_asks_for_nothing_is_no_matter_elsewhere(target: str) -> None:
    more = {"k": 0, "citation_options": {"mode": "ENABLED"}, "strict_tools": False, "stop_sequences": []}
    losses = Losses(target)
    dialect(target).render_request(parse({"model": "m", "messages": HI, **more}), NO_QUIRKS, losses)
    assert losses.dropped == []


def test_documents_are_read_by_others() -> None:
    body = {"model": "m", "messages": HI, "documents": [{"data": {"text": "old", "title": "Towns"}}]}
    openai = dialect("openai").render_request(parse(body), NO_QUIRKS, Losses("openai"))
    assert json.loads(openai.body)["messages"][0]["content"][0]["text"] == "Towns\n\nold"
    cited = parse({**body, "citation_options": {"mode": "ACCURATE"}})
    call = dialect("anthropic").render_request(cited, NO_QUIRKS, Losses("anthropic"))
    block = json.loads(call.body)["messages"][0]["content"][0]
    assert (block["title"], block["source"]["data"], block["citations"]) == ("Towns", "old", {"enabled": True})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({}, "messages"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "messages[0].tool_calls[0].function"),
        ({"messages": HI, "tool_choice": "auto"}, "tool_choice"),
        ({"messages": HI, "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"messages": HI, "thinking": {"type": "adaptive"}}, "thinking.type"),
        ({"messages": HI, "documents": [5]}, "documents[0]"),
        ({"messages": HI, "documents": [{"text": "x"}]}, "documents[0].data"),
        ({"messages": HI, "k": 1.5}, "k"),
        ({"messages": HI, "p": "x"}, "p"),
        ({"messages": HI, "stop_sequences": "END"}, "stop_sequences"),
        ({"messages": HI, "strict_tools": 1}, "strict_tools"),
        ({"messages": HI, "response_format": {"type": "json_object", "json_schema": 5}}, "response_format.json_schema"),
    ],
)
def test_mistakes_are_named(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse({"model": "m", **body})
    assert caught.value.param == param


def test_model_and_stream_may_be_said_elsewhere() -> None:
    found = COHERE.parse_request(json.dumps({"messages": HI}).encode(), "m", True)
    assert (found.model, found.stream) == ("m", True)
    with pytest.raises(InvalidRequestError):
        parse({"messages": HI})


# From other dialects.


def test_messages_of_other_dialects() -> None:
    messages = (
        Message("developer", (Text("a"),)),
        Message("user", (Text("b"), Text("c"), Document(Media(text="old"), "Towns", "mind", cite=False))),
        Message("assistant", (Thinking("hm", origin="openai"), Text("d"), ToolCall("", "f", '{"x":1}'))),
        Message("user", (ToolResult("", (Text("r"),), "f"), Text("e"))),
        Message("assistant", (Thinking("hm", signature="s", origin="anthropic"), Refusal("no"))),
        Message("assistant", (Thinking(redacted="r", origin="anthropic"), Text("f", citations=(Citation(url="u"),)))),
        Message("user", (Document(Media(text="alone")),)),
        Message("tool", (ToolResult("id", (Text("r"), Document(Media(text="t"), "T")), is_error=True),)),
    )
    losses = Losses("cohere")
    body = render(ask(messages=messages), losses)
    assert body["messages"] == [
        {"role": "system", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
        {
            "role": "assistant",
            "content": "d",
            "tool_plan": "hm",
            "tool_calls": [{"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
        },
        {"role": "tool", "tool_call_id": "call_0", "content": "r"},
        {"role": "user", "content": "e"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "no"}]},
        {"role": "assistant", "content": "f"},
        {
            "role": "tool",
            "tool_call_id": "id",
            "content": [
                {"type": "text", "text": "r"},
                {"type": "document", "document": {"data": {"text": "t", "title": "T"}}},
            ],
        },
    ]
    assert body["documents"] == [
        {"data": {"text": "old", "title": "Towns", "context": "mind"}},
        {"data": {"text": "alone"}},
    ]
    assert losses.dropped == ["messages[5] (thinking)", "messages[5] (citations)", "messages[7].is_error"]


def test_tools_of_other_dialects() -> None:
    tools = (Tool("f", "does", {"type": "object"}, strict=True), Tool("g", strict=True), Tool("h"))
    body = render(ask(messages=USER, tools=tools[:2], tool_choice=ToolChoice("named", ("g",))))
    assert [t["function"]["name"] for t in body["tools"]] == ["g"]
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert (body["tool_choice"], body["strict_tools"]) == ("REQUIRED", True)
    losses = Losses("cohere")
    body = render(ask(messages=USER, tools=tools, tool_choice=ToolChoice("auto")), losses)
    assert "tool_choice" not in body
    assert "strict_tools" not in body
    assert losses.dropped == ["tools[0].strict", "tools[1].strict"]
    assert render(ask(messages=USER, tools=tools, tool_choice=ToolChoice("none")))["tool_choice"] == "NONE"


@pytest.mark.parametrize(
    ("asked", "thinking"),
    [
        (Reasoning(effort="none"), {"type": "disabled"}),
        (Reasoning(budget=0), {"type": "disabled"}),
        (Reasoning(effort="high"), {"type": "enabled"}),
        (Reasoning(adaptive=True), {"type": "enabled"}),
        (Reasoning(budget=100), {"type": "enabled", "token_budget": 100}),
        (Reasoning(effort="auto"), None),
        (Reasoning(show=True), None),
    ],
)
def test_thinking(asked: Reasoning, thinking: Any) -> None:
    assert render(ask(messages=USER, reasoning=asked)).get("thinking") == thinking


def test_documents_that_are_not_to_be_cited() -> None:
    body = render(ask(messages=(Message("user", (Document(Media(text="x"), cite=False), Text("q"))),)))
    assert body["citation_options"] == {"mode": "OFF"}
    assert body["messages"] == [{"role": "user", "content": "q"}]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"logit_bias": {"1": 1.0}}, "logit_bias"),
        ({"min_p": 0.1}, "min_p"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"n": 2}, "n"),
        ({"parallel_tools": False}, "parallel_tool_calls"),
        ({"store": True}, "store"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"verbosity": "low"}, "verbosity"),
        ({"tools": (ProviderTool("anthropic", "web_search", {}),)}, "tools[0] (web_search)"),
        ({"ext": {"openai": {"prediction": {}}}}, "prediction"),
        ({"messages": (Message("user", (Audio(Media(data="AA==")),)),)}, "messages[0] (audio)"),
        ({"messages": (Message("user", (Video(Media(url="u")),)),)}, "messages[0] (video)"),
        ({"messages": (Message("user", (Image(Media(file_id="f")),)),)}, "messages[0] (image)"),
        ({"messages": (Message("user", (Document(Media(data="AA==")),)),)}, "messages[0] (document)"),
        ({"messages": (Message("user", (Opaque("gemini", "odd", {}),)),)}, "messages[0] (odd)"),
        ({"messages": (Message("user", (Text("x"),), name="n"),)}, "messages[0].name"),
        (
            {"messages": (Message("tool", (ToolResult("i", (Image(Media(url="u")),)),)),)},
            "messages[0] (image)",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(fields: Any, name: str) -> None:
    request = ask(**{"messages": USER, **fields})
    with pytest.raises(UnsupportedParameterError) as caught:
        render(request)
    assert caught.value.param == name
    losses = Losses("cohere", drop=True)
    render(request, losses)
    assert losses.dropped == [name]


def test_hints_are_noted() -> None:
    losses = Losses("cohere")
    body = render(ask(messages=USER, user="u", prompt_cache_key="k", service_tier="auto", n=1, store=False), losses)
    assert body.keys() == {"model", "messages"}
    assert losses.dropped == ["user", "prompt_cache_key", "service_tier"]
