"""Messages and their parts, both ways."""

from typing import Any

import pytest

from tsuji.core.errors import UnsupportedParameterError
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
from tsuji.wire.dialect import NO_QUIRKS, Losses

from .wire import parse, render


def message(wire: dict[str, Any]) -> Message:
    return parse({"model": "m", "messages": [wire]}).messages[0]


def write(*messages: Message, quirks: Quirks = NO_QUIRKS, losses: Losses | None = None) -> list[Any]:
    return render(ChatRequest("m", messages), quirks, losses)["messages"]


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
PARTS: list[tuple[dict[str, Any], Part | None]] = [
    ({"type": "text", "text": "hi"}, Text("hi")),
    ({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, Image(Media(url="https://x/y.png"))),
    (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        Image(Media(data="AAAA", media_type="image/png"), "low"),
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg/>"}},
        Image(Media(url="data:image/svg+xml,<svg/>")),
    ),
    ({"type": "image_url", "image_url": {"url": "https://x", "odd": 1}}, None),
    ({"type": "image_url", "image_url": "https://x"}, None),
    (
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        Audio(Media(data="AAAA", media_type="audio/mpeg"), "mp3"),
    ),
    ({"type": "input_audio", "input_audio": {"data": "AAAA", "odd": 1}}, None),
    ({"type": "file", "file": {"file_id": "f1"}}, None),
    ({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}, None),
    ({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}, None),
    ({"type": "file", "file": {"file_data": "https://x/y.pdf", "filename": "y.pdf"}}, None),
    ({"type": "file", "file": {"file_data": "AAAA", "file_id": "f1", "odd": 1}}, None),
    ({"type": "document_url", "document_url": "https://x/y.pdf", "document_name": "y"}, None),
    ({"type": "video_url", "video_url": {"url": "https://x/y.webm"}}, Video(Media(url="https://x/y.webm"))),
    ({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "5m"}}, None),
    ({"type": "text", "text": "hi", "prompt_cache_breakpoint": {"mode": "explicit"}}, None),
    ({"type": "text", "text": "hi", "odd": [1]}, None),
    ({"type": "text", "text": "hi", "text.x": 1, "a.b": {"c.d": 1}}, None),
    ({"type": "unheard_of", "x": 1}, Opaque("openai", "unheard_of", {"type": "unheard_of", "x": 1})),
]


@pytest.mark.parametrize(("wire", "core"), PARTS, ids=[str(i) for i in range(len(PARTS))])
def test_parts(wire: dict[str, Any], core: Part | None) -> None:
    found = message({"role": "user", "content": [wire]})
    if core is not None:
        assert found.content == (core,)
    assert write(found) == [{"role": "user", "content": [wire]}]


def test_documents() -> None:
    found = message({"role": "user", "content": [PARTS[9][0], PARTS[13][0]]}).content
    assert [p.source for p in found if isinstance(p, Document)] == [
        Media(data="AAAA", media_type="application/pdf", name="a.pdf"),
        Media(url="https://x/y.pdf", name="y"),
    ]


def test_cache_marks() -> None:
    found = message({"role": "user", "content": [PARTS[15][0], PARTS[16][0]]}).content
    assert [p.cache for p in found if isinstance(p, Text)] == [CacheMark(ttl="5m"), CacheMark()]
    assert write(Message("user", (Text("hi", CacheMark(ttl="1h")),))) == [{"role": "user", "content": "hi"}]


MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "hi"},
    {"role": "user", "content": ""},
    {"role": "user", "content": "hi", "name": "bob"},
    {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    {"role": "user", "content": []},
    {"role": "system", "content": "be brief"},
    {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    {"role": "assistant", "content": "hi"},
    {"role": "assistant", "content": "hi", "name": "bot", "odd": {"x": 1}},
    {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}]},
    {"role": "assistant", "content": None, "refusal": "no"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "assistant", "content": "ok", "tool_calls": [CALL, {**CALL, "id": "c2"}]},
    {"role": "assistant", "content": [], "prefix": False, "tool_calls": [{**CALL, "index": 0}]},
    {"role": "assistant", "content": "ok", "tool_calls": []},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "s"}}}],
    },
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "assistant", "content": None, "audio": {"id": "audio_1"}},
    {"role": "assistant", "content": "a", "annotations": []},
    {
        "role": "assistant",
        "content": "a",
        "annotations": [
            {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}
        ],
    },
    {"role": "assistant", "content": "a", "extra_content": {"x": 1}, "thought_signature": "s"},
    {"role": "assistant", "content": "a", "reasoning_content": "hm"},
    {"role": "assistant", "content": "a", "reasoning": "hm"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True},
            {"type": "text", "text": "a"},
        ],
    },
    {
        "role": "assistant",
        "content": "a",
        "reasoning": "hm",
        "reasoning_details": [
            {
                "type": "reasoning.text",
                "text": "hm",
                "signature": "s",
                "id": "r1",
                "format": "anthropic-claude-v1",
                "index": 0,
            }
        ],
    },
    {
        "role": "assistant",
        "content": "a",
        "reasoning_details": [
            {"type": "reasoning.encrypted", "data": "d", "id": "r", "format": "openai-responses-v1", "index": 0},
            {"type": "reasoning.summary", "summary": "s", "index": 1},
        ],
    },
    {"role": "tool", "content": "42", "tool_call_id": "c1"},
    {"role": "tool", "content": [{"type": "text", "text": "42"}], "tool_call_id": "c1"},
    {
        "role": "tool",
        "content": [{"type": "image_url", "image_url": {"url": "https://x"}}],
        "tool_call_id": "c1",
        "odd": 1,
    },
    {"role": "tool", "content": "42", "tool_call_id": "c1", "name": "f"},
    {"role": "function", "content": "42", "name": "f"},
]


@pytest.mark.parametrize("wire", MESSAGES, ids=[str(i) for i in range(len(MESSAGES))])
def test_messages_come_back(wire: dict[str, Any]) -> None:
    given = {"role": "user", "content": "hi"}
    assert render(parse({"model": "m", "messages": [given, wire]}))["messages"] == [given, wire]


def test_assistant_parts() -> None:
    assert message({"role": "assistant", "content": "ok", "tool_calls": [CALL]}).content == (
        Text("ok"),
        ToolCall("c1", "f", '{"a":1}'),
    )
    assert message({"role": "assistant", "content": None, "refusal": "no"}).content == (Refusal("no"),)
    assert message({"role": "assistant", "audio": {"id": "a1"}}).content == (Audio(Media(), id="a1"),)
    found = message(MESSAGES[17]).content[0]
    assert isinstance(found, ToolCall)
    assert found.signature == "s"


def test_thinking_parts() -> None:
    thoughts = [p for wire in MESSAGES[23:28] for p in message(wire).content if isinstance(p, Thinking)]
    assert [(t.text, t.signature, t.redacted, t.id, t.summary, t.origin) for t in thoughts] == [
        ("hm", None, None, None, False, "openai"),
        ("hm", None, None, None, False, "openai"),
        ("hm", None, None, None, False, "openai"),
        ("hm", "s", None, "r1", False, "anthropic"),
        ("", None, "d", "r", False, "responses"),
        ("s", None, None, None, True, "openai"),
    ]


def test_tool_results() -> None:
    assert message(MESSAGES[28]) == Message("tool", (ToolResult("c1", (Text("42"),)),))


# From here on: what other dialects bring.


def test_several_texts() -> None:
    two = (Text("a"), Text("b"))
    listed = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert write(Message("user", two)) == [{"role": "user", "content": listed}]
    assert write(Message("assistant", two)) == [{"role": "assistant", "content": "ab"}]
    assert write(Message("system", two), quirks=Quirks(flat_content=True)) == [{"role": "system", "content": "a\n\nb"}]
    with_image = Message("user", (*two, Image(Media(url="https://x"))))
    assert isinstance(write(with_image, quirks=Quirks(flat_content=True))[0]["content"], list)


def test_system_role() -> None:
    given = (Message("system", (Text("a"),)), Message("developer", (Text("b"), Text("c"))))
    assert [m["role"] for m in write(*given)] == ["system", "developer"]
    assert [m["role"] for m in write(*given, quirks=Quirks(system_role="system"))] == ["system", "system"]
    assert [m["role"] for m in write(*given, quirks=Quirks(system_role="developer"))] == ["developer", "developer"]


def test_ids_of_calls_as_the_provider_takes_them() -> None:
    """Mistral refuses others: https://docs.mistral.ai/api"""
    calls = Message(
        "assistant", (ToolCall("toolu_01A", "f", "{}"), ToolCall("aB3dE6gH9", "g", "{}"), ToolCall("", "h"))
    )
    results = [Message("tool", (ToolResult(id, (Text("1"),), name),)) for id, name in (("toolu_01A", "f"), ("", "h"))]
    sent = write(calls, *results, quirks=Quirks(tool_call_ids=9))
    foreign, own, made = [call["id"] for call in sent[0]["tool_calls"]]
    assert own == "aB3dE6gH9"
    assert [message["tool_call_id"] for message in sent[1:]] == [foreign, made]
    assert len({foreign, own, made}) == 3
    assert all(len(id) == 9 and id.isascii() and id.isalnum() for id in (foreign, made))
    assert write(calls, quirks=Quirks(tool_call_ids=9))[0]["tool_calls"][0]["id"] == foreign
    assert write(calls)[0]["tool_calls"][0]["id"] == "toolu_01A"


def test_tool_results_of_a_user_turn_come_first() -> None:
    turn = Message("user", (Text("and?"), ToolResult("c1", (Text("1"),)), ToolResult("c2", (Text("2"), Text("3")))))
    assert write(turn) == [
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2\n\n3"},
        {"role": "user", "content": "and?"},
    ]


def test_media_in_a_tool_result_follow_it() -> None:
    turn = Message(
        "user",
        (
            ToolResult("c1", (Text("see"), Image(Media(url="https://x")))),
            ToolResult("c2", (Image(Media(url="https://y")),)),
        ),
    )
    assert write(turn) == [
        {"role": "tool", "tool_call_id": "c1", "content": "see"},
        {"role": "tool", "tool_call_id": "c2", "content": "The result is attached to the next message."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Attached to the result of tool call c1:"},
                {"type": "image_url", "image_url": {"url": "https://x"}},
                {"type": "text", "text": "Attached to the result of tool call c2:"},
                {"type": "image_url", "image_url": {"url": "https://y"}},
            ],
        },
    ]


def test_a_failed_result_is_noted() -> None:
    noted = Losses("openai")
    turn = Message("user", (ToolResult("c1", (Text("boom"),), is_error=True),))
    assert write(turn, losses=noted) == [{"role": "tool", "tool_call_id": "c1", "content": "boom"}]
    assert noted.dropped == ["messages[0].content[0].is_error"]


def test_calls_without_ids_get_them() -> None:
    calls = Message("assistant", (ToolCall("", "f"), ToolCall("", "g"), ToolCall("", "f")))
    results = Message(
        "tool",
        (ToolResult("", (Text("g"),), "g"), ToolResult("", (Text("f"),), "f"), ToolResult("", (Text("f2"),), "f")),
    )
    found = write(calls, results)
    assert [c["id"] for c in found[0]["tool_calls"]] == ["call_0", "call_1", "call_2"]
    assert [(m["tool_call_id"], m["content"]) for m in found[1:]] == [
        ("call_1", "g"),
        ("call_0", "f"),
        ("call_2", "f2"),
    ]


def test_signatures_of_other_dialects_are_ignored() -> None:
    turn = Message("assistant", (Text("a", signature="s"), ToolCall("c1", "f", "{}", signature="s")))
    entry = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert write(turn) == [{"role": "assistant", "content": "a", "tool_calls": [entry]}]


THOUGHT = Thinking("hm", "sig", origin="anthropic")


def test_thoughts_of_other_dialects() -> None:
    turn = Message("assistant", (THOUGHT, Thinking(redacted="xx", origin="anthropic"), Text("a")))
    noted = Losses("openai")
    assert write(turn, losses=noted) == [{"role": "assistant", "content": "a"}]
    assert noted.dropped == ["messages[0] (thinking)"]
    assert write(turn, quirks=Quirks(reasoning_field="reasoning_content")) == [
        {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    ]
    assert write(turn, quirks=Quirks(reasoning_field="content"))[0]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "a"},
    ]
    assert write(turn, quirks=Quirks(reasoning_field="reasoning_details"))[0]["reasoning_details"] == [
        {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, "text": "hm", "signature": "sig"},
        {"type": "reasoning.encrypted", "format": "anthropic-claude-v1", "index": 1, "data": "xx"},
    ]


def test_a_thought_goes_by_the_providers_name_for_it() -> None:
    turn = message({"role": "assistant", "content": "a", "reasoning_content": "hm"})
    assert write(turn, quirks=Quirks(reasoning_field="reasoning")) == [
        {"role": "assistant", "content": "a", "reasoning": "hm"}
    ]


def test_media_of_other_dialects() -> None:
    turn = Message(
        "user",
        (
            Audio(Media(data="AA", media_type="audio/x-wav")),
            Audio(Media(data="AA", media_type="audio/mpeg")),
            Document(Media(data="AA", media_type="application/pdf"), title="T"),
            Document(Media(data="AA", media_type="application/pdf"), context="C"),
            Document(Media(file_id="f")),
            Document(Media(text="body"), title="T", context="C"),
            Video(Media(data="AA", media_type="video/mp4")),
        ),
    )
    pdf = "data:application/pdf;base64,AA"
    assert write(turn)[0]["content"] == [
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
        {"type": "file", "file": {"filename": "T", "file_data": pdf}},
        {"type": "text", "text": "C"},
        {"type": "file", "file": {"filename": "document.pdf", "file_data": pdf}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "text", "text": "T\nC\n\nbody"},
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA"}},
    ]


REFUSED: list[tuple[Part, str]] = [
    (Image(Media(file_id="f")), "messages[0].content[0] (image by file id)"),
    (Audio(Media(url="https://x")), "messages[0].content[0] (audio without data)"),
    (Video(Media(file_id="f")), "messages[0].content[0] (video by file id)"),
    (Document(Media(url="https://x")), "messages[0].content[0] (document by URL)"),
    (Document(Media(text="x"), cite=True), "messages[0].content[0].citations"),
    (Opaque("anthropic", "server_tool_use", {}), "messages[0].content[0] (server_tool_use)"),
    (Text("a", ext={"gemini": {"odd": 1}}), "messages[0].content[0].odd"),
    (Refusal("no"), "messages[0].content[0] (refusal)"),
]


@pytest.mark.parametrize(("part", "param"), REFUSED, ids=[p for _, p in REFUSED])
def test_what_cannot_be_said_is_refused_by_name(part: Part, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        write(Message("user", (part,)))
    assert caught.value.param == param
    noted = Losses("openai", drop=True)
    write(Message("user", (part,)), losses=noted)
    assert noted.dropped == [param]


def test_paths_of_refused_parts_count_all_parts() -> None:
    turn = Message("assistant", (THOUGHT, Text("a"), Opaque("anthropic", "server_tool_use", {})))
    noted = Losses("openai", drop=True)
    write(turn, losses=noted)
    assert "messages[0].content[2] (server_tool_use)" in noted.dropped


def test_foreign_citations_are_noted() -> None:
    noted = Losses("openai")
    cited = Text("a", citations=(Citation(url="u", ext={"anthropic": {"type": "x"}}),))
    assert write(Message("assistant", (cited,)), losses=noted) == [{"role": "assistant", "content": "a"}]
    assert noted.dropped == ["messages[0] (citations)"]


def test_thoughts_where_litellm_keeps_them() -> None:
    detail = {"type": "reasoning.text", "text": "hm", "signature": "sig", "format": "anthropic-claude-v1", "index": 0}
    wire = {"role": "assistant", "content": "a", "provider_specific_fields": {"reasoning_details": [detail], "odd": 1}}
    found = message(wire)
    assert [(p.text, p.signature, p.origin) for p in found.content if type(p) is Thinking] == [
        ("hm", "sig", "anthropic")
    ]
    assert write(found) == [{**wire, "reasoning_details": [detail]}]
    # Of no meaning to another dialect, and so no reason to refuse.
    assert not [name for name in (found.ext or {}).get("openai", {}) if not name.startswith("~")]


@pytest.mark.parametrize(
    ("wire", "source"),
    [
        ({"type": "input_audio", "input_audio": "AAAA"}, Media(data="AAAA")),
        ({"type": "input_audio", "input_audio": "https://x/y.mp3"}, Media(url="https://x/y.mp3")),
        ({"type": "file", "file_id": "f1"}, Media(file_id="f1")),
    ],
    ids=["audio", "audio by URL", "file"],
)
def test_parts_as_mistral_has_them(wire: dict[str, Any], source: Media) -> None:
    found = message({"role": "user", "content": [wire]})
    part = found.content[0]
    assert isinstance(part, Audio | Document)
    assert part.source == source
    assert write(found) == [{"role": "user", "content": [wire]}]
