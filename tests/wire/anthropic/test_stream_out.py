"""Streams for an Anthropic client, whoever made the events."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core import events as ev
from tsuji.core.assemble import assemble, replay
from tsuji.core.errors import RateLimitError, UpstreamUnavailableError
from tsuji.core.parts import Audio, Citation, Image, Media, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse, Choice, TokenLogprob
from tsuji.core.usage import Usage
from tsuji.wire.anthropic import DIALECT
from tsuji.wire.dialect import NO_QUIRKS

from .sse import CITATION, HELLO, PING, RICH, read, stream

REQUEST = ChatRequest("asked-for", stream=True)


def parse(body: bytes) -> list[ev.Event]:
    parser = DIALECT.stream_parser(NO_QUIRKS)
    return parser.feed(body) + parser.close()


def render(events: list[ev.Event]) -> list[dict[str, Any]]:
    return read(DIALECT.stream_renderer(REQUEST).render(events))


def answer(*parts: Part, **fields: Any) -> list[ev.Event]:
    return replay(ChatResponse("r", "m", (Choice(content=parts, stop="stop"),), **fields))


def content_of(events: list[ev.Event]) -> tuple[Part, ...]:
    """What a client of this dialect gathers, read back as it will send it."""
    return assemble(parse(DIALECT.stream_renderer(REQUEST).render(events))).choices[0].content


def test_the_sequence_that_a_client_expects() -> None:
    events = [
        ev.Started("chatcmpl-1", "gpt-x"),
        ev.PartStarted(Text(""), 0),
        ev.TextDelta("Hel", 0),
        ev.TextDelta('lo "✓"\n', 0),
        ev.PartEnded(0),
        ev.Finished("stop", stop_raw="stop"),
        ev.UsageReported(Usage(input_tokens=9, output_tokens=2, cached_tokens=4)),
        ev.Ended(),
    ]
    assert render(events) == [
        {
            "type": "message_start",
            "message": {
                "id": "chatcmpl-1",
                "type": "message",
                "role": "assistant",
                "model": "gpt-x",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 0, "output_tokens": 0},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 'lo "✓"\n'}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 2},
        },
        {"type": "message_stop"},
    ]


def without_empty(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without pings and deltas that say nothing, and pieces of a server tool's input as one."""
    out: list[dict[str, Any]] = []
    for event in events:
        delta = event.get("delta", {})
        if event == PING or delta.get("partial_json") == "":
            continue
        before = out[-1].get("delta", {}) if out else {}
        if event.get("index") == 2 and "partial_json" in delta and "partial_json" in before:
            out[-1] = {**out[-1], "delta": {**before, "partial_json": before["partial_json"] + delta["partial_json"]}}
        else:
            out.append(event)
    return out


def test_a_stream_of_this_dialect_comes_out_as_it_went_in() -> None:
    rendered = render(parse(stream(*RICH)))
    expected = without_empty(RICH)
    expected[-2]["usage"]["cache_creation_input_tokens"] = 0
    del expected[next(i for i, e in enumerate(expected) if e.get("index") == 4)]["content_block"]["citations"]
    assert rendered == expected


@given(st.lists(st.integers(1, 6), max_size=30))
def test_the_bytes_do_not_depend_on_how_events_are_batched(sizes: list[int]) -> None:
    events = parse(stream(*RICH))
    renderer, pieces, at = DIALECT.stream_renderer(REQUEST), [], 0
    for size in [*sizes, len(events)]:
        pieces.append(renderer.render(events[at : at + size]))
        at += size
    assert b"".join(pieces) == DIALECT.stream_renderer(REQUEST).render(events)


def test_usage_that_came_at_once_stands_at_the_start() -> None:
    usage = Usage(input_tokens=50, output_tokens=1, cache_write_tokens=30, cache_write_1h_tokens=10)
    first = render([ev.Started("r", "", service_tier="default"), ev.UsageReported(usage), ev.PartStarted(Text(""), 0)])[
        0
    ]
    assert first["message"]["model"] == "asked-for"
    assert first["message"]["usage"] == {
        "input_tokens": 20,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 1,
        "service_tier": "standard",
    }


def test_parts_that_interleave_are_told_one_after_the_other() -> None:
    events = [
        ev.Started("r", "m"),
        ev.PartStarted(Text(""), 0),
        ev.PartStarted(ToolCall("a", "f", ""), 1),
        ev.PartStarted(ToolCall("b", "g", ""), 2),
        ev.ArgumentsDelta('{"x"', 1),
        ev.ArgumentsDelta('{"y"', 2),
        ev.TextDelta("hi", 0),
        ev.ArgumentsDelta(":1}", 1),
        ev.PartEnded(0),
        ev.ArgumentsDelta(":2}", 2),
        ev.PartEnded(2),
        ev.PartEnded(1),
        ev.Finished("tool_calls"),
        ev.Ended(),
    ]
    rendered = render(events)
    indexes = [e["index"] for e in rendered if "index" in e]
    assert indexes == sorted(indexes)
    starts = [e["content_block"] for e in rendered if e["type"] == "content_block_start"]
    assert [s["type"] for s in starts] == ["text", "tool_use", "tool_use"]
    assert content_of(events) == (Text("hi"), ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", '{"y":2}'))


def test_parts_that_nobody_ended_are_ended() -> None:
    events: list[ev.Event] = [
        ev.Started("r", "m"),
        ev.PartStarted(Text(""), 0),
        ev.TextDelta("a", 0),
        ev.PartStarted(Text(""), 1),
        ev.TextDelta("b", 1),
        ev.Finished("stop"),
        ev.Ended(),
    ]
    assert [e["type"] for e in render(events)].count("content_block_stop") == 2
    assert content_of(events) == (Text("a"), Text("b"))


CARRIED: list[Part] = [
    Thinking("plain", origin="openai"),
    Thinking("signed", signature="sig", origin="gemini"),
    Thinking("", redacted="enc", id="rs_1", summary=True, origin="openai"),
    Text("answer", signature="gem-sig"),
    ToolCall("a", "f", '{"x":1}', signature="gem-sig-2"),
    Thinking("own", signature="S", origin="anthropic"),
    Thinking(redacted="E", origin="anthropic"),
    Opaque("anthropic", "server_tool_use", {"type": "server_tool_use", "id": "s", "name": "n", "input": {"a": [1]}}),
    Opaque("anthropic", "container_upload", {"type": "container_upload", "file_id": "f"}),
]


@pytest.mark.parametrize("part", CARRIED, ids=str)
def test_a_client_gathers_what_the_answer_was(part: Part) -> None:
    rendered = render(answer(part, Text("more")))
    blocks = gather(rendered)
    body = {"model": "m", "messages": [{"role": "assistant", "content": blocks}]}
    assert DIALECT.parse_request(json.dumps(body).encode(), None, None).messages[0].content == (part, Text("more"))


def gather(rendered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an official client accumulates, written as simply as can be."""
    blocks: list[dict[str, Any]] = []
    pieces: dict[int, str] = {}
    for event in rendered:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            found, block = event["delta"], blocks[event["index"]]
            if found["type"] == "signature_delta":
                block["signature"] = found["signature"]
            elif found["type"] == "input_json_delta":
                pieces[event["index"]] = pieces.get(event["index"], "") + found["partial_json"]
                block["input"] = json.loads(pieces[event["index"]])
            else:
                name = found["type"].removesuffix("_delta")
                block[name] += found[name]
    return blocks


def test_parts_that_start_with_all_they_have() -> None:
    events: list[ev.Event] = [ev.Started("r", "m")]
    citation = Citation("c", "https://x", "T", ext={"anthropic": CITATION})
    whole: list[Part] = [
        Thinking("hm", signature="S", origin="anthropic"),
        Text("x", citations=(citation,)),
        ToolCall("t", "f", '{"a":1}', ext={"anthropic": {"~caller": {"type": "direct"}}}),
    ]
    for index, part in enumerate(whole):
        events += [ev.PartStarted(part, index), ev.PartEnded(index)]
    assert content_of([*events, ev.Finished("stop"), ev.Ended()]) == tuple(whole)


def test_a_late_signature_is_carried_too() -> None:
    events = [
        ev.Started("r", "m"),
        ev.PartStarted(Thinking(origin="gemini"), 0),
        ev.TextDelta("hm", 0),
        ev.SignatureDelta("s1", 0),
        ev.SignatureDelta("r1", 0, redacted=True),
        ev.PartEnded(0),
        ev.PartStarted(Text(""), 1),
        ev.TextDelta("x", 1),
        ev.SignatureDelta("s2", 1),
        ev.PartEnded(1),
        ev.Finished("stop"),
        ev.Ended(),
    ]
    signed, text, carrier = gather(render(events))
    assert signed["signature"].startswith("tsuji.")
    assert (text, carrier["type"]) == ({"type": "text", "text": "x"}, "redacted_thinking")


def test_what_has_no_counterpart() -> None:
    parts = (
        Refusal("no"),
        Opaque("openai", "item", {}),
        Image(Media(data="iVBOR", media_type="image/png")),
        Audio(Media(data="AA"), transcript="spoken"),
    )
    texts = [Text("no"), Text("![](data:image/png;base64,iVBOR)"), Text("spoken")]
    assert list(content_of(answer(*parts))) == texts


def test_audio_bytes_logprobs_and_other_choices_are_left_out() -> None:
    events: list[ev.Event] = [
        ev.Started("r", "m"),
        ev.PartStarted(Audio(Media()), 0),
        ev.AudioDelta("AAAA", 0),
        ev.TextDelta("hey", 0),
        ev.LogprobsAdded((TokenLogprob("hey", -0.5),)),
        ev.PartStarted(Text(""), 0, 1),
        ev.TextDelta("second choice", 0, 1),
        ev.PartEnded(0),
        ev.Finished("length", 1),
        ev.Finished("stop"),
        ev.Ended(),
    ]
    rendered = render(events)
    assert content_of(events) == (Text("hey"),)
    assert rendered[-2]["delta"]["stop_reason"] == "end_turn"


def test_citations_stream() -> None:
    citations = (Citation("c", "https://x", "T"), Citation("nowhere"))
    rendered = render(answer(Text("x", citations=citations)))
    deltas = [e["delta"] for e in rendered if e["type"] == "content_block_delta"]
    assert [d["type"] for d in deltas] == ["text_delta", "citations_delta"]
    assert deltas[1]["citation"]["url"] == "https://x"


def test_fields_of_this_dialect_find_their_places() -> None:
    ext = {"anthropic": {"container": {"id": "c"}, "context_management": {"applied_edits": []}}, "openai": {"x": 1}}
    rendered = render(
        [
            ev.Started("r", "m", ext={"anthropic": {"diagnostics": {}}}),
            ev.ExtAdded(ext),
            ev.Finished("refusal", stop_raw="refusal", ext={"anthropic": {"stop_details": {"type": "refusal"}}}),
            ev.Ended(),
        ]
    )
    assert rendered[0]["message"]["diagnostics"] == {}
    last = rendered[-2]
    assert last["context_management"] == {"applied_edits": []}
    assert last["delta"] == {
        "stop_reason": "refusal",
        "stop_sequence": None,
        "container": {"id": "c"},
        "stop_details": {"type": "refusal"},
    }


def test_a_failure_has_no_end_mark() -> None:
    begun = DIALECT.stream_parser(NO_QUIRKS).feed(stream(*HELLO[:4]))
    rendered = render([*begun, ev.StreamFailed(UpstreamUnavailableError("it is overloaded", status=529))])
    assert rendered[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "it is overloaded"}}
    assert "message_stop" not in [e["type"] for e in rendered]


def test_a_failure_before_anything() -> None:
    assert render([ev.StreamFailed(RateLimitError("slow"))]) == [
        {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}
    ]


@pytest.mark.parametrize("pieces", [("free", " text"), ("",)])
def test_the_free_text_of_a_custom_tool_is_an_object_here(pieces: tuple[str, ...]) -> None:
    call = ToolCall("c", "f", "", ext={"responses": {"~type": "custom"}})
    found = [ev.Started("r", "m"), ev.PartStarted(call, 0), *[ev.ArgumentsDelta(p, 0) for p in pieces], ev.PartEnded(0)]
    events = render([*found, ev.Finished("tool_calls"), ev.Ended()])
    (said,) = [e["delta"]["partial_json"] for e in events if e["type"] == "content_block_delta"]
    assert json.loads(said) == {"input": "".join(pieces)}
