"""Whole answers, both ways."""

import json
from typing import Any

import pytest

from tests.wire.gemini.wires import GEMINI, answer, parse, read, render, write
from tsuji.core.errors import RateLimitError, TsujiError, UpstreamProtocolError
from tsuji.core.parts import Audio, Citation, Image, Media, Opaque, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice, StopReason, TokenLogprob
from tsuji.core.usage import Usage
from tsuji.wire.dialect import NO_QUIRKS

FULL = {
    **answer(
        {"text": "hm", "thought": True},
        {"text": "Hi", "thoughtSignature": "Zm9v"},
        {"functionCall": {"name": "f", "args": {"a": 1}}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        finishMessage="done",
        avgLogprobs=-0.5,
        safetyRatings=[{"category": "X"}],
    ),
    "createTime": "2026-01-01T00:00:00Z",
    "usageMetadata": {
        "promptTokenCount": 10,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 5,
        "toolUsePromptTokenCount": 3,
        "totalTokenCount": 25,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}, {"modality": "AUDIO", "tokenCount": 2}],
        "trafficType": "ON_DEMAND",
    },
}


def test_everything_is_read() -> None:
    response = read(FULL)
    assert (response.id, response.model, response.created) == ("r1", "gemini-3-flash", None)
    assert response.ext == {"gemini": {"createTime": "2026-01-01T00:00:00Z"}}
    choice = response.choices[0]
    assert choice.content == (
        Thinking("hm", origin="gemini"),
        Text("Hi", signature="Zm9v"),
        ToolCall("", "f", '{"a":1}'),
        Opaque("gemini", "executableCode", {"executableCode": {"language": "PYTHON", "code": "1"}}),
    )
    assert (choice.stop, choice.stop_raw) == ("tool_calls", "STOP")
    assert choice.ext == {
        "gemini": {"finishMessage": "done", "avgLogprobs": -0.5, "safetyRatings": [{"category": "X"}]}
    }
    usage = response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (13, 12, 25)
    assert (usage.cached_tokens, usage.reasoning_tokens, usage.audio_input_tokens) == (4, 5, 2)


def test_everything_comes_back() -> None:
    assert write(read(FULL)) == FULL


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "malformed_tool_call"),
        ("UNEXPECTED_TOOL_CALL", "malformed_tool_call"),
        ("LANGUAGE", "other"),
        ("SOMETHING_NEW", "other"),
    ],
)
def test_reasons(reason: str, stop: StopReason) -> None:
    choice = read(answer({"text": "x"}, finishReason=reason)).choices[0]
    assert (choice.stop, choice.stop_raw) == (stop, reason)


@pytest.mark.parametrize(
    ("stop", "raw", "reason"),
    [
        ("stop", "end_turn", "STOP"),
        ("tool_calls", "tool_use", "STOP"),
        ("length", None, "MAX_TOKENS"),
        ("content_filter", "content_filter", "SAFETY"),
        ("refusal", None, "SAFETY"),
        ("pause", "pause_turn", "OTHER"),
        ("content_filter", "RECITATION", "RECITATION"),
    ],
)
def test_stops_of_others(stop: StopReason, raw: str | None, reason: str) -> None:
    response = ChatResponse("i", "m", (Choice(0, (Text("x"),), stop, raw),))
    assert write(response)["candidates"][0]["finishReason"] == reason


def test_a_call_cut_by_the_limit_is_cut() -> None:
    assert read(answer({"functionCall": {"name": "f"}}, finishReason="MAX_TOKENS")).choices[0].stop == "length"


def test_a_blocked_prompt() -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 5}}
    response = read(body)
    choice = response.choices[0]
    assert (choice.stop, choice.stop_raw, choice.content) == ("content_filter", "PROHIBITED_CONTENT", ())
    assert write(response) == body


def test_what_providers_leave_out() -> None:
    response = read({"candidates": [{"finishReason": "MAX_TOKENS"}, {"content": {"role": "model"}}, {"content": None}]})
    assert [c.index for c in response.choices] == [0, 1, 2]
    assert [c.stop for c in response.choices] == ["length", None, None]
    assert (response.id, response.model, response.usage) == ("", "", None)
    assert read({"candidates": None, "usageMetadata": {}}).choices == ()
    assert read({"candidates": []}).choices == ()


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"promptTokenCount": 5, "totalTokenCount": 5}, (5, 0)),
        ({"promptTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 7}, (5, 2)),
        ({"promptTokenCount": 5}, (5, None)),
        ({"promptTokenCount": "5", "totalTokenCount": True}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_usage(counts: dict[str, Any], expected: tuple[int | None, int | None]) -> None:
    usage = read({**answer({"text": "x"}), "usageMetadata": counts}).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == expected
    direct = GEMINI.read_usage(json.dumps({"candidates": [], "usageMetadata": counts}).encode())
    assert direct == usage


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"usageMetadata": 5}', b"\xff", b"<html>"])
def test_no_usage(body: bytes) -> None:
    assert GEMINI.read_usage(body) is None


def test_usage_of_others() -> None:
    usage = Usage(10, 8, cached_tokens=2, cache_write_tokens=1, reasoning_tokens=3, audio_input_tokens=4)
    assert write(ChatResponse("", "m", (), usage=usage)) == {
        "modelVersion": "m",
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 3,
            "cachedContentTokenCount": 2,
            "totalTokenCount": 18,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
        },
    }


def test_service_tier_in_common_words() -> None:
    body = {**answer({"text": "x"}), "usageMetadata": {"serviceTier": "standard"}}
    assert read(body).service_tier == "default"
    assert write(read(body)) == body


def test_logprobs() -> None:
    result = {
        "logProbabilitySum": -0.3,
        "chosenCandidates": [
            {"token": "Hi", "tokenId": 5, "logProbability": -0.1},
            {"token": "!", "logProbability": -0.2},
        ],
        "topCandidates": [
            {"candidates": [{"token": "Hi", "logProbability": -0.1}, {"token": "Yo", "logProbability": -3}]},
            {"candidates": [{"token": "!", "logProbability": -0.2}]},
        ],
    }
    body = answer({"text": "Hi!"}, logprobsResult=result)
    logprobs = read(body).choices[0].logprobs
    assert logprobs is not None
    assert logprobs[0].token == "Hi"
    assert logprobs[0].top == (TokenLogprob("Hi", -0.1), TokenLogprob("Yo", -3))
    assert write(read(body)) == body


GROUNDED = answer(
    {"text": "日本 is old"},
    groundingMetadata={
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"retrievedContext": {"title": "B"}}],
        "groundingSupports": [
            {"segment": {"endIndex": 6, "text": "日本"}, "groundingChunkIndices": [0, 1, 9]},
            {"segment": {"startIndex": 7, "endIndex": 9, "text": "is"}, "groundingChunkIndices": [0]},
        ],
    },
)


def test_grounding_becomes_citations_in_characters() -> None:
    response = read(GROUNDED)
    text = response.choices[0].content[0]
    assert isinstance(text, Text)
    assert text.citations == (
        Citation("日本", "https://a.example", "A", 0, 2),
        Citation("日本", None, "B", 0, 2),
        Citation("is", "https://a.example", "A", 3, 5),
    )
    assert write(response) == GROUNDED


def test_citations_find_their_text() -> None:
    body = answer(
        {"text": "ab"},
        {"text": "cd"},
        citationMetadata={"citationSources": [{"startIndex": 3, "endIndex": 4, "uri": "u"}]},
    )
    first, second = read(body).choices[0].content
    assert isinstance(first, Text)
    assert isinstance(second, Text)
    assert (first.citations, second.citations) == ((), (Citation(None, "u", None, 1, 2),))


def test_citations_of_others() -> None:
    cited = Text("x", citations=(Citation("q", "https://a.example", "A", 0, 1),))
    candidate = write(ChatResponse("", "", (Choice(0, (cited,)),)))["candidates"][0]
    assert candidate["citationMetadata"] == {
        "citationSources": [{"startIndex": 0, "endIndex": 1, "uri": "https://a.example", "title": "A"}]
    }


def test_answers_of_others_refuse_nothing() -> None:
    choice = Choice(
        0,
        (
            Thinking("hm"),
            Text("", ext={"openai": {"x": 1}}),
            Refusal("No."),
            ToolCall("c1", "f", "{broken"),
            Image(Media(file_id="file-1"), detail="high"),
            Audio(Media(data="aGk="), format="wav", transcript="hi"),
            Opaque("anthropic", "server_tool_use", {}),
        ),
        "stop",
        ext={"openai": {"y": 1}},
    )
    parts = write(ChatResponse("i", "m", (choice,), ext={"openai": {"z": 1}}))["candidates"][0]["content"]["parts"]
    assert parts == [
        {"text": "hm", "thought": True},
        {"text": ""},
        {"text": "No."},
        {"functionCall": {"id": "c1", "name": "f", "args": {"arguments": "{broken"}}},
        {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}},
    ]


@pytest.mark.parametrize(
    "thought",
    [
        Thinking("hm", signature="s/+=", origin="anthropic"),
        Thinking("", redacted="r", origin="anthropic"),
        Thinking("so", id="rs_1", summary=True, origin="openai"),
    ],
)
@pytest.mark.parametrize("urlsafe", [False, True])
def test_thinking_of_others_travels_through_a_client(thought: Thinking, urlsafe: bool) -> None:
    content = write(ChatResponse("i", "m", (Choice(0, (thought, Text("x"))),)))["candidates"][0]["content"]
    if urlsafe:
        content["parts"][0]["thoughtSignature"] = (
            content["parts"][0]["thoughtSignature"].replace("+", "-").replace("/", "_")
        )
    request = parse({"contents": [content]})
    assert request.messages[0].content == (thought, Text("x"))
    assert GEMINI.foreign_mark in json.dumps(content).encode()
    assert render(request)["contents"][0]["parts"] == [{"text": "x"}]


@pytest.mark.parametrize("signature", ["dHN1amk6", "dHN1amk6!!", "dHN1amk6e30="])
def test_a_broken_token_is_just_a_signature(signature: str) -> None:
    part = {"text": "hm", "thought": True, "thoughtSignature": signature}
    parsed = parse({"contents": [{"role": "model", "parts": [part]}]}).messages[0].content
    assert parsed == (Thinking("hm", signature=signature, origin="gemini"),)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>busy</html>",
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"choices": []}',
        b'{"candidates": 5}',
        b'{"candidates": ["x"]}',
        b'{"candidates": [{"content": {"parts": [{"text": 5}]}}]}',
        b'{"candidates": [{"finishReason": 5}]}',
        b'{"candidates": [{"logprobsResult": {"chosenCandidates": [{"logProbability": "x"}]}}]}',
        b'{"candidates": [], "responseId": 5}',
        b"\xff\xfe",
        b'{"candidates":' * 100_000,
    ],
    ids=lambda b: repr(b[:40]),
)
def test_other_shapes(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError) as caught:
        GEMINI.parse_response(body, NO_QUIRKS)
    assert caught.value.fault == "upstream"


@pytest.mark.parametrize("wrap", [False, True])
def test_an_error_inside_an_answer(wrap: bool) -> None:
    document: Any = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}
    with pytest.raises(TsujiError) as caught:
        read([document] if wrap else document)
    assert isinstance(caught.value, RateLimitError)
    assert caught.value.status == 429
