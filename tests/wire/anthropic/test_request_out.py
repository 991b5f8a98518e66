"""Requests of other dialects' making: they come out valid, or what cannot be said is refused by name."""

import json
from typing import Any

import pytest

from tsuji.core.errors import InvalidRequestError, UnsupportedParameterError
from tsuji.core.parts import (
    Audio,
    CacheMark,
    Citation,
    Document,
    Image,
    Media,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.tools import ProviderTool, ResponseFormat, Tool, ToolChoice
from tsuji.wire.anthropic import DIALECT
from tsuji.wire.dialect import NO_QUIRKS, Losses

OLD, NEW = "claude-sonnet-4-5", "claude-opus-4-8"


def render(request: ChatRequest, quirks: Quirks = NO_QUIRKS, losses: Losses | None = None) -> dict[str, Any]:
    call = DIALECT.render_request(request, quirks, losses or Losses("anthropic"))
    assert (call.path, call.method) == ("/v1/messages", "POST")
    return json.loads(call.body)


def asked(*messages: Message, model: str = OLD, losses: Losses | None = None) -> list[dict[str, Any]]:
    return render(ChatRequest(model, messages), losses=losses)["messages"]


def user(*parts: Part | str) -> Message:
    return Message("user", tuple([Text(p) if isinstance(p, str) else p for p in parts]))


def says(*parts: Part | str) -> Message:
    return Message("assistant", tuple([Text(p) if isinstance(p, str) else p for p in parts]))


def system(text: str) -> Message:
    return Message("system", (Text(text),))


def test_max_tokens_is_filled_in() -> None:
    assert render(ChatRequest("m", (user("hi"),))) == {
        "model": "m",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hi"}],
    }
    quirks = Quirks(defaults={"max_tokens": 99})
    assert render(ChatRequest("m"), quirks)["max_tokens"] == 99
    assert render(ChatRequest("m", max_tokens=5), quirks)["max_tokens"] == 5


def test_quirks_rename_and_drop() -> None:
    quirks = Quirks(drop=("top_k",), rename={"max_tokens": "max"})
    with pytest.raises(UnsupportedParameterError) as caught:
        render(ChatRequest("m", top_k=3), quirks)
    assert caught.value.param == "top_k"
    losses = Losses("anthropic", drop=True)
    assert render(ChatRequest("m", top_k=3, max_tokens=4), quirks, losses) == {"model": "m", "messages": [], "max": 4}
    assert losses.dropped == ["top_k"]


def test_leading_system_messages_are_hoisted() -> None:
    request = ChatRequest("m", (system("a"), Message("developer", (Text("b", CacheMark()),)), user("hi")))
    rendered = render(request)
    assert rendered["system"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
    ]
    assert rendered["messages"] == [{"role": "user", "content": "hi"}]
    assert render(ChatRequest("m", (system("a"), user("hi"))))["system"] == "a"


def test_a_system_message_alone_is_the_user_turn_that_the_api_requires() -> None:
    assert asked(system("say hello"), model=NEW) == [{"role": "user", "content": "say hello"}]
    rendered = render(ChatRequest(OLD, (system("be brief"), system("say hello"))))
    assert (rendered["system"], rendered["messages"]) == ("be brief", [{"role": "user", "content": "say hello"}])


def test_a_later_system_message_stays_where_the_model_takes_it() -> None:
    turns = asked(user("a"), system("now in French"), says("oui"), user("b"), model=NEW)
    assert [t["role"] for t in turns] == ["user", "system", "assistant", "user"]
    assert turns[1]["content"] == "now in French"


@pytest.mark.parametrize(
    ("model", "messages"),
    [
        (OLD, (user("a"), system("s"), says("b"))),
        (NEW, (user("a"), system("s"), user("b"))),
        (NEW, (user("a"), says("b"), system("s"), user("c"))),
        ("glm-4.7", (user("a"), says("b"), system("s"))),
    ],
)
def test_elsewhere_it_is_text_of_a_user_turn(model: str, messages: tuple[Message, ...]) -> None:
    turns = asked(*messages, model=model)
    assert {t["role"] for t in turns} <= {"user", "assistant"}
    assert "s" in [b["text"] for t in turns if isinstance(t["content"], list) for b in t["content"]] or any(
        t["content"] == "s" for t in turns
    )


def test_a_run_of_later_system_messages_becomes_one() -> None:
    turns = asked(user("a"), system("s"), Message("developer", (Text("t"),)), model=NEW)
    assert turns[1] == {"role": "system", "content": [{"type": "text", "text": "s"}, {"type": "text", "text": "t"}]}


def test_tool_messages_become_one_user_turn_with_results_first() -> None:
    turns = asked(
        user("both?"),
        says("", ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "")),
        Message("tool", (ToolResult("a", (Text("1"),)),)),
        system("be quick"),
        Message("tool", (ToolResult("b", (Text("2"), Image(Media(url="u"))), is_error=True),)),
        user("well?"),
    )
    assert turns[1]["content"] == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ]
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    assert turns[2:] == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "content": [{"type": "text", "text": "2"}, image],
                    "is_error": True,
                },
                {"type": "text", "text": "be quick"},
                {"type": "text", "text": "well?"},
            ],
        }
    ]


def test_ids_that_the_api_would_refuse_are_spelled_anew() -> None:
    given = ["functions.f:0", "functions:f.0", "é", "functions.f:0", "toolu_1"]
    turns = asked(says(*[ToolCall(i, "f") for i in given]), user(*[ToolResult(i) for i in given]))
    calls = [b["id"] for b in turns[0]["content"]]
    assert calls == ["functions_f_0", "functions_f_0_0", "_", "functions_f_0", "toolu_1"]
    assert [b["tool_use_id"] for b in turns[1]["content"]] == calls


def test_missing_ids_are_made_up_and_results_find_their_calls() -> None:
    turns = asked(
        says(ToolCall("", "f"), ToolCall("", "g"), ToolCall("", "f")),
        user(ToolResult("", name="g"), ToolResult("", name="f"), ToolResult("")),
    )
    assert [b["id"] for b in turns[0]["content"]] == ["call_0", "call_1", "call_2"]
    assert [b["tool_use_id"] for b in turns[1]["content"]] == ["call_1", "call_0", "call_2"]


def test_a_result_that_answers_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        asked(says(ToolCall("", "f")), user(ToolResult("", name="g")))


@pytest.mark.parametrize("arguments", ["{", "[1]", "5", "nonsense", '{"a":NaN}'])
def test_arguments_that_are_no_object_are_wrapped(arguments: str) -> None:
    assert asked(says(ToolCall("a", "f", arguments)))[0]["content"][0]["input"] == {"INVALID_JSON": arguments}


def test_thinking_of_others_is_left_out_and_noted() -> None:
    losses = Losses("anthropic")
    turns = asked(
        user("a"),
        says(Thinking("hm", origin="openai"), "b"),
        says(Thinking("only thought", origin="gemini", signature="s")),
        losses=losses,
    )
    assert turns == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
    ]
    assert losses.dropped == ["messages[1].content[0] (thinking)", "messages[2].content[0] (thinking)"]


def test_words_of_others_become_text() -> None:
    turns = asked(says(Refusal("no"), Audio(Media(), id="a", transcript="spoken")), says(Text("x", signature="gem")))
    assert turns[0]["content"] == [{"type": "text", "text": "no"}, {"type": "text", "text": "spoken"}]
    assert turns[1]["content"] == "x"


def test_citations_of_others_are_left_out_and_noted() -> None:
    losses = Losses("anthropic")
    own = {"type": "page_location", "cited_text": "c"}
    made = {"type": "web_search_result_location", "cited_text": "", "encrypted_index": "tsuji.", "url": "u"}
    cited = Text(
        "x",
        citations=(Citation(url="u"), Citation(ext={"anthropic": own}), Citation(ext={"anthropic": made})),
    )
    assert asked(says(cited), losses=losses)[0]["content"][0]["citations"] == [own]
    assert losses.dropped == ["messages[0].content[0] (citations)"]


def test_media_in_every_form() -> None:
    pdf = Media(data="JVBE", media_type="application/pdf", name="a.pdf")
    blocks = asked(
        user(
            Image(Media(data="/9j/4AA"), detail="high"),
            Image(Media(url="https://x")),
            Document(pdf),
            Document(Media(data="SGVsbG8=", media_type="text/markdown"), title="T", cite=True, context="C"),
            Document(Media(url="https://x/a.pdf")),
            Document(Media(text="words")),
            Document(Media(file_id="f")),
        )
    )[0]["content"]
    assert [b["source"] for b in blocks] == [
        {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AA"},
        {"type": "url", "url": "https://x"},
        {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
        {"type": "text", "media_type": "text/plain", "data": "Hello"},
        {"type": "url", "url": "https://x/a.pdf"},
        {"type": "text", "media_type": "text/plain", "data": "words"},
        {"type": "file", "file_id": "f"},
    ]
    assert blocks[2]["title"] == "a.pdf"
    assert (blocks[3]["title"], blocks[3]["context"], blocks[3]["citations"]) == ("T", "C", {"enabled": True})


REFUSED_PARTS: list[tuple[Message, str]] = [
    (user("a", Audio(Media(data="AA"), format="wav")), "messages[0].content[1] (audio)"),
    (user(Video(Media(url="u"))), "messages[0].content[0] (video)"),
    (user(Image(Media(data="AAAA", media_type="image/tiff"))), "messages[0].content[0] (image)"),
    (says(Image(Media(url="u"))), "messages[0].content[0] (image)"),
    (user(Document(Media(data="AAAA", media_type="application/msword"))), "messages[0].content[0] (document)"),
    (user(Document(Media(data="/w==", media_type="text/plain"))), "messages[0].content[0] (document)"),
    (user(Opaque("openai", "item_reference", {})), "messages[0].content[0] (item_reference)"),
    (Message("system", (Image(Media(url="u")),)), "messages[0].content[0] (image)"),
    (Message("user", (Text("x"),), name="Ann"), "messages[0].name"),
    (Message("user", (Text("x"),), ext={"openai": {"audio": 1}}), "messages[0].audio"),
    (Message("user", (Text("x", ext={"gemini": {"y": 1}}),)), "messages[0].content[0].y"),
]


@pytest.mark.parametrize(("message", "field"), REFUSED_PARTS, ids=[field for _, field in REFUSED_PARTS])
def test_a_part_that_cannot_be_said_is_refused_by_its_place(message: Message, field: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        asked(message)
    assert caught.value.param == field
    losses = Losses("anthropic", drop=True)
    asked(message, losses=losses)
    assert losses.dropped == [field]


REFUSED_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "n"),
    ({"seed": 0}, "seed"),
    ({"frequency_penalty": 0.1}, "frequency_penalty"),
    ({"presence_penalty": -1.0}, "presence_penalty"),
    ({"logit_bias": {"5": 1.0}}, "logit_bias"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"min_p": 0.1}, "min_p"),
    ({"verbosity": "low"}, "verbosity"),
    ({"store": True}, "store"),
    ({"modalities": ("text", "audio")}, "modalities"),
    ({"metadata": {"k": "v"}}, "metadata"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"response_format": ResponseFormat("json")}, "response_format"),
    ({"ext": {"openai": {"prediction": {}}}}, "prediction"),
    ({"tools": (ProviderTool("openai", "file_search", {}),)}, "tools[0] (file_search)"),
    ({"tools": (Tool("f", ext={"openai": {"x": 1}}),)}, "tools[0].x"),
    (
        {"tools": (Tool("f"), Tool("g"), Tool("h")), "tool_choice": ToolChoice("named", ("f", "g"))},
        "tool_choice",
    ),
    ({"tool_choice": ToolChoice("auto", ext={"openai": {"allowed": []}})}, "tool_choice.allowed"),
]


@pytest.mark.parametrize(("fields", "name"), REFUSED_FIELDS, ids=[name for _, name in REFUSED_FIELDS])
def test_a_field_that_cannot_be_said_is_refused_by_name(fields: dict[str, Any], name: str) -> None:
    request = ChatRequest("m", (user("hi"),), **fields)
    with pytest.raises(UnsupportedParameterError) as caught:
        render(request)
    assert caught.value.param == name
    losses = Losses("anthropic", drop=True)
    render(request, losses=losses)
    assert losses.dropped == [name]


def test_what_asks_for_nothing_is_not_refused() -> None:
    losses = Losses("anthropic")
    request = ChatRequest(
        "m",
        n=1,
        frequency_penalty=0.0,
        presence_penalty=0.0,
        logit_bias={},
        logprobs=False,
        store=False,
        modalities=("text",),
        metadata={},
        stream_usage=True,
        parallel_tools=True,
        prompt_cache_key="k",
        response_format=ResponseFormat("text"),
        ext={"openai": {"~spelling": 1}},
    )
    assert render(request, losses=losses) == {"model": "m", "max_tokens": 4096, "messages": []}
    assert losses.dropped == ["prompt_cache_key"]


def test_tools_and_choice() -> None:
    tools = (Tool("f"), Tool("g", "d", {"properties": {}}, strict=True, cache=CacheMark()))
    rendered = render(ChatRequest("m", tools=tools, tool_choice=ToolChoice("required"), parallel_tools=False))
    assert rendered["tools"] == [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}},
        {
            "name": "g",
            "description": "d",
            "input_schema": {"type": "object", "properties": {}},
            "strict": True,
            "cache_control": {"type": "ephemeral"},
        },
    ]
    assert rendered["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("named", ("f",)), None, {"type": "tool", "name": "f"}),
        (ToolChoice("named", ("g", "f")), None, {"type": "any"}),
    ],
)
def test_tool_choice(choice: ToolChoice | None, parallel: bool | None, expected: Any) -> None:
    request = ChatRequest("m", tools=(Tool("f"), Tool("g")), tool_choice=choice, parallel_tools=parallel)
    assert render(request).get("tool_choice") == expected


def test_a_schema_is_closed_as_the_api_requires() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "object", "additionalProperties": True}}, "b": True},
        "$defs": {"d": {"anyOf": [{"properties": {}}, {"type": "null"}]}},
    }
    form = ResponseFormat("json_schema", name="n", schema=schema, strict=True)
    assert render(ChatRequest("m", response_format=form))["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {
                    "a": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
                    "b": True,
                },
                "$defs": {"d": {"anyOf": [{"properties": {}, "additionalProperties": False}, {"type": "null"}]}},
                "additionalProperties": False,
            },
        }
    }
    assert "additionalProperties" not in schema


@pytest.mark.parametrize(("tier", "expected"), [("auto", "auto"), ("default", "standard_only"), ("priority", "auto")])
def test_service_tiers(tier: str, expected: str) -> None:
    assert render(ChatRequest("m", service_tier=tier))["service_tier"] == expected


def test_the_end_user_is_metadata() -> None:
    assert render(ChatRequest("m", user="u"))["metadata"] == {"user_id": "u"}


@pytest.mark.parametrize("value", [float, {1: object()}, "\ud800"])
def test_what_cannot_be_written_as_json_is_the_caller_s_fault(value: Any) -> None:
    with pytest.raises(InvalidRequestError):
        render(ChatRequest("m", ext={"anthropic": {"x": value}}))
