"""Recorded traffic of Bedrock Runtime: requests come back as they were, everything is read, botocore takes what is
rendered.

The expectations come from a separate, minimal reading of the raw JSON. Counting tokens and InvokeModel with a
conversation are recorded as well; they are no operations of this dialect.
"""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.bedrock import botocore_reading as botocore
from tests.wire.recordings import MISSING, Exchange, exchanges
from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.errors import InvalidRequestError, TsujiError
from tsuji.core.parts import Image, Opaque, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.wire.bedrock import DIALECT
from tsuji.wire.dialect import NO_QUIRKS, Losses

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


def _ours(path: str) -> bool:
    return path.startswith("/model/")


ALL = [e for e in exchanges(path=_ours) if e.host.startswith("bedrock-runtime.")]
CHAT = [e for e in ALL if e.path.endswith(("/converse", "/converse-stream"))]
PLAIN = [e for e in CHAT if e.status == 200 and not e.streamed]
STREAMED = [e for e in CHAT if e.status == 200 and e.streamed]
FAILED = [e for e in ALL if e.status != 200]
FAMILIES = ("titan-embed", "cohere.embed", "multimodal-embeddings")
EMBEDDED = [e for e in ALL if e.path.endswith("/invoke") and any(name in e.path for name in FAMILIES)]


def each(found: list[Exchange]) -> Any:
    return pytest.mark.parametrize("exchange", found, ids=lambda e: e.id)


def model_of(exchange: Exchange) -> str:
    return unquote(exchange.path.split("/")[2])


def parsed(exchange: Exchange) -> ChatRequest:
    return DIALECT.parse_request(exchange.raw_request, model_of(exchange), exchange.path.endswith("stream"))


def test_there_are_some() -> None:
    assert min(len(PLAIN), len(STREAMED), len(FAILED), len(EMBEDDED)) > 0


@each(CHAT)
def test_requests_come_back_as_they_were(exchange: Exchange) -> None:
    call = DIALECT.render_request(parsed(exchange), NO_QUIRKS, Losses("bedrock"))
    assert json.loads(call.body) == exchange.request
    assert call.path == exchange.path


def check(response: ChatResponse, raw: dict[str, Any]) -> None:
    """Text, calls, reasoning, other blocks, stop reason and usage against the raw answer."""
    (choice,) = response.choices
    blocks = raw["output"]["message"]["content"]
    assert [p.text for p in choice.content if isinstance(p, Text)] == [b["text"] for b in blocks if "text" in b]
    used = [b["toolUse"] for b in blocks if "toolUse" in b and b["toolUse"].get("type") in (None, "tool_use")]
    calls = [(p.id, p.name, json.loads(p.arguments)) for p in choice.content if isinstance(p, ToolCall)]
    assert calls == [(u["toolUseId"], u["name"], u["input"]) for u in used]
    thoughts = [b["reasoningContent"]["reasoningText"] for b in blocks if "reasoningContent" in b]
    found = [(p.text, p.signature) for p in choice.content if isinstance(p, Thinking)]
    assert found == [(t["text"], t.get("signature")) for t in thoughts]
    known = len([p for p in choice.content if isinstance(p, Text | ToolCall | Thinking | Image)])
    assert len(choice.content) == len(blocks)
    assert len([p for p in choice.content if isinstance(p, Opaque)]) == len(blocks) - known
    assert choice.stop_raw == raw["stopReason"]
    assert choice.stop == {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}[raw["stopReason"]]
    usage, told = response.usage, raw["usage"]
    assert usage is not None
    read, written = told.get("cacheReadInputTokens"), told.get("cacheWriteInputTokens")
    assert usage.input_tokens == told["inputTokens"] + (read or 0) + (written or 0)
    assert (usage.output_tokens, usage.total_tokens) == (told["outputTokens"], told["totalTokens"])
    assert (usage.cached_tokens, usage.cache_write_tokens) == (read, written)


@each(PLAIN)
def test_answers_are_read_completely_and_come_back(exchange: Exchange) -> None:
    response = DIALECT.parse_response(exchange.raw_response, NO_QUIRKS)
    check(response, exchange.response)
    assert DIALECT.read_usage(exchange.raw_response) == response.usage
    rendered = DIALECT.render_response(response)
    assert json.loads(rendered) == exchange.response
    assert botocore.answer(rendered) == botocore.answer(exchange.raw_response)


def events_of(*pieces: bytes) -> list[ev.Event]:
    parser = DIALECT.stream_parser(NO_QUIRKS)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


def streamed_answer(body: bytes) -> dict[str, Any]:
    """The answer that a recorded stream spells, by its raw messages."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    blocks: dict[int, Any] = {}
    whole: dict[str, Any] = {}
    for message in buffer:
        event = json.loads(message.payload)
        block = blocks.setdefault(event["contentBlockIndex"], {}) if "contentBlockIndex" in event else {}
        for kind, fields in event.get("start", {}).items():
            block[kind] = {**fields, **({"input": ""} if kind == "toolUse" else {"content": []})}
        for kind, value in event.get("delta", {}).items():
            if kind == "text":
                block["text"] = block.get("text", "") + value
            elif kind == "toolUse":
                block["toolUse"]["input"] += value["input"]
            elif kind == "toolResult":
                block["toolResult"]["content"] += value
            else:
                thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
                for name, text in value.items():
                    thought[name] = thought.get(name, "") + text
        whole.update({k: event[k] for k in ("stopReason", "usage") if k in event})
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return {"output": {"message": {"content": [blocks[i] for i in sorted(blocks)]}}, **whole}


@each(STREAMED)
def test_streams_are_read_completely(exchange: Exchange) -> None:
    check(assemble(events_of(exchange.raw_response)), streamed_answer(exchange.raw_response))


@each(STREAMED)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_any_split_gives_the_same_events(exchange: Exchange, data: st.DataObject) -> None:
    body = exchange.raw_response
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert events_of(*pieces) == events_of(body)


@each(STREAMED)
def test_streams_come_back_and_botocore_takes_them(exchange: Exchange) -> None:
    events = events_of(exchange.raw_response)
    rendered = DIALECT.stream_renderer(parsed(exchange)).render(events)
    assert events_of(rendered) == events
    assert botocore.events(rendered) == botocore.events(exchange.raw_response)


@each(STREAMED)
def test_the_tail_of_a_stream_knows_its_usage(exchange: Exchange) -> None:
    tail = DIALECT.stream_tail()
    body = exchange.raw_response
    for at in range(0, len(body), 100):
        tail.feed(body[at : at + 100])
    assert tail.usage == assemble(events_of(body)).usage
    assert (tail.complete, tail.failed) == (True, False)


@each(STREAMED)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_a_stream_that_is_cut_before_its_stop_does_not_look_finished(exchange: Exchange, data: st.DataObject) -> None:
    body = exchange.raw_response
    stop = body.index(b"messageStop")
    events = events_of(body[: data.draw(st.integers(0, stop))])
    assert isinstance(events[-1], ev.StreamFailed)
    assert not any(isinstance(event, ev.Ended | ev.Finished) for event in events)


@each([e for e in FAILED if not e.path.endswith("/count-tokens")])
def test_errors_keep_what_was_said(exchange: Exchange) -> None:
    headers = {"x-amzn-errortype": "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    error = DIALECT.parse_error(exchange.status, headers, exchange.raw_response)
    assert isinstance(error, InvalidRequestError)
    assert (error.status, error.code, error.message) == (400, "ValidationException", exchange.response["message"])
    with pytest.raises(TsujiError):
        DIALECT.parse_response(exchange.raw_response, NO_QUIRKS)


@each(EMBEDDED)
def test_embeddings_come_back_as_they_were(exchange: Exchange) -> None:
    parse, render = DIALECT.parse_embedding_request, DIALECT.render_embedding_request
    assert parse is not None and render is not None and DIALECT.parse_embedding_response is not None
    request = parse(exchange.raw_request, model_of(exchange))
    call = render(request, NO_QUIRKS, Losses("bedrock"))
    assert json.loads(call.body) == exchange.request
    assert call.path == exchange.path
    answer = DIALECT.parse_embedding_response(exchange.raw_response)
    raw = exchange.response
    if "embedding" in raw:
        expected = [raw["embedding"]]
        assert answer.usage is not None and answer.usage.input_tokens == raw["inputTextTokenCount"]
    else:
        found = raw["embeddings"]
        listed = found["float"] if isinstance(found, dict) else found
        expected = [v["embedding"] if isinstance(v, dict) else v for v in listed]
    assert [list(vector) for vector in answer.vectors] == expected
    assert DIALECT.render_embedding_response is not None
    assert json.loads(DIALECT.render_embedding_response(answer, request)) == raw
