"""Answers, plain and streamed, both ways; errors."""

import json
from typing import Any

import msgspec
import pytest
from cohere import V2ChatResponse, V2ChatStreamResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.wire.cohere.wires import (
    CALL,
    CITATION,
    COHERE,
    EMPTY,
    END,
    LOGPROBS,
    START,
    STREAM,
    USAGE,
    WHOLE,
    ask,
    events,
    pieces,
    read,
    spelled,
    sse,
    told,
    written,
)
from tests.wire.official import OFFICIAL
from tsuji.catalog.prices import Price, cost
from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.errors import (
    ContentFilterError,
    ModelNotFoundError,
    StreamInterruptedError,
    UpstreamError,
    UpstreamProtocolError,
)
from tsuji.core.parts import Audio, Citation, Image, Media, Opaque, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice, TokenLogprob
from tsuji.core.usage import Usage
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS

EVENT: TypeAdapter[Any] = TypeAdapter(V2ChatStreamResponse)
COUNTED = Usage(1452, 33, 144, billed_input_tokens=33, billed_output_tokens=22, ext={"cohere": USAGE})


def choice(*parts: Any, **more: Any) -> ChatResponse:
    return ChatResponse("id", "m", (Choice(content=parts, **more),), created=0)


def valid(lines: list[Any]) -> list[Any]:
    for each in lines:
        EVENT.validate_python(each)
    return lines


def test_a_whole_answer() -> None:
    found = read(WHOLE)
    only = found.choices[0]
    assert (only.thinking, only.text) == ("Hm.I will ask.", "Kyoto is.")
    text = only.content[1]
    assert isinstance(text, Text)
    assert [(c.start, c.end, c.title, c.text) for c in text.citations] == [(0, 5, "Towns", "Kyoto is old.")]
    assert [(c.id, c.name, c.arguments) for c in only.tool_calls] == [("weather_1", "weather", '{"city":"Kyoto"}')]
    assert (only.stop, only.stop_raw, found.id, found.model) == ("tool_calls", "TOOL_CALL", "c14c80c3", "")
    assert found.usage == COUNTED
    assert [(p.token, p.logprob) for p in only.logprobs or ()] == [("Kyoto", -0.75), (" is", -1.0)]
    assert written(found) == WHOLE
    V2ChatResponse.model_validate(WHOLE)
    V2ChatResponse.model_validate_json(COHERE.render_response(found))


def test_what_is_paid_is_not_what_is_read() -> None:
    price = Price(input=1_000_000, output=2_000_000)
    assert cost(price, COUNTED) == 33 + 2 * 22
    assert cost(price, Usage(10, 5)) == 10 + 2 * 5


def test_usage_is_read_without_the_rest() -> None:
    assert COHERE.read_usage(json.dumps(WHOLE).encode()) == COUNTED
    assert COHERE.read_usage(b'{"usage":{"billed_units":{"input_tokens":3.0}}}') == Usage(
        3, billed_input_tokens=3, ext={"cohere": {"billed_units": {"input_tokens": 3.0}}}
    )
    assert COHERE.read_usage(b'{"id":"x"}') is None
    assert COHERE.read_usage(b"<html>") is None


@pytest.mark.parametrize(
    ("raw", "stop"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop_sequence"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR", "error"),
        ("TIMEOUT", "error"),
        ("ERROR_TOXIC", "content_filter"),
        ("ERROR_LIMIT", "context_window"),
        ("LATER", "other"),
    ],
)
def test_why_it_ended(raw: str, stop: str) -> None:
    found = read({**WHOLE, "finish_reason": raw})
    assert (found.choices[0].stop, found.choices[0].stop_raw) == (stop, raw)
    assert written(found)["finish_reason"] == ("OTHER" if raw == "LATER" else raw)


@pytest.mark.parametrize(
    ("stop", "word"),
    [
        ("stop", "COMPLETE"),
        ("length", "MAX_TOKENS"),
        ("context_window", "MAX_TOKENS"),
        ("content_filter", "ERROR_TOXIC"),
        ("refusal", "ERROR_TOXIC"),
        ("pause", "PAUSE"),
        (None, "COMPLETE"),
    ],
)
def test_why_another_dialects_answer_ended(stop: Any, word: str) -> None:
    whole = choice(Text("x"), stop=stop, stop_raw="end_turn")
    assert written(whole)["finish_reason"] == word
    assert spelled(replay(whole))[-1]["delta"]["finish_reason"] == (word if stop else "OTHER")


PARTS = (
    Thinking("hm", signature="s", origin="anthropic"),
    Thinking(redacted="r", origin="anthropic"),
    Text("Old Kyoto", citations=(Citation("it is", "https://x/y", "Towns", 4, 9, {"anthropic": {}}),)),
    Refusal("no"),
    Opaque("anthropic", "server_tool_use", {}),
    Image(Media(data="AA==", media_type="image/png")),
    Image(Media(file_id="f")),
    Audio(Media(data="BB=="), transcript="aloud"),
    ToolCall("", "f", '{"a":1}', signature="s"),
    ToolCall("c2", "g", "{}"),
)
SAID = {
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Old Kyoto"},
        {"type": "text", "text": "no"},
        {"type": "text", "text": "![](data:image/png;base64,AA==)"},
        {"type": "text", "text": "aloud"},
    ],
    "tool_calls": [
        {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ],
    "citations": [
        {
            "start": 4,
            "end": 9,
            "text": "Kyoto",
            "sources": [
                {
                    "type": "document",
                    "id": "https://x/y",
                    "document": {"title": "Towns", "url": "https://x/y", "snippet": "it is"},
                }
            ],
            "content_index": 1,
            "type": "TEXT_CONTENT",
        }
    ],
}


def test_an_answer_of_another_dialect() -> None:
    whole = choice(*PARTS, stop="tool_calls", logprobs=(TokenLogprob("a", -0.5),))
    body = written(whole)
    V2ChatResponse.model_validate(body)
    assert body["message"] == SAID
    assert body["logprobs"] == [{"text": "a", "token_ids": [], "logprobs": [-0.5]}]
    usage = choice(Text("x"), stop="stop")
    counted = written(ChatResponse("", "m", usage.choices, usage=Usage(10, 5, 2)))["usage"]
    both = {"input_tokens": 10, "output_tokens": 5}
    assert counted == {"billed_units": both, "tokens": both, "cached_tokens": 2}
    again = assemble(events(sse(*valid(spelled(replay(whole))))))
    assert written(again)["message"] == SAID


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"message":{}', b"\xff", b""])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        COHERE.parse_response(body, NO_QUIRKS)
    assert COHERE.read_usage(body) is None


@pytest.mark.parametrize(
    "document", [{"message": "no"}, {"error": "no"}, {"type": "error", "error": {"message": "no"}}]
)
def test_an_error_that_says_success(document: Any) -> None:
    with pytest.raises(UpstreamError, match="no"):
        read(document)
    found = events(b"data: " + json.dumps(document).encode() + b"\n\n")
    assert isinstance(found[-1], ev.StreamFailed)
    assert found[-1].error.message == "no"
    tail = COHERE.stream_tail()
    tail.feed(b"data: " + json.dumps({"type": "error", "message": "no"}).encode() + b"\n\n")
    assert tail.failed


@pytest.mark.parametrize("target", [name for name in OFFICIAL if name != "cohere"])
def test_for_clients_of_other_dialects(target: str) -> None:
    """What has everything is accepted by their types, plain and streamed, and reads the same."""
    form = dialect(target)
    body = form.render_response(msgspec.structs.replace(read(WHOLE), model="m", created=1))
    OFFICIAL[target].answer(body)
    found = events(sse(*STREAM))
    found[0] = msgspec.structs.replace(found[0], model="m", created=1)
    stream = form.stream_renderer(ask(stream=True, stream_usage=True)).render(found)
    OFFICIAL[target].stream(stream)
    parser = form.stream_parser(NO_QUIRKS)
    for again in (form.parse_response(body, NO_QUIRKS), assemble(parser.feed(stream) + parser.close())):
        (only,) = again.choices
        assert only.text == "Kyoto is."
        if target != "gemini":  # whose stream says a foreign thought again, with what proves it
            assert only.thinking == "Hm.I will ask."
        assert [(c.name, json.loads(c.arguments)) for c in only.tool_calls] == [("weather", {"city": "Kyoto"})]
        assert only.stop == "tool_calls"
        assert again.usage is not None
        assert (again.usage.input_tokens, again.usage.output_tokens) == (1452, 33)
        assert again.usage.cached_tokens == (None if target == "ollama" else 144)


# Streams.


@given(st.lists(st.integers(0, 3000), max_size=6))
def test_a_stream_split_anywhere(cuts: list[int]) -> None:
    body = sse(*STREAM)
    found = events(body, cuts)
    assert found == events(body)
    whole = assemble(found)
    assert whole.choices[0].content == read(WHOLE).choices[0].content
    assert (whole.usage, whole.id, whole.choices[0].stop_raw) == (COUNTED, "c14c80c3", "TOOL_CALL")
    tail = COHERE.stream_tail()
    for piece in pieces(body, cuts):
        tail.feed(piece)
    assert (tail.complete, tail.failed, tail.usage) == (True, False, COUNTED)


def test_a_stream_rendered_again() -> None:
    assert valid(spelled(events(sse(*STREAM)))) == STREAM


def test_logprobs_in_a_stream() -> None:
    delta = {**told("content-delta", 0, content={"text": "Kyoto"}), "logprobs": LOGPROBS[0]}
    body = sse(START, told("content-start", 0, content={"type": "text", "text": ""}), delta, END)
    assert assemble(events(body)).choices[0].logprobs == (TokenLogprob("Kyoto", -0.75, ext={"cohere": LOGPROBS[0]}),)
    assert [e["logprobs"] for e in valid(spelled(events(body))) if "logprobs" in e] == [LOGPROBS[0]]


def test_blocks_that_do_not_say_when_they_begin() -> None:
    body = sse(
        START,
        {"type": "debug", "prompt": "x"},
        told("content-delta", 0, content={"thinking": "Hm."}),
        told("content-delta", 0, content={"text": "Kyoto"}),
        told("content-delta", 0, content={"text": ""}),
        told("citation-start", 0, citations=[{**CITATION, "content_index": 7}]),
        told("tool-call-start", 1, tool_calls=[CALL]),
        {"type": "something-new"},
        END,
    )
    only = assemble(events(body)).choices[0]
    assert (only.thinking, only.text, only.tool_calls[0].arguments) == ("Hm.", "Kyoto", '{"city":"Kyoto"}')
    text = only.content[1]
    assert isinstance(text, Text)
    assert len(text.citations) == 1


def test_a_citation_after_the_end_of_its_text() -> None:
    late = told("citation-start", 0, citations={**CITATION, "content_index": 0})
    text = [
        told("content-start", 0, content={"type": "text", "text": "Kyoto"}),
        {"type": "content-end", "index": 0},
    ]
    only = assemble(events(sse(START, *text, late, END))).choices[0]
    assert isinstance(only.content[0], Text)
    assert len(only.content[0].citations) == 1
    call = [told("tool-call-start", 0, tool_calls=CALL), {"type": "tool-call-end", "index": 0}]
    found = events(sse(START, *text, *call, late, END))
    cited = [e for e in valid(spelled(found)) if e["type"] == "citation-start"]
    assert cited == [late]
    assert written(assemble(found))["message"]["citations"] == [late["delta"]["message"]["citations"]]


def test_a_plans_citations_are_kept() -> None:
    plan = {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will."}}}
    cited = told("citation-start", 0, citations={**CITATION, "type": "PLAN"})
    found = events(sse(START, plan, cited, END))
    assert written(assemble(found))["message"]["citations"] == [cited["delta"]["message"]["citations"]]


@pytest.mark.parametrize("keep", range(len(STREAM)))
def test_a_stream_that_is_cut(keep: int) -> None:
    body = sse(*STREAM[:keep])
    found = events(body)
    assert isinstance(found[-1], ev.StreamFailed)
    assert isinstance(found[-1].error, StreamInterruptedError)
    last = valid(spelled(found))[-1]
    assert last["delta"] == {"error": found[-1].error.message, "finish_reason": "ERROR"}
    tail = COHERE.stream_tail()
    tail.feed(body)
    assert not tail.complete


@pytest.mark.parametrize(
    "delta", [{"finish_reason": "ERROR", "error": "out of memory"}, {"finish_reason": "TIMEOUT"}, {"error": "x"}]
)
def test_a_stream_that_ends_in_an_error(delta: Any) -> None:
    body = sse(*STREAM[:7], {"type": "message-end", "delta": delta})
    found = events(body)
    assert isinstance(found[-1], ev.StreamFailed)
    assert isinstance(found[-1].error, UpstreamError)
    assert found[-1].error.message == delta.get("error", "the provider's answer ended as TIMEOUT")
    tail = COHERE.stream_tail()
    tail.feed(body)
    assert (tail.failed, tail.complete) == (True, False)


def test_nothing_comes_after_the_end() -> None:
    once = events(sse(*STREAM))
    assert events(sse(*STREAM, *STREAM) + b"data: garbage\n\n") == once


@pytest.mark.parametrize(
    "event",
    [
        told("tool-call-delta", 3, tool_calls={"function": {"arguments": "{}"}}),
        told("tool-call-start", 0, tool_calls={"id": "x"}),
        told("tool-call-start", [0], tool_calls=CALL),
        "text",
    ],
)
def test_a_malformed_stream(event: Any) -> None:
    found = events(sse(START) + b"data: " + json.dumps(event).encode() + b"\n\n" + sse(END))
    assert isinstance(found[-1], ev.StreamFailed)
    assert isinstance(found[-1].error, UpstreamProtocolError)


def test_pieces_of_calls_of_other_dialects() -> None:
    found: list[ev.Event] = [
        ev.Started("id", ""),
        ev.PartStarted(ToolCall("a", "f", ""), 0),
        ev.PartStarted(ToolCall("b", "g", ""), 1),
        ev.ArgumentsDelta('{"x":', 1),
        ev.ArgumentsDelta("1}", 1),
        ev.PartEnded(0),
        ev.PartEnded(1),
        ev.Finished("tool_calls"),
        ev.Ended(),
    ]
    lines = valid(spelled(found))
    assert lines[0] == {"type": "message-start", "id": "id", "delta": {"message": EMPTY}}
    again = assemble(events(sse(*lines)))
    assert [(c.id, c.arguments) for c in again.choices[0].tool_calls] == [("a", "{}"), ("b", '{"x":1}')]


# Errors.


def test_an_error() -> None:
    body = b'{"id":"e0c3","message":"model \'x\' not found"}'
    error = COHERE.parse_error(404, {}, body)
    assert isinstance(error, ModelNotFoundError)
    assert (error.message, error.status, error.fault) == ("model 'x' not found", 404, "caller")
    assert json.loads(COHERE.render_error(error)) == {"message": "model 'x' not found"}
    assert json.loads(dialect("openai").render_error(error))["error"]["code"] == "model_not_found"


def test_errors_by_status() -> None:
    assert COHERE.parse_error(429, {"retry-after": "7"}, b"<html>").retry_after == 7
    assert isinstance(COHERE.parse_error(498, {}, b"{}"), ContentFilterError)
    assert COHERE.parse_error(401, {}, b'{"message":"invalid api token"}').fault == "gateway"
    assert COHERE.parse_error(422, {}, b'{"detail":[{"loc":["x"]}]}').message == '{"detail":[{"loc":["x"]}]}'
    assert COHERE.parse_error(504, {}, b"").kind == "upstream_unavailable"
    assert COHERE.parse_error(500, {}, b'{"error":{"message":"m"}}').message == "m"
