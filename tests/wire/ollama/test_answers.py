"""Answers, plain and streamed, both ways."""

import json
from typing import Any

import ollama
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.ollama.wires import COUNTS, END, GENERATE, OLLAMA, events, line, ndjson, pieces, spelled
from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.errors import (
    ModelNotFoundError,
    RateLimitError,
    StreamInterruptedError,
    UpstreamError,
    UpstreamProtocolError,
)
from tsuji.core.parts import Audio, Image, Media, Opaque, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice, TokenLogprob
from tsuji.core.usage import Usage
from tsuji.wire.dialect import NO_QUIRKS

CALL = {"function": {"name": "weather", "arguments": {"city": "Kyoto"}}}
LOGPROBS = [
    {"token": "It", "logprob": -0.5, "bytes": [73, 116], "top_logprobs": [{"token": "It", "logprob": -0.5}]},
]
MADE = 1761498924
"""2025-10-26T17:15:24Z"""
WHOLE = {
    **END,
    "message": {"role": "assistant", "content": "It is", "thinking": "hm", "tool_calls": [CALL]},
    "logprobs": LOGPROBS,
    "remote_model": "qwen3:480b",
}
STREAM = [
    line(thinking="h"),
    line(thinking="m"),
    line(content="It"),
    {**line(content=" is"), "logprobs": LOGPROBS},
    line(tool_calls=[CALL]),
    {**END, "remote_model": "qwen3:480b"},
]


def read(body: Any) -> ChatResponse:
    return OLLAMA.parse_response(json.dumps(body).encode(), NO_QUIRKS)


def written(response: ChatResponse, form: Any = OLLAMA) -> Any:
    return json.loads(form.render_response(response))


def choice(*parts: Any, **more: Any) -> ChatResponse:
    return ChatResponse("id", "m", (Choice(content=parts, **more),), created=0)


def test_a_whole_answer() -> None:
    found = read(WHOLE)
    only = found.choices[0]
    assert only.content == (
        Thinking("hm", origin="ollama"),
        Text("It is"),
        ToolCall("", "weather", '{"city":"Kyoto"}'),
    )
    assert (only.stop, only.stop_raw) == ("tool_calls", None)
    assert (found.model, found.created, found.usage) == ("qwen3", MADE, Usage(11, 18))
    assert only.logprobs == (TokenLogprob("It", -0.5, (73, 116), (TokenLogprob("It", -0.5),)),)
    assert written(found) == WHOLE
    ollama.ChatResponse.model_validate_json(OLLAMA.render_response(found))


def test_a_generated_answer() -> None:
    body = {"model": "m", "created_at": "x", "response": "hi", "thinking": "hm", "done": True, "context": [1], **COUNTS}
    found = read(body)
    assert (found.choices[0].text, found.choices[0].thinking) == ("hi", "hm")
    assert found.created is None
    assert written(found, GENERATE) == {**body, "done_reason": "stop"}
    ollama.GenerateResponse.model_validate_json(GENERATE.render_response(found))


@pytest.mark.parametrize(
    ("raw", "stop", "back"),
    [("stop", "stop", "stop"), ("length", "length", "length"), ("load", "other", "load"), (None, "stop", "stop")],
)
def test_why_it_ended(raw: str | None, stop: str, back: str) -> None:
    found = read({**line(True, content="x"), "done_reason": raw})
    assert found.choices[0].stop == stop
    assert written(found)["done_reason"] == back
    assert assemble(events(ndjson({**line(True), "done_reason": raw}))).choices[0].stop == stop


@pytest.mark.parametrize(
    ("stop", "reason"),
    [("tool_calls", "stop"), ("stop_sequence", "stop"), ("context_window", "length"), ("content_filter",) * 2],
)
def test_why_another_dialects_answer_ended(stop: Any, reason: str) -> None:
    assert written(choice(Text("x"), stop=stop, stop_raw="end_turn"))["done_reason"] == reason


def test_an_answer_of_another_dialect() -> None:
    parts = (
        Thinking("hm", signature="s", origin="anthropic"),
        Thinking(redacted="r", origin="anthropic"),
        Text("a"),
        Refusal("b"),
        Opaque("anthropic", "server_tool_use", {}),
        Image(Media(data="AA==")),
        Image(Media(url="https://x/y")),
        Audio(Media(data="BB=="), transcript="c"),
        ToolCall("c1", "f", '{"a":1}', signature="s"),
    )
    said = {
        "role": "assistant",
        "content": "ab![](data:image/png;base64,AA==)![](https://x/y)c",
        "thinking": "hm",
        "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}],
    }
    whole = choice(*parts, stop="tool_calls")
    assert written(whole)["message"] == said
    assert written(whole)["created_at"] == "1970-01-01T00:00:00Z"
    lines = spelled(replay(whole))
    assert "".join(each["message"]["content"] for each in lines) == said["content"]
    assert [each["message"]["tool_calls"] for each in lines if "tool_calls" in each["message"]] == [said["tool_calls"]]
    for each in lines:
        ollama.ChatResponse.model_validate(each)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"message":"x"}', b"\xff", b""])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        OLLAMA.parse_response(body, NO_QUIRKS)
    assert OLLAMA.read_usage(body) is None
    found = events(body + b"\n")
    assert isinstance(found[-1], ev.StreamFailed)
    assert isinstance(found[-1].error, StreamInterruptedError if not body else UpstreamProtocolError)


@pytest.mark.parametrize("error", ["no", {"message": "no", "code": 500}])
def test_an_error_that_says_success(error: Any) -> None:
    with pytest.raises(UpstreamError, match="no"):
        read({"error": error})
    with pytest.raises(RateLimitError, match="no"):
        read({"error": error, "status_code": 429})


def test_usage_is_read_without_the_rest() -> None:
    assert OLLAMA.read_usage(json.dumps(WHOLE).encode()) == Usage(11, 18)
    assert OLLAMA.read_usage(json.dumps(line(True)).encode()) is None


# Streams.


@given(st.lists(st.integers(0, 2000), max_size=6))
def test_a_stream_split_anywhere(cuts: list[int]) -> None:
    body = ndjson(*STREAM)
    found = events(body, cuts)
    assert found == events(body)
    whole = assemble(found)
    assert whole.choices[0].content == read(WHOLE).choices[0].content
    assert (whole.usage, whole.model, whole.created) == (Usage(11, 18), "qwen3", MADE)
    assert whole.choices[0].stop == "tool_calls"
    tail = OLLAMA.stream_tail()
    for piece in pieces(body, cuts):
        tail.feed(piece)
    assert (tail.complete, tail.failed, tail.usage) == (True, False, Usage(11, 18))


def test_a_stream_rendered_again() -> None:
    lines = spelled(events(ndjson(*STREAM)))
    assert [each for each in lines if "logprobs" not in each] == [
        *STREAM[:3],
        line(content=" is"),
        *STREAM[4:],
    ]
    assert [each["logprobs"] for each in lines if "logprobs" in each] == [LOGPROBS]
    for each in lines:
        ollama.ChatResponse.model_validate(each)


def test_a_stream_of_a_prompts_answer() -> None:
    lines = [
        {"model": "m", "response": "", "thinking": "hm", "done": False},
        {"model": "m", "response": "a", "done": False},
        {"model": "m", "response": "", "done": True, "done_reason": "length", "context": [1], **COUNTS},
    ]
    assert spelled(events(ndjson(*lines)), form=GENERATE) == lines


def test_arguments_in_pieces_go_out_whole() -> None:
    call = ToolCall("c1", "f", "")
    found: list[ev.Event] = [
        ev.Started("id", ""),
        ev.PartStarted(call, 0),
        ev.ArgumentsDelta('{"a"', 0),
        ev.ArgumentsDelta(":1}", 0),
        ev.PartEnded(0),
        ev.Finished("tool_calls"),
        ev.Ended(),
    ]
    first, last = spelled(found)
    assert first["message"]["tool_calls"] == [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}]
    assert (first["model"], first["done"]) == ("qwen3", False)
    assert (last["done"], last["done_reason"]) == (True, "stop")


def test_only_the_first_of_several_answers_is_given() -> None:
    found: list[ev.Event] = [ev.Started("id", "m")]
    for at in (1, 0):
        found += [ev.PartStarted(Text(""), 0, at), ev.TextDelta(f"{at}", 0, at), ev.PartEnded(0, at)]
    lines = spelled([*found, ev.Finished("stop", 1), ev.Finished("length", 0), ev.Ended()])
    assert "".join(each["message"]["content"] for each in lines) == "0"
    assert lines[-1]["done_reason"] == "length"


@pytest.mark.parametrize("keep", range(len(STREAM)))
def test_a_stream_that_is_cut(keep: int) -> None:
    body = ndjson(*STREAM[:keep])
    found = events(body)
    assert isinstance(found[-1], ev.StreamFailed)
    assert isinstance(found[-1].error, StreamInterruptedError)
    lines = spelled(found)
    assert lines[-1] == {"error": found[-1].error.message}
    assert not any(each.get("done") for each in lines)
    tail = OLLAMA.stream_tail()
    tail.feed(body)
    assert not tail.complete


def test_an_error_inside_a_stream() -> None:
    found = events(ndjson(STREAM[2], {"error": "out of memory"}, STREAM[3]))
    assert isinstance(found[-1], ev.StreamFailed)
    assert found[-1].error.message == "out of memory"
    tail = OLLAMA.stream_tail()
    tail.feed(ndjson(STREAM[2], {"error": "out of memory"}))
    assert tail.failed


def test_a_last_line_without_its_end() -> None:
    found = events(ndjson(*STREAM)[:-1])
    assert isinstance(found[-1], ev.Ended)


def test_nothing_comes_after_the_end() -> None:
    once = events(ndjson(*STREAM))
    assert events(ndjson(*STREAM, line(content="more"))) == once
    assert events(ndjson(*STREAM) + b"garbage\n") == once


# Errors.


@pytest.mark.parametrize(
    "body", [b'{"error":"model \'x\' not found"}', b'{"error":{"message":"model \'x\' not found"}}']
)
def test_an_error(body: bytes) -> None:
    error = OLLAMA.parse_error(404, {}, body)
    assert isinstance(error, ModelNotFoundError)
    assert (error.message, error.status, error.fault) == ("model 'x' not found", 404, "caller")
    assert json.loads(OLLAMA.render_error(error)) == {"error": "model 'x' not found"}


def test_an_error_without_a_document() -> None:
    error = OLLAMA.parse_error(429, {"retry-after": "7"}, b"<html>")
    assert (error.retry_after, error.retryable, error.status) == (7, True, 429)
    assert OLLAMA.parse_error(401, {}, b"").fault == "gateway"
    assert OLLAMA.parse_error(503, {}, b"").kind == "upstream_unavailable"


def test_a_request_is_asked_where_it_was_made() -> None:
    assert OLLAMA.chat_path("m", True) == "/api/chat"
    assert GENERATE.chat_path("m", True) == "/api/generate"
