"""Streams of the provider, to events."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.errors import (
    RateLimitError,
    StreamInterruptedError,
    TsujiError,
    UpstreamProtocolError,
    UpstreamUnavailableError,
)
from tsuji.core.parts import Citation, Opaque, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse, Choice
from tsuji.core.usage import Usage
from tsuji.wire.anthropic import DIALECT
from tsuji.wire.dialect import NO_QUIRKS

from .sse import CITATION, HELLO, PING, RICH, STOP, block, delta, end, start, stop, stream


def parse(*pieces: bytes) -> list[ev.Event]:
    parser = DIALECT.stream_parser(NO_QUIRKS)
    out: list[ev.Event] = []
    for piece in pieces:
        out += parser.feed(piece)
    return out + parser.close()


def test_the_events_of_a_short_answer() -> None:
    assert parse(stream(*HELLO)) == [
        ev.Started("msg_1", "claude-sonnet-4-5"),
        ev.UsageReported(Usage(input_tokens=5, output_tokens=1)),
        ev.PartStarted(Text(""), 0),
        ev.TextDelta("Hel", 0),
        ev.TextDelta("lo ✓", 0),
        ev.PartEnded(0),
        ev.Finished("stop", stop_raw="end_turn"),
        ev.UsageReported(Usage(input_tokens=5, output_tokens=9)),
        ev.Ended(),
    ]


def test_every_kind_of_block() -> None:
    assert assemble(parse(stream(*RICH))) == ChatResponse(
        "msg_1",
        "claude-sonnet-4-5",
        (
            Choice(
                0,
                (
                    Thinking("let me see", signature="SIG", origin="anthropic"),
                    Thinking(redacted="ENC", origin="anthropic"),
                    Opaque(
                        "anthropic",
                        "server_tool_use",
                        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
                    ),
                    Opaque(
                        "anthropic",
                        "web_search_tool_result",
                        {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
                    ),
                    Text("so", citations=(Citation("c", "https://x", "T", ext={"anthropic": CITATION}),)),
                    ToolCall("toolu_1", "f", '{"x":1}'),
                ),
                "tool_calls",
                "tool_use",
            ),
        ),
        usage=Usage(input_tokens=112, output_tokens=40, cached_tokens=100, cache_write_tokens=0),
    )


@pytest.mark.parametrize("events", [HELLO, RICH], ids=["short", "rich"])
@given(data=st.data())
def test_any_split_gives_the_same_events(events: list[dict[str, Any]], data: st.DataObject) -> None:
    body = stream(*events)
    if data.draw(st.booleans()):
        body = body.replace(b"\n", b"\r\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert parse(*pieces) == parse(stream(*events))


def test_byte_by_byte() -> None:
    body = stream(*RICH)
    assert parse(*[body[i : i + 1] for i in range(len(body))]) == parse(body)


def test_names_may_be_missing() -> None:
    assert parse(stream(*HELLO, named=False)) == parse(stream(*HELLO))


def test_what_the_end_says_besides() -> None:
    last = end("pause_turn")
    last["delta"] |= {"container": {"id": "c"}, "stop_details": None}
    last["context_management"] = {"applied_edits": []}
    response = assemble(parse(stream(*HELLO[:-2], last, STOP)))
    assert response.ext == {"anthropic": {"container": {"id": "c"}, "context_management": {"applied_edits": []}}}
    assert response.choices[0].stop == "pause"


def test_an_opaque_block_takes_deltas_of_any_form() -> None:
    body = stream(
        start(),
        block(0, type="compaction", content=None),
        delta(0, "compaction_delta", content="sum"),
        delta(0, "compaction_delta", content="mary", encrypted_content="E"),
        stop(0),
        block(1, type="mcp_tool_use", id="m", name="n", server_name="s", input={}),
        delta(1, "input_json_delta", partial_json='{"broken'),
        stop(1),
        end("compaction"),
        STOP,
    )
    compaction, call = assemble(parse(body)).choices[0].content
    assert compaction == Opaque(
        "anthropic", "compaction", {"type": "compaction", "content": "summary", "encrypted_content": "E"}
    )
    assert isinstance(call, Opaque)
    assert call.data["input"] == {"INVALID_JSON": '{"broken'}


LENIENT: list[tuple[list[dict[str, Any]], tuple[Any, ...]]] = [
    # No message_start, no content_block_start, no content_block_stop.
    ([delta(0, "text_delta", text="hi"), delta(1, "thinking_delta", thinking="t"), end(), STOP],
     (Text("hi"), Thinking("t", origin="anthropic"))),
    # Everything in the start of the block.
    ([start(), block(0, type="text", text="whole"), stop(0),
      block(1, type="tool_use", id="t", name="f", input={"a": 1}), stop(1), end(), STOP],
     (Text("whole"), ToolCall("t", "f", '{"a":1}'))),
    # The start of the block has the input, and the deltas have it as well.
    ([start(), block(0, type="tool_use", id="t", name="f", input={"a": 1}),
      delta(0, "input_json_delta", partial_json='{"a":2}'), stop(0), end(), STOP],
     (ToolCall("t", "f", '{"a":2}'),)),
    # Thinking that came whole; odd indexes; events and deltas that are new; a second start.
    ([start(), start(), block(7, type="thinking", thinking="t", signature="S"), stop(7), {"type": "novel"},
      block(9, type="text", text=""), delta(9, "novel_delta", x=1), delta(9, "text_delta", text=""),
      delta(9, "text_delta", text="x"), stop(9), stop(9), end(), end("max_tokens"), STOP],
     (Thinking("t", signature="S", origin="anthropic"), Text("x"))),
]  # fmt: skip


@pytest.mark.parametrize(("events", "content"), LENIENT)
def test_slips_of_compatible_servers(events: list[dict[str, Any]], content: tuple[Any, ...]) -> None:
    choice = assemble(parse(stream(*events))).choices[0]
    assert (choice.content, choice.stop) == (content, "stop")


def test_an_openai_end_mark_is_passed_over() -> None:
    assert parse(stream(*HELLO[:-1]) + b"data: [DONE]\n\n" + stream(STOP)) == parse(stream(*HELLO))


def test_a_stop_without_reason_is_other() -> None:
    assert assemble(parse(stream(*HELLO[:-2], STOP))).choices[0].stop == "other"


def test_counts_never_fall() -> None:
    events = [start(input_tokens=50, output_tokens=3), end(None, input_tokens=0, output_tokens=2), end(), STOP]
    assert assemble(parse(stream(*events))).usage == Usage(input_tokens=50, output_tokens=9)


def test_an_answer_whose_end_mark_is_missing_is_complete() -> None:
    assert parse(stream(*HELLO[:-1])) == parse(stream(*HELLO))
    assert parse(stream(*HELLO[:-1]).rstrip(b"\n")) == parse(stream(*HELLO))


@pytest.mark.parametrize("kept", [1, 3, 5, 6])
def test_a_cut_answer_is_a_failure(kept: int) -> None:
    last = parse(stream(*HELLO[:kept]))[-1]
    assert isinstance(last, ev.StreamFailed)
    assert isinstance(last.error, StreamInterruptedError)


@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", b'{"type":"message"}', b": comment\n\n", stream(PING)])
def test_what_is_no_stream_is_a_failure(body: bytes) -> None:
    (failed,) = parse(body)
    assert isinstance(failed, ev.StreamFailed)
    assert isinstance(failed.error, UpstreamProtocolError)


MALFORMED = [
    b"data: {\n\n",
    b"data: []\n\n",
    b"data: {}\n\n",
    b'data: {"type":5}\n\n',
    b'data: {"type":"content_block_start","index":"0","content_block":{"type":"text","text":""}}\n\n',
    b'data: {"type":"content_block_start","index":0}\n\n',
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text"}}\n\n',
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":5}}\n\n',
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":["x"]}}\n\n',
    b'data: {"type":"content_block_delta","index":0,"delta":5}\n\n',
    b'data: {"type":"content_block_delta","index":9,"delta":{"type":"input_json_delta","partial_json":"x"}}\n\n',
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\xff"}}\n\n',
    b'data: {"type":"message_delta","delta":5}\n\n',
    b"data: " + b"[" * 5000 + b"\n\n",
]


@pytest.mark.parametrize("bad", MALFORMED, ids=lambda b: b[:70])
def test_a_malformed_event_ends_the_stream_with_one_failure(bad: bytes) -> None:
    events = parse(stream(*HELLO[:4]) + bad + stream(*HELLO[4:]))
    failures = [e for e in events if isinstance(e, ev.StreamFailed)]
    assert failures == events[-1:]
    assert isinstance(failures[0].error, UpstreamProtocolError)
    assert ev.TextDelta("Hel", 0) in events


ERRORS: list[tuple[str, type[TsujiError], int]] = [
    ("overloaded_error", UpstreamUnavailableError, 529),
    ("rate_limit_error", RateLimitError, 429),
]


@pytest.mark.parametrize(("kind", "expected", "status"), ERRORS)
def test_an_error_inside_the_stream(kind: str, expected: type[TsujiError], status: int) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "sorry"}}
    last = parse(stream(*HELLO[:4], error, *HELLO[4:]))[-1]
    assert isinstance(last, ev.StreamFailed)
    assert type(last.error) is expected
    assert (last.error.status, last.error.message, last.error.code) == (status, "sorry", kind)


def test_nothing_follows_the_end() -> None:
    parser = DIALECT.stream_parser(NO_QUIRKS)
    assert parser.feed(stream(*HELLO))[-1] == ev.Ended()
    assert parser.feed(stream(*HELLO)) == []
    assert parser.close() == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "index", "text"]), inner),
    max_leaves=6,
)


@given(st.lists(st.tuples(st.sampled_from(RICH), st.sampled_from(["", "delta", "message", "content_block"]),
                          st.sampled_from(["type", "index", "delta", "usage", "content_block", "input", "signature"]),
                          json_values), max_size=6))  # fmt: skip
def test_garbage_gives_events_and_nothing_else(changes: list[tuple[dict[str, Any], str, str, Any]]) -> None:
    events: list[dict[str, Any]] = []
    for event, inside, name, value in changes:
        copy = json.loads(json.dumps(event))
        target = copy.get(inside, copy)
        target[name] = value
        events.append(copy)
    body = b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events)
    found = parse(body)
    assert sum(isinstance(e, (ev.Ended, ev.StreamFailed)) for e in found) == 1
    assert isinstance(found[-1], (ev.Ended, ev.StreamFailed))


@given(st.binary(max_size=60))
def test_bytes_that_mean_nothing(noise: bytes) -> None:
    found = parse(stream(*HELLO[:4]), b"data: " + noise + b"\n\n")
    assert isinstance(found[-1], ev.StreamFailed)
