"""Streams: the events of other dialects become a stream that the official client's own accumulator takes, and back."""

import json
from typing import Any

import pytest
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.errors import RateLimitError, StreamInterruptedError, UpstreamError, UpstreamProtocolError
from tsuji.core.parts import Citation, Image, Media, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice, StopReason, TokenLogprob
from tsuji.core.usage import Usage
from tsuji.wire.dialect import NO_QUIRKS
from tsuji.wire.responses import DIALECT

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ASKED = ChatRequest("m", stream=True)


def answer(*content: Part, stop: StopReason = "stop", **more: Any) -> ChatResponse:
    return ChatResponse("r1", "m", (Choice(0, content, stop, **more),), 7, Usage(10, 5, total=15))


def rendered(events: list[ev.Event]) -> list[dict[str, Any]]:
    stream = DIALECT.stream_renderer(ASKED).render(events).decode()
    out: list[dict[str, Any]] = []
    for block in stream.split("\n\n")[:-1]:
        name, data = block.split("\n")
        out.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {out[-1]['type']}"
    assert [e["sequence_number"] for e in out] == list(range(len(out)))
    return out


def events_of(body: bytes) -> list[ev.Event]:
    parser = DIALECT.stream_parser(NO_QUIRKS)
    return parser.feed(body) + parser.close()


def spelled(*events: dict[str, Any]) -> bytes:
    return b"".join([b"data: " + json.dumps(e).encode() + b"\n\n" for e in events])


WHOLE = answer(
    Thinking("Let me see", "sig", origin="anthropic"),
    Text("Kyoto", citations=(Citation(url="https://example.org", title="t"),)),
    Text(" is old"),
    ToolCall("c1", "f", '{"a":1}', signature="gsig"),
    ToolCall("", "g", "{}"),
    Image(Media(data="AAAA", media_type="image/png")),
    Refusal("no more"),
    stop="tool_calls",
)


def test_the_official_client_accumulates_what_was_said() -> None:
    state: Any = ResponseStreamState(text_format=omit, input_tools=[])
    for event in rendered(replay(WHOLE)):
        state.handle_event(EVENTS.validate_python(event))
    response = state._completed_response
    kinds = [item.type for item in response.output]
    assert kinds == [
        "reasoning",
        "message",
        "function_call",
        "reasoning",
        "function_call",
        "image_generation_call",
        "message",
    ]
    assert response.output_text == "Kyoto is old"
    assert response.output[0].summary[0].text == "Let me see"
    assert response.output[1].content[0].annotations[0].url == "https://example.org"
    calls = [(i.call_id, i.name, i.arguments) for i in response.output if i.type == "function_call"]
    assert calls == [("c1", "f", '{"a":1}'), ("call_r1_4", "g", "{}")]
    assert (response.status, response.usage.total_tokens, response.created_at) == ("completed", 15, 7)


def test_a_stream_ends_in_what_a_whole_answer_says() -> None:
    whole = json.loads(DIALECT.render_response(WHOLE))
    last = rendered(replay(WHOLE))[-1]["response"]
    for item in (*whole["output"], *last["output"]):
        item.pop("id")
    names = [i.pop("call_id") for i in (*whole["output"], *last["output"]) if "call_id" in i]
    assert names[0] == "c1"
    assert last == whole


def test_what_another_dialect_signed_comes_back_to_it() -> None:
    output = json.loads(DIALECT.render_response(WHOLE))["output"]
    body = json.dumps({"model": "m", "input": output}).encode()
    assert DIALECT.foreign_mark in body
    (message,) = DIALECT.parse_request(body, None, None).messages
    thought, call = message.content[0], message.content[3]
    assert thought == Thinking("Let me see", "sig", origin="anthropic")
    assert isinstance(call, ToolCall)
    assert call.signature == "gsig"


def test_calls_that_interleave() -> None:
    events: list[ev.Event] = [
        ev.Started("r", "m"),
        ev.PartStarted(ToolCall("a", "f", ""), 0),
        ev.PartStarted(ToolCall("b", "g", ""), 1),
        ev.ArgumentsDelta('{"x"', 0),
        ev.ArgumentsDelta("[1]", 1),
        ev.ArgumentsDelta(":1}", 0),
        ev.PartEnded(0),
        ev.PartEnded(1),
        ev.Finished("tool_calls"),
        ev.Ended(),
    ]
    output = rendered(events)[-1]["response"]["output"]
    assert [(i["call_id"], i["arguments"]) for i in output] == [("a", '{"x":1}'), ("b", "[1]")]


@pytest.mark.parametrize(
    ("stop", "status", "reason"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("context_window", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_how_an_answer_ends(stop: StopReason, status: str, reason: str | None) -> None:
    last = rendered(replay(answer(Text("x"), stop=stop)))[-1]
    assert last["type"] == "response." + status
    said = last["response"]
    assert (said["status"], (said["incomplete_details"] or {}).get("reason")) == (status, reason)
    back = assemble(events_of(spelled(last)))
    assert (back.choices[0].stop, back.choices[0].text) == ("length" if stop == "context_window" else stop, "x")


def test_log_probabilities() -> None:
    logprobs = (TokenLogprob("x", -0.5, (120,), (TokenLogprob("y", -1.5, ()),)),)
    said = replay(answer(Text("x"), logprobs=logprobs))
    events = rendered(said)
    assert assemble(events_of(DIALECT.stream_renderer(ASKED).render(said))).choices[0].logprobs == logprobs
    for event in events:
        EVENTS.validate_python(event)
    whole = DIALECT.parse_response(DIALECT.render_response(answer(Text("x"), logprobs=logprobs)), NO_QUIRKS)
    assert whole.choices[0].logprobs is not None
    assert [(e.token, e.logprob, e.top[0].token) for e in whole.choices[0].logprobs] == [("x", -0.5, "y")]


def test_a_failure_is_the_last_word() -> None:
    events = [*replay(answer(Text("half")))[:3], ev.StreamFailed(RateLimitError("slow down"))]
    last = rendered(events)[-1]
    assert (last["type"], last["message"]) == ("error", "slow down")
    failed = events_of(spelled(*rendered(events)))[-1]
    assert isinstance(failed, ev.StreamFailed)
    assert isinstance(failed.error, RateLimitError)


CREATED = {"type": "response.created", "response": {"id": "r", "model": "m", "created_at": 1.5}}
TEXT = {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": "hi"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (spelled(CREATED, TEXT), StreamInterruptedError),
        (spelled(CREATED, TEXT) + b"data: [DONE]\n\n", StreamInterruptedError),
        (spelled(CREATED, TEXT) + b"data: {nothing}\n\n", UpstreamProtocolError),
        (spelled({"choices": []}), UpstreamProtocolError),
        (b"<html></html>", UpstreamProtocolError),
        (b"", UpstreamProtocolError),
        (spelled({"type": "error", "code": "rate_limit_exceeded", "message": "slow"}), RateLimitError),
        (
            spelled(CREATED, {"type": "response.failed", "response": {"error": {"code": "server_error"}}}),
            UpstreamError,
        ),
    ],
)
def test_a_stream_that_fails(body: bytes, error: type[Exception]) -> None:
    last = events_of(body)[-1]
    assert isinstance(last, ev.StreamFailed)
    assert type(last.error) is error


def test_a_stream_that_tells_little() -> None:
    """Neither items nor parts begun, and the end without the output."""
    done = {"type": "response.completed", "response": {"id": "r", "model": "m", "status": "completed"}}
    whole = assemble(events_of(spelled(CREATED, TEXT, TEXT, done)))
    assert (whole.id, whole.created, whole.choices[0].text, whole.choices[0].stop) == ("r", 1, "hihi", "stop")


def test_items_that_only_the_end_tells() -> None:
    search = {"type": "web_search_call", "id": "w", "status": "completed"}
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"}
    done = {"type": "response.completed", "response": {"id": "r", "model": "m", "output": [search, call]}}
    whole = assemble(events_of(spelled(done)))
    assert whole.choices[0].content == (
        Opaque("responses", "web_search_call", search),
        ToolCall("c", "f", "{}", ext={"responses": {"~item": {"id": "f"}}}),
    )
    assert whole.choices[0].stop == "tool_calls"


def test_a_whole_answer_where_a_stream_was_asked_for() -> None:
    body = DIALECT.render_response(answer(Text("x")))
    assert assemble(events_of(body)).choices[0].text == "x"
    failed = events_of(b'{"error":{"message":"no","code":"rate_limit_exceeded"}}')[-1]
    assert isinstance(failed, ev.StreamFailed)
    assert isinstance(failed.error, RateLimitError)


def test_summaries_of_several_parts_are_told_apart() -> None:
    item = {"type": "reasoning", "id": "rs", "summary": []}
    piece = {"type": "response.reasoning_summary_text.delta", "item_id": "rs", "output_index": 0}
    summary = [{"type": "summary_text", "text": t} for t in ("one", "two")]
    final = {**item, "summary": summary, "encrypted_content": "enc"}
    events = events_of(
        spelled(
            CREATED,
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {**piece, "summary_index": 0, "delta": "one"},
            {**piece, "summary_index": 1, "delta": "two"},
            {"type": "response.output_item.done", "output_index": 0, "item": final},
            {"type": "response.completed", "response": {"id": "r", "model": "m", "output": [final]}},
        )
    )
    assert "".join([e.text for e in events if isinstance(e, ev.TextDelta)]) == "one\n\ntwo"
    (thought,) = assemble(events).choices[0].content
    assert isinstance(thought, Thinking)
    assert (thought.text, thought.redacted, thought.id, thought.summary) == ("one\n\ntwo", "enc", "rs", True)
    assert rendered(events)[-1]["response"]["output"] == [final]
