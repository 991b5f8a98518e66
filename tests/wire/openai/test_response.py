"""Whole answers, both ways."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from tsuji.core.errors import (
    InvalidRequestError,
    RateLimitError,
    UpstreamProtocolError,
)
from tsuji.core.parts import Audio, Citation, Image, Media, Opaque, Refusal, Text, Thinking, ToolCall
from tsuji.core.provider import Quirks
from tsuji.core.response import ChatResponse, Choice, TokenLogprob
from tsuji.core.usage import Usage
from tsuji.wire.dialect import NO_QUIRKS

from .wire import DIALECT, answer, said


def whole(message: dict[str, Any], finish_reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return {"id": "c1", "object": "chat.completion", "created": 7, "model": "m", "choices": [choice], **more}


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
CITED = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}

ANSWERS: list[dict[str, Any]] = [
    {"content": "hi", "refusal": None},
    {"content": "", "refusal": None},
    {"content": None, "refusal": None, "tool_calls": [CALL]},
    {"content": "hi", "refusal": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]},
    {"content": None, "refusal": "no"},
    {"content": "hi", "refusal": None, "annotations": [CITED]},
    {"content": "hi", "refusal": None, "reasoning_content": "hm"},
    {"content": "hi", "refusal": None, "reasoning": "hm"},
    {
        "content": "hi",
        "refusal": None,
        "reasoning": "hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}],
    },
    {"content": "hi", "refusal": None, "reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "index": 0}]},
    {"content": None, "refusal": None, "audio": {"id": "a", "data": "AA", "expires_at": 9, "transcript": "hi"}},
    {"content": "hi", "refusal": None, "extra_content": {"google": {"thought": True}}},
    {
        "content": None,
        "refusal": None,
        "tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "s"}}}],
    },
    {"content": None, "refusal": None, "function_call": {"name": "f", "arguments": "{}"}},
    {
        "content": "",
        "refusal": None,
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}],
    },
]


@pytest.mark.parametrize("message", ANSWERS, ids=[str(i) for i in range(len(ANSWERS))])
def test_answers_come_back(message: dict[str, Any]) -> None:
    found = said(answer(whole(message)))
    assert found["choices"][0]["message"] == {"role": "assistant", **message}
    assert {k: v for k, v in found.items() if k != "choices"} == {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
    }
    ChatCompletion.model_validate(found)


def parts(message: dict[str, Any], quirks: Quirks = NO_QUIRKS) -> tuple[Any, ...]:
    return answer(whole(message), quirks).choices[0].content


def test_parts() -> None:
    assert parts({"content": "hi", "tool_calls": [CALL]}) == (Text("hi"), ToolCall("c1", "f", '{"a":1}'))
    assert parts({"content": "", "tool_calls": [CALL]}) == (ToolCall("c1", "f", '{"a":1}'),)
    assert parts({"content": None, "refusal": "no"}) == (Refusal("no"),)
    cited = Citation(url="u", title="t", start=0, end=1, ext={"openai": CITED})
    assert parts({"content": "hi", "annotations": [CITED]}) == (Text("hi", citations=(cited,)),)
    assert [p.text for p in parts({"content": "hi", "reasoning_content": "hm"})] == ["hm", "hi"]
    assert [p.text for p in parts({"content": "hi", "thoughts": "hm"}, Quirks(reasoning_field="thoughts"))] == [
        "hm",
        "hi",
    ]
    mistral = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
        {"type": "text", "text": "hi"},
    ]
    assert [type(p).__name__ + p.text for p in parts({"content": mistral})] == ["Thinkinghm", "Texthi"]
    assert parts(ANSWERS[14])[1:] == (Image(Media(data="AA", media_type="image/png")),)


def test_what_providers_get_wrong() -> None:
    found = answer(
        {
            "choices": [
                {
                    "message": {
                        "content": "hi",
                        "tool_calls": None,
                        "audio": {"id": "", "data": ""},
                        "function_call": {"name": ""},
                    }
                }
            ]
        }
    )
    assert found == ChatResponse("", "", (Choice(0, (Text("hi"),), "stop"),))
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    assert answer(whole({"tool_calls": [call]}, "stop")).choices[0] == Choice(
        0, (ToolCall("", "f", '{"a":1}'),), "tool_calls", "stop"
    )
    assert (
        answer(whole({"tool_calls": [{"function": {"name": "f", "arguments": None}}]}))
        .choices[0]
        .tool_calls[0]
        .arguments
        == "{}"
    )
    assert answer({"choices": [], "usage": None}).choices == ()


def test_unknown_fields_stay_at_their_level() -> None:
    body = whole({"content": "hi", "odd": 1}, system_fingerprint="fp", provider="P")
    body["choices"][0]["native_finish_reason"] = "STOP"
    body["choices"][0]["a.b"] = 2
    found = answer(body)
    assert found.ext == {"openai": {"system_fingerprint": "fp", "provider": "P"}}
    assert found.choices[0].ext == {"openai": {"native_finish_reason": "STOP", "a.b": 2, "message.odd": 1}}
    back = said(found)
    assert (back["system_fingerprint"], back["provider"]) == ("fp", "P")
    assert (back["choices"][0]["native_finish_reason"], back["choices"][0]["a.b"]) == ("STOP", 2)
    assert back["choices"][0]["message"]["odd"] == 1


@pytest.mark.parametrize(
    ("word", "stop", "back"),
    [
        ("stop", "stop", "stop"),
        ("length", "length", "length"),
        ("tool_calls", "tool_calls", "tool_calls"),
        ("function_call", "tool_calls", "function_call"),
        ("content_filter", "content_filter", "content_filter"),
        ("sensitive", "content_filter", "content_filter"),
        ("model_length", "context_window", "length"),
        ("insufficient_system_resource", "error", "length"),
        ("unheard_of", "other", "stop"),
        ("", "stop", "stop"),
        (None, "stop", "stop"),
    ],
)
def test_reasons_to_finish(word: str | None, stop: str, back: str) -> None:
    found = answer(whole({"content": "hi"}, word))
    assert (found.choices[0].stop, found.choices[0].stop_raw) == (stop, word)
    assert said(found)["choices"][0]["finish_reason"] == back


@pytest.mark.parametrize(
    ("stop", "back"),
    [
        ("stop_sequence", "stop"),
        ("refusal", "content_filter"),
        ("pause", "length"),
        ("error", "length"),
        (None, "stop"),
    ],
)
def test_reasons_of_other_dialects(stop: Any, back: str) -> None:
    found = said(ChatResponse("c", "m", (Choice(0, (Text("a"),), stop, "FOREIGN"),)))
    assert found["choices"][0]["finish_reason"] == back


USAGES: list[tuple[dict[str, Any], Usage]] = [
    ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, Usage(3, 4, total=7)),
    (
        {
            "prompt_tokens": 30,
            "completion_tokens": 40,
            "total_tokens": 70,
            "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5, "audio_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 8, "audio_tokens": 1},
        },
        Usage(30, 40, 10, 5, None, 8, 2, 1, 70),
    ),
    ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "num_cached_tokens": 2}, Usage(3, 4, 2, total=7)),
    (
        {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "prompt_cache_hit_tokens": 2},
        Usage(3, 4, 2, total=7),
    ),
    ({"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}, Usage(35, 74, total=109)),
    (
        {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "cost": 0.1,
            "prompt_tokens_details": {"video_tokens": 1},
        },
        Usage(3, 4, total=7),
    ),
]


@pytest.mark.parametrize(("wire", "core"), USAGES, ids=[str(i) for i in range(len(USAGES))])
def test_usage(wire: dict[str, Any], core: Usage) -> None:
    found = answer(whole({"content": "hi"}, usage=wire))
    assert found.usage is not None
    for name in Usage.__struct_fields__:
        if name != "ext":
            assert getattr(found.usage, name) == getattr(core, name), name
    assert said(found)["usage"] == wire
    passed = DIALECT.read_usage(json.dumps(whole({"content": "hi"}, usage=wire)).encode())
    assert passed == core


def test_usage_that_is_no_number_is_unknown() -> None:
    wire = {"prompt_tokens": "3", "completion_tokens": 4.5, "total_tokens": -1}
    body = whole({"content": "hi"}, usage=wire)
    found = answer(body).usage
    assert found is not None
    assert (found.input_tokens, found.output_tokens, found.total) == (None, None, None)
    passed = DIALECT.read_usage(json.dumps(body).encode())
    assert passed is not None
    assert passed.total_tokens is None
    for nothing in (b"", b"[]", b"{}", b'{"usage":null}', b'{"usage":5}', b"\xff"):
        assert DIALECT.read_usage(nothing) is None


def test_logprobs() -> None:
    entry = {
        "token": "hi",
        "logprob": -0.1,
        "bytes": [104, 105],
        "top_logprobs": [{"token": "ho", "logprob": -2.0, "bytes": None}],
    }
    body = whole({"content": "hi"})
    body["choices"][0]["logprobs"] = {"content": [entry], "refusal": None}
    found = answer(body)
    top = TokenLogprob("ho", -2.0)
    assert found.choices[0].logprobs == (TokenLogprob("hi", -0.1, (104, 105), (top,)),)
    assert said(found)["choices"][0]["logprobs"] == {"content": [entry], "refusal": None}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"candidates":[]}',
        b'{"choices":{}}',
        b'{"choices":[{"message":{"content":[1]}}]}',
    ],
)
def test_what_is_no_answer_of_this_dialect(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        DIALECT.parse_response(body, NO_QUIRKS)


def test_an_error_in_place_of_an_answer() -> None:
    with pytest.raises(RateLimitError) as caught:
        answer({"error": {"message": "slow down", "code": 429}})
    assert (caught.value.message, caught.value.status) == ("slow down", 429)
    with pytest.raises(InvalidRequestError):
        answer({"object": "error", "message": "bad", "code": 400})
    with pytest.raises(RateLimitError):
        answer([{"error": {"message": "slow down", "code": 429}}])


FOREIGN = (
    Thinking("hm", "sig", origin="anthropic"),
    Thinking(redacted="xx", origin="anthropic"),
    Text("ab", citations=(Citation(url="u", title="t"),)),
    Text("cd", citations=(Citation(url="v", start=1, end=2), Citation(text="no url"))),
    ToolCall("", "f", "{}", signature="g"),
    Opaque("anthropic", "server_tool_use", {}),
    Audio(Media(data="AA"), transcript="hi"),
)


def test_answers_of_other_dialects() -> None:
    response = ChatResponse(
        "x",
        "m",
        (Choice(0, FOREIGN, "tool_calls", "tool_use", ext={"anthropic": {"odd": 1}}),),
        service_tier="standard",
        ext={"anthropic": {"odd": 1}},
    )
    found = said(response)
    ChatCompletion.model_validate(found)
    assert found["service_tier"] == "default"
    assert "odd" not in found
    assert found["choices"][0] == {
        "index": 0,
        "finish_reason": "tool_calls",
        "logprobs": None,
        "message": {
            "role": "assistant",
            "content": "abcd",
            "refusal": None,
            "reasoning_content": "hm",
            "reasoning_details": [
                {
                    "type": "reasoning.text",
                    "format": "anthropic-claude-v1",
                    "index": 0,
                    "text": "hm",
                    "signature": "sig",
                },
                {"type": "reasoning.encrypted", "format": "anthropic-claude-v1", "index": 1, "data": "xx"},
            ],
            "annotations": [
                {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 2}},
                {"type": "url_citation", "url_citation": {"url": "v", "title": "", "start_index": 3, "end_index": 4}},
            ],
            "tool_calls": [
                {
                    "id": "call_0",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "g"}},
                }
            ],
            "audio": {"id": "", "data": "AA", "expires_at": 0, "transcript": "hi"},
        },
    }


def test_thoughts_of_other_dialects_come_back_as_theirs() -> None:
    """What a client of this dialect sends back can go on to the provider that signed it."""
    from .wire import parse

    first = ChatResponse("x", "m", (Choice(0, (Thinking("hm", "sig", origin="anthropic"), Text("a")), "stop"),))
    message = said(first)["choices"][0]["message"]
    thought = parse({"model": "m", "messages": [message]}).messages[0].content[0]
    assert isinstance(thought, Thinking)
    assert (thought.text, thought.signature, thought.origin) == ("hm", "sig", "anthropic")
