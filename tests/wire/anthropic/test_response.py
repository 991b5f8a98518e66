"""Answers: read from the provider, and rendered for an Anthropic client whoever made them."""

import json
from typing import Any

import pytest
from anthropic.types import Message as OfficialMessage

from tsuji.core.errors import RateLimitError, UpstreamProtocolError, UpstreamUnavailableError
from tsuji.core.parts import Audio, Citation, Image, Media, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice, StopReason
from tsuji.core.usage import Usage
from tsuji.wire.anthropic import DIALECT
from tsuji.wire.dialect import NO_QUIRKS

ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "SIG"},
        {"type": "redacted_thinking", "data": "ENC"},
        {
            "type": "text",
            "text": "It is so.",
            "citations": [
                {
                    "type": "web_search_result_location",
                    "cited_text": "so it is",
                    "encrypted_index": "E",
                    "title": "T",
                    "url": "https://x",
                }
            ],
        },
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}, "caller": {"type": "direct"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "container": {"id": "c", "expires_at": "2026-01-01T00:00:00Z"},
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
        "service_tier": "standard",
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    },
}


def parse(body: Any) -> ChatResponse:
    return DIALECT.parse_response(json.dumps(body).encode(), NO_QUIRKS)


def render(response: ChatResponse) -> dict[str, Any]:
    return json.loads(DIALECT.render_response(response))


def test_an_answer_is_read_completely() -> None:
    response = parse(ANSWER)
    choice = response.choices[0]
    assert (response.id, response.model, response.service_tier) == ("msg_1", "claude-sonnet-4-5", "default")
    assert choice.content == (
        Thinking("hm", signature="SIG", origin="anthropic"),
        Thinking(redacted="ENC", origin="anthropic"),
        Text(
            "It is so.",
            citations=(
                Citation("so it is", "https://x", "T", ext={"anthropic": ANSWER["content"][2]["citations"][0]}),
            ),
        ),
        Opaque("anthropic", "server_tool_use", ANSWER["content"][3]),
        ToolCall("toolu_1", "f", '{"x":1}', ext={"anthropic": {"~caller": {"type": "direct"}}}),
    )
    assert (choice.stop, choice.stop_raw, choice.stop_sequence) == ("tool_calls", "tool_use", None)
    assert response.ext == {"anthropic": {"container": ANSWER["container"]}}


def test_the_prompt_is_counted_whole() -> None:
    assert parse(ANSWER).usage == Usage(
        input_tokens=140,
        output_tokens=7,
        cached_tokens=100,
        cache_write_tokens=30,
        cache_write_1h_tokens=20,
        reasoning_tokens=3,
        ext={"anthropic": {"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}}},
    )


def test_an_answer_is_rendered_as_it_came() -> None:
    assert render(parse(ANSWER)) == ANSWER


STOPS: list[tuple[str, StopReason]] = [
    ("end_turn", "stop"),
    ("max_tokens", "length"),
    ("stop_sequence", "stop_sequence"),
    ("tool_use", "tool_calls"),
    ("pause_turn", "pause"),
    ("compaction", "pause"),
    ("refusal", "refusal"),
    ("model_context_window_exceeded", "context_window"),
]


@pytest.mark.parametrize(("raw", "stop"), STOPS)
def test_stop_reasons(raw: str, stop: StopReason) -> None:
    response = parse({**ANSWER, "stop_reason": raw, "stop_sequence": "S"})
    assert (response.choices[0].stop, response.choices[0].stop_raw) == (stop, raw)
    assert response.choices[0].stop_sequence == "S"
    assert render(response)["stop_reason"] == raw


@pytest.mark.parametrize("raw", ["novel", 5, ["x"], {}])
def test_an_unknown_stop_reason_is_other(raw: Any) -> None:
    choice = parse({**ANSWER, "stop_reason": raw}).choices[0]
    assert (choice.stop, choice.stop_raw) == ("other", raw if isinstance(raw, str) else None)


OTHERS_STOPS: list[tuple[StopReason, str | None, str]] = [
    ("stop", "stop", "end_turn"),
    ("length", "MAX_TOKENS", "max_tokens"),
    ("content_filter", "SAFETY", "refusal"),
    ("error", "error", "max_tokens"),
    ("malformed_tool_call", None, "end_turn"),
    ("other", "novel", "end_turn"),
]


@pytest.mark.parametrize(("stop", "raw", "expected"), OTHERS_STOPS)
def test_stop_reasons_of_others(stop: StopReason, raw: str | None, expected: str) -> None:
    assert render(ChatResponse("r", "m", (Choice(stop=stop, stop_raw=raw),)))["stop_reason"] == expected


def test_a_plain_stop_with_tool_calls_asks_for_their_results() -> None:
    choice = Choice(content=(ToolCall("a", "f"),), stop="stop", stop_raw="stop")
    assert render(ChatResponse("r", "m", (choice,)))["stop_reason"] == "tool_use"


def test_a_lenient_reading_of_compatible_servers() -> None:
    response = parse({"role": "assistant", "content": None, "usage": {"input_tokens": "x", "output_tokens": -1}})
    assert response == ChatResponse("", "", (Choice(),), usage=Usage())
    assert parse({"stop_reason": "end_turn", "content": [], "usage": []}).usage is None


NOT_MESSAGES: list[bytes] = [
    b"",
    b"<html>Bad gateway</html>",
    b"[]",
    b'"text"',
    b'{"choices":[]}',
    b'{"type":"completion","role":"assistant"}',
    b'{"type":"message","role":"assistant","content":{}}',
    b'{"type":"message","role":"assistant","content":["x"]}',
    b'{"type":"message","role":"assistant","content":[{"type":"text"}]}',
    b'{"type":"message","role":"assistant","content":[{"type":"text","text":"\xff"}]}',
]


@pytest.mark.parametrize("body", NOT_MESSAGES)
def test_what_is_no_message_is_the_provider_s_fault(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError) as caught:
        DIALECT.parse_response(body, NO_QUIRKS)
    assert caught.value.fault == "upstream"


def test_an_error_inside_http_200_is_that_error() -> None:
    with pytest.raises(UpstreamUnavailableError) as caught:
        parse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert (caught.value.status, caught.value.message) == (529, "Overloaded")
    with pytest.raises(RateLimitError):
        parse({"error": {"type": "rate_limit_error", "message": "slow"}})


def content(*parts: Part, response_id: str = "r") -> list[dict[str, Any]]:
    response = ChatResponse(response_id, "m", (Choice(content=parts, stop="stop"),))
    rendered = render(response)
    OfficialMessage.model_validate(rendered)
    return rendered["content"]


def test_parts_of_others_are_told_in_words() -> None:
    assert content(
        Refusal("no"),
        Audio(Media(data="AA"), transcript="spoken"),
        Image(Media(data="iVBOR", media_type="image/png")),
        Image(Media(url="https://x/y.png")),
        Opaque("openai", "reasoning_item", {}),
        Audio(Media(data="AA")),
        Text("end"),
    ) == [
        {"type": "text", "text": "no"},
        {"type": "text", "text": "spoken"},
        {"type": "text", "text": "![](data:image/png;base64,iVBOR)"},
        {"type": "text", "text": "![](https://x/y.png)"},
        {"type": "text", "text": "end"},
    ]


def test_calls_without_ids_get_one_of_their_own() -> None:
    blocks = content(ToolCall("", "f"), ToolCall("", "f", "{"), response_id="resp")
    assert [b["id"] for b in blocks] == ["call_resp_0", "call_resp_1"]
    assert blocks[1]["input"] == {"INVALID_JSON": "{"}
    assert content(ToolCall("", "f"), response_id="")[0]["id"] == "call_0"


def test_web_citations_of_others_are_shown() -> None:
    block = content(Text("x", citations=(Citation("c", "https://x", "T"), Citation("nowhere"))))[0]
    assert [c["url"] for c in block["citations"]] == ["https://x"]
    assert DIALECT.foreign_mark in json.dumps(block).encode()


def test_usage_that_nobody_reported() -> None:
    assert render(ChatResponse("r", "m", (Choice(stop="stop"),)))["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_parts_of_the_prompt_never_add_up_to_more_than_it_was() -> None:
    usage = Usage(input_tokens=100, output_tokens=1, cached_tokens=90, cache_write_tokens=90)
    rendered = render(ChatResponse("r", "m", (Choice(stop="stop"),), usage=usage))["usage"]
    assert rendered == {
        "input_tokens": 0,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 90,
        "output_tokens": 1,
    }


def test_an_answer_without_choices() -> None:
    assert render(ChatResponse("r", "m", ()))["content"] == []


CARRIED: list[Part] = [
    Thinking("plain", origin="openai"),
    Thinking("signed", signature="sig/+=", origin="gemini"),
    Thinking("", redacted="enc", id="rs_1", summary=True, origin="openai"),
    Thinking("of nobody"),
    Text("answer", signature="gem-sig"),
    ToolCall("a", "f", '{"x":1}', signature="gem-sig-2"),
    Thinking("own", signature="S", origin="anthropic"),
    Thinking(redacted="E", origin="anthropic"),
]


@pytest.mark.parametrize("part", CARRIED, ids=str)
def test_what_another_dialect_needs_back_comes_back(part: Part) -> None:
    turn = {"role": "assistant", "content": [*content(part), {"type": "text", "text": "more"}]}
    body = json.dumps({"model": "m", "messages": [turn]}).encode()
    assert (DIALECT.foreign_mark in body) == (getattr(part, "origin", None) != "anthropic")
    assert DIALECT.parse_request(body, None, None).messages[0].content == (part, Text("more"))


@pytest.mark.parametrize("token", ["tsuji.", "tsuji.!!", "tsuji.e30", "tsuji.bnVsbA==", "tsuji.é"])
def test_a_token_that_somebody_made_up_is_a_string_like_others(token: str) -> None:
    blocks = [{"type": "thinking", "thinking": "x", "signature": token}, {"type": "redacted_thinking", "data": token}]
    body = json.dumps({"model": "m", "messages": [{"role": "assistant", "content": blocks}]}).encode()
    thinking = DIALECT.parse_request(body, None, None).messages[0].content
    assert [type(part) for part in thinking] == [Thinking, Thinking]
