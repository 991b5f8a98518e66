"""Requests as an Anthropic client writes them: read into core, and rendered as they came."""

import json
from typing import Any

import pytest

from tsuji.core.errors import InvalidRequestError
from tsuji.core.parts import (
    CacheMark,
    Document,
    Image,
    Media,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.core.response import ChatResponse, Choice
from tsuji.core.tools import ProviderTool, Tool, ToolChoice
from tsuji.wire.anthropic import DIALECT
from tsuji.wire.dialect import NO_QUIRKS, Losses


def parse(**fields: Any) -> ChatRequest:
    body = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}], **fields}
    return DIALECT.parse_request(json.dumps(body).encode(), None, None)


def render(request: ChatRequest) -> dict[str, Any]:
    return json.loads(DIALECT.render_request(request, NO_QUIRKS, Losses("anthropic")).body)


def test_the_smallest_request() -> None:
    assert parse() == ChatRequest("claude-sonnet-4-5", (Message("user", (Text("hi"),)),), max_tokens=64)


def test_sampling_and_envelope() -> None:
    request = parse(
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop_sequences=["END"],
        stream=True,
        metadata={"user_id": "u-1", "team": "x"},
        service_tier="standard_only",
        cache_control={"type": "ephemeral", "ttl": "1h"},
        container="c_1",
    )
    assert (request.temperature, request.top_p, request.top_k, request.stop) == (0.5, 0.9, 5, ("END",))
    assert (request.stream, request.user, request.service_tier) == (True, "u-1", "default")
    assert request.cache == CacheMark(ttl="1h")
    assert request.ext == {"anthropic": {"metadata": {"team": "x"}, "container": "c_1"}}


def test_the_system_prompt_leads_the_messages() -> None:
    marked = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]
    request = parse(system=marked)
    assert request.messages[0] == Message("system", (Text("be brief", CacheMark()),))
    assert parse(system="be brief").messages[0] == Message("system", (Text("be brief"),))


def test_blocks_become_parts() -> None:
    content = [
        {"type": "text", "text": "look", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {
            "type": "image",
            "source": {"type": "file", "file_id": "file_1"},
            "transformations": {"oversized_image": "error"},
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "words"},
            "title": "T",
            "context": "C",
            "citations": {"enabled": True},
        },
        {"type": "document", "source": {"type": "content", "content": "chunks"}},
        {"type": "search_result", "source": "s", "title": "t", "content": []},
    ]
    assert parse(messages=[{"role": "user", "content": content}]).messages[0].content == (
        Text("look", CacheMark(ttl="5m")),
        Image(Media(data="iVBOR", media_type="image/png")),
        Image(Media(url="https://x/y.png")),
        Image(Media(file_id="file_1"), ext={"anthropic": {"transformations": {"oversized_image": "error"}}}),
        Document(Media(text="words", media_type="text/plain"), title="T", context="C", cite=True),
        Opaque("anthropic", "document", content[5]),
        Opaque("anthropic", "search_result", content[6]),
    )


def test_a_tool_loop_with_thinking() -> None:
    turns = [
        {"role": "user", "content": "weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "ask the tool", "signature": "SIG"},
                {"type": "redacted_thinking", "data": "ENC"},
                {
                    "type": "tool_use",
                    "id": "toolu_1",
                    "name": "w",
                    "input": {"c": "Oslo"},
                    "caller": {"type": "direct"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12C", "is_error": False},
                {"type": "text", "text": "go on"},
            ],
        },
    ]
    request = parse(messages=turns)
    assert request.messages[1].content == (
        Thinking("ask the tool", signature="SIG", origin="anthropic"),
        Thinking(redacted="ENC", origin="anthropic"),
        ToolCall("toolu_1", "w", '{"c":"Oslo"}', ext={"anthropic": {"~caller": {"type": "direct"}}}),
    )
    assert request.messages[2].content == (ToolResult("toolu_1", (Text("12C"),), is_error=False), Text("go on"))
    assert render(request)["messages"] == turns


def test_tools_and_the_choice_among_them() -> None:
    tools = [
        {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True, "defer_loading": True},
        {"type": "custom", "name": "g", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": None},
    ]
    request = parse(tools=tools, tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True})
    assert request.tools == (
        Tool("f", "d", {"type": "object"}, True, ext={"anthropic": {"defer_loading": True}}),
        Tool("g", None, {"type": "object"}, cache=CacheMark(), ext={"anthropic": {"~type": "custom"}}),
        ProviderTool("anthropic", "web_search_20250305", tools[2]),
    )
    assert (request.tool_choice, request.parallel_tools) == (ToolChoice("named", ("f",)), False)


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Reasoning(enabled=True, budget=2048)),
        ({"thinking": {"type": "disabled"}}, Reasoning(enabled=False)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Reasoning(adaptive=True, show="omitted")),
        ({"output_config": {"effort": "xhigh"}}, Reasoning(effort="xhigh")),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            Reasoning(effort="low", adaptive=True),
        ),
    ],
)
def test_thinking_is_understood_and_said_again_as_it_was(fields: dict[str, Any], reasoning: Reasoning) -> None:
    request = parse(**fields)
    found = request.reasoning
    assert found is not None
    assert Reasoning(found.effort, found.budget, found.enabled, found.adaptive, found.show) == reasoning
    rendered = render(request)
    assert {k: v for k, v in rendered.items() if k in ("thinking", "output_config")} == fields


def test_a_schema_for_the_answer() -> None:
    schema = {"type": "object", "properties": {}}
    request = parse(output_config={"format": {"type": "json_schema", "schema": schema}, "task_budget": {"total": 9}})
    form = request.response_format
    assert form is not None
    assert (form.kind, form.schema) == ("json_schema", schema)
    assert request.ext == {"anthropic": {"output_config": {"task_budget": {"total": 9}}}}


ROUND_TRIPS: list[dict[str, Any]] = [
    {},
    {"stream": False},
    {"stream": True, "stop_sequences": [], "tools": []},
    {"system": ""},
    {"system": []},
    {"system": [{"type": "text", "text": "a"}]},
    {"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
    {"messages": [{"role": "user", "content": []}, {"role": "assistant", "content": "Sure"}]},
    {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
    {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]},
    {"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": [{"type": "text", "text": "s"}]}]},
    {"messages": [{"role": "user", "content": "a"}, {"role": "system", "output_config": {"effort": "low"}}]},
    {
        "messages": [
            {"role": "system", "content": [{"type": "tool_addition", "tool": {"name": "f"}}], "clear_at": "never"}
        ]
    },
    {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": []}]}]},
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [
                            {"type": "text", "text": "x"},
                            {"type": "image", "source": {"type": "url", "url": "u"}},
                            {"type": "tool_reference", "tool_name": "f"},
                        ],
                        "cache_control": {"type": "ephemeral"},
                    }
                ],
            }
        ]
    },
    {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "novel", "at": "x"}}]}]},
    {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "document", "source": {"type": "url", "url": "u"}, "citations": {"novel": 1}}],
            }
        ]
    },
    {
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "t", "name": "f", "input": {}, "cache_control": {"type": "ephemeral"}}
                ],
            }
        ]
    },
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}], "novel": 1}]},
    {"tools": [{"type": "custom", "name": "f", "input_schema": {"type": "object"}}]},
    {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": ""}]}]},
    {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}]}]},
    {
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "text",
                        "text": "x",
                        "citations": [
                            {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": "t"}
                        ],
                    },
                    {"type": "text", "text": "y", "citations": []},
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
                ],
            }
        ]
    },
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "e", "scope": 1}}]}
        ]
    },
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                        "citations": {"enabled": False},
                    }
                ],
            }
        ]
    },
    {"tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}},
    {
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": False},
    },
    {"tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "none", "why": 1}},
    {"tool_choice": {"type": "sometimes"}},
    {"thinking": {"type": "between_tools"}},
    {"thinking": {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}},
    {"thinking": {"type": "adaptive", "novel": 1}, "output_config": {"effort": "max"}},
    {"output_config": {"effort": "novel", "format": {"type": "novel"}}},
    {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}, "novel": 1}}},
    {"output_format": {"type": "json_schema", "schema": {"type": "object"}}},
    {"output_format": {"type": "novel"}},
    {"metadata": {"user_id": "u", "x": 1}, "service_tier": "auto"},
    {"service_tier": "novel", "metadata": {"x": 1}},
    {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
    {"cache_control": {"novel": True}},
    {"context_management": {"edits": []}, "mcp_servers": [], "inference_geo": "eu", "speed": "fast", "new_field": 1},
    {"temperature": 1, "top_p": 0.5, "top_k": 0},
]


@pytest.mark.parametrize("fields", ROUND_TRIPS, ids=lambda f: json.dumps(f)[:60])
def test_a_request_is_rendered_as_it_came(fields: dict[str, Any]) -> None:
    body = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}], **fields}
    assert render(DIALECT.parse_request(json.dumps(body).encode(), None, None)) == body


def test_documented_normalisations() -> None:
    body = {
        "model": "m",
        "system": None,
        "metadata": {"user_id": None},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": None}]},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": ""}, {"type": "tool_use", "id": "t", "name": "f"}],
            },
            {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "tool_result", "tool_use_id": "t"}]},
        ],
    }
    assert render(DIALECT.parse_request(json.dumps(body).encode(), None, None)) == {
        "model": "m",
        "max_tokens": 4096,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}, {"type": "text", "text": "b"}]},
        ],
    }


def test_the_path_does_not_depend_on_the_model() -> None:
    assert DIALECT.chat_path("any", True) == DIALECT.chat_path("other", False) == "/v1/messages"


def test_the_gateway_s_path_may_say_model_and_stream() -> None:
    request = DIALECT.parse_request(b'{"messages":[],"model":"a"}', "b", True)
    assert (request.model, request.stream) == ("b", True)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"model": 5}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": ["hi"]}, "messages[0]"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": 1}}]}]},
        "messages[0].content[0].source.url",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": 1}]}]},
        "messages[0].content[0].cache_control",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "citations": [1]}]}]},
        "messages[0].content[0].citations[0]",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [1]}]}]},
        "messages[0].content[0].content[0]",
    ),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"temperature": "hot"}, "temperature"),
    ({"stream": "yes"}, "stream"),
    ({"stop_sequences": "x"}, "stop_sequences"),
    ({"stop_sequences": ["a", 1]}, "stop_sequences[1]"),
    ({"system": 5}, "system"),
    ({"system": [{"type": "text", "text": 5}]}, "system[0].text"),
    ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    ({"tools": [{"name": "f", "input_schema": 1}]}, "tools[0].input_schema"),
    ({"tools": [{"name": "f", "strict": 1}]}, "tools[0].strict"),
    ({"tools": [{"name": "f", "type": 1}]}, "tools[0].type"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
    ({"thinking": {}}, "thinking.type"),
    ({"output_config": {"format": {"type": "json_schema", "schema": 1}}}, "output_config.format.schema"),
    ({"metadata": {"user_id": 1}}, "metadata.user_id"),
    ({"service_tier": 1}, "service_tier"),
    ({"cache_control": "x"}, "cache_control"),
]


@pytest.mark.parametrize(("fields", "path"), MISTAKES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_mistake_is_told_with_its_place(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**fields)
    assert caught.value.param == path
    assert f"'{path}' must be " in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"{" * 9999, b'{"a":' * 3000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        DIALECT.parse_request(body, None, None)


def test_a_signature_that_comes_before_its_call_finds_it() -> None:
    """LiteLLM gives all thinking back at the beginning of the turn."""
    call = ToolCall("c1", "f", "{}", signature="sig")
    answer = ChatResponse("r", "m", (Choice(0, (Thinking("hm", origin="gemini"), call), "tool_calls"),))
    thought, use, carrier = json.loads(DIALECT.render_response(answer))["content"]
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [thought, carrier, use]}]
    parts = parse(messages=history).messages[1].content
    assert [type(p) for p in parts] == [Thinking, ToolCall]
    assert [p.signature for p in parts if type(p) is ToolCall] == ["sig"]
