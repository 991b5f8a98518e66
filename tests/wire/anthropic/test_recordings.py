"""Recorded traffic of api.anthropic.com: everything is read, requests come back as they were, the client takes it all.

The expectations come from a separate, minimal reading of the raw JSON. Token counting is recorded as well; it is no
operation of this dialect, so only its requests are tested.
"""

import json
from typing import Any

import pytest
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.wire.recordings import MISSING, Exchange, exchanges
from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.parts import Opaque, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.wire.anthropic import DIALECT
from tsuji.wire.dialect import NO_QUIRKS, Losses

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

ALL = exchanges(hosts=["api.anthropic.com"], path="/v1/messages")
ANSWERED = [e for e in ALL if e.path == "/v1/messages" and e.status == 200]
PLAIN = [e for e in ANSWERED if not e.streamed]
STREAMED = [e for e in ANSWERED if e.streamed]
FAILED = [e for e in ALL if e.status != 200]
EVENTS: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)
MESSAGE: TypeAdapter[Any] = TypeAdapter(BetaMessage)


def each(found: list[Exchange]) -> Any:
    return pytest.mark.parametrize("exchange", found, ids=lambda e: e.id)


def check_type(types: TypeAdapter[Any], rendered: Any, recorded: Any) -> None:
    """Ours is valid wherever the API's own was: older answers lack fields that the client's types now require."""
    try:
        types.validate_python(recorded)
    except ValidationError:
        return
    types.validate_python(rendered)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def data_of(body: str) -> list[dict[str, Any]]:
    return [json.loads(line[5:]) for line in body.split("\n") if line.startswith("data:")]


def streamed_message(body: str) -> dict[str, Any]:
    """The message that a recorded stream spells, read as simply as can be."""
    message: dict[str, Any] = {}
    pieces: dict[int, str] = {}
    for event in data_of(body):
        kind = event["type"]
        if kind == "message_start":
            message = event["message"]
        elif kind == "content_block_start":
            message["content"].append(event["content_block"])
        elif kind == "content_block_delta":
            delta, block = event["delta"], message["content"][event["index"]]
            if "partial_json" in delta:
                pieces[event["index"]] = pieces.get(event["index"], "") + delta["partial_json"]
            elif "citation" in delta:
                block["citations"].append(delta["citation"])
            else:
                name = delta["type"].removesuffix("_delta")
                block[name] = block.get(name, "") + delta[name]
        elif kind == "message_delta":
            message |= event["delta"]
            message["usage"] |= event["usage"]
    for index, text in pieces.items():
        message["content"][index]["input"] = json.loads(text or "{}")
    return message


def check(response: ChatResponse, message: dict[str, Any]) -> None:
    """Text, tool calls, thinking, citations, server tools, stop and usage against the raw message."""
    (choice,) = response.choices
    blocks = message["content"]
    of = {kind: [b for b in blocks if b["type"] == kind] for kind in ("text", "thinking", "tool_use")}
    assert len(choice.content) == len(blocks)
    texts = [p for p in choice.content if isinstance(p, Text)]
    assert [p.text for p in texts] == [b["text"] for b in of["text"]]
    cited = [[c["cited_text"] for c in b.get("citations") or []] for b in of["text"]]
    assert [[c.text for c in p.citations] for p in texts] == cited
    thoughts = [p for p in choice.content if isinstance(p, Thinking)]
    shown = [p for p in thoughts if p.redacted is None]
    assert [(p.text, p.signature) for p in shown] == [(b["thinking"], b["signature"]) for b in of["thinking"]]
    hidden = [b["data"] for b in blocks if b["type"] == "redacted_thinking"]
    assert [p.redacted for p in thoughts if p.redacted is not None] == hidden
    calls = [(p.id, p.name, json.loads(p.arguments)) for p in choice.content if isinstance(p, ToolCall)]
    assert calls == [(b["id"], b["name"], b["input"]) for b in of["tool_use"]]
    others = [b for b in blocks if b["type"] not in ("text", "thinking", "redacted_thinking", "tool_use")]
    assert [p.data for p in choice.content if isinstance(p, Opaque)] == others
    assert choice.stop_raw == message["stop_reason"]
    assert choice.stop not in (None, "other")
    check_usage(response, message["usage"])


def check_usage(response: ChatResponse, raw: dict[str, Any]) -> None:
    usage = response.usage
    assert usage is not None
    read, written = raw.get("cache_read_input_tokens"), raw.get("cache_creation_input_tokens")
    assert usage.input_tokens == raw["input_tokens"] + (read or 0) + (written or 0)
    assert (usage.cached_tokens, usage.cache_write_tokens) == (read, written)
    assert usage.output_tokens == raw["output_tokens"]
    assert usage.reasoning_tokens == (raw.get("output_tokens_details") or {}).get("thinking_tokens")


@each(ALL)
def test_requests_come_back_as_they_were(exchange: Exchange) -> None:
    request = DIALECT.parse_request(exchange.raw_request, None, None)
    rendered = json.loads(DIALECT.render_request(request, NO_QUIRKS, Losses("anthropic")).body)
    expected = without_nulls(exchange.request)
    if "count_tokens" in exchange.path:
        # Counting takes no max_tokens, which a message requires.
        expected["max_tokens"] = 4096
    assert without_nulls(rendered) == expected


@each(PLAIN)
def test_answers_are_read_completely(exchange: Exchange) -> None:
    check(DIALECT.parse_response(exchange.raw_response, NO_QUIRKS), exchange.response)
    assert DIALECT.read_usage(exchange.raw_response) == DIALECT.parse_response(exchange.raw_response, NO_QUIRKS).usage


@each(PLAIN)
def test_answers_come_back_and_the_client_takes_them(exchange: Exchange) -> None:
    rendered = json.loads(DIALECT.render_response(DIALECT.parse_response(exchange.raw_response, NO_QUIRKS)))
    assert without_nulls(rendered) == without_nulls(exchange.response)
    check_type(MESSAGE, rendered, exchange.response)


def events_of(*pieces: bytes) -> list[ev.Event]:
    parser = DIALECT.stream_parser(NO_QUIRKS)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


@each(STREAMED)
def test_streams_are_read_completely(exchange: Exchange) -> None:
    check(assemble(events_of(exchange.raw_response)), streamed_message(exchange.response))


@each(STREAMED)
@settings(deadline=None)
@given(data=st.data())
def test_any_split_gives_the_same_events(exchange: Exchange, data: st.DataObject) -> None:
    body = exchange.raw_response
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert events_of(*pieces) == events_of(body)


@each(STREAMED)
def test_streams_come_back_and_the_client_takes_them(exchange: Exchange) -> None:
    events = events_of(exchange.raw_response)
    rendered = DIALECT.stream_renderer(ChatRequest("m", stream=True)).render(events)
    assert assemble(events_of(rendered)) == assemble(events)
    recorded = {event["type"]: event for event in data_of(exchange.response)}
    for event in data_of(rendered.decode()):
        check_type(EVENTS, event, recorded[event["type"]])


@each(STREAMED)
def test_the_tail_of_a_stream_knows_its_usage(exchange: Exchange) -> None:
    tail = DIALECT.stream_tail()
    tail.feed(exchange.raw_response)
    whole = assemble(events_of(exchange.raw_response))
    assert (tail.usage, tail.tier) == (whole.usage, whole.service_tier)
    assert (tail.complete, tail.failed) == (True, False)


@each(FAILED)
def test_errors_keep_what_was_said(exchange: Exchange) -> None:
    error = DIALECT.parse_error(exchange.status, {}, exchange.raw_response)
    assert (error.status, error.message) == (exchange.status, exchange.response["error"]["message"])
    assert error.code == exchange.response["error"]["type"]
