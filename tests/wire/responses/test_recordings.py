"""Recorded traffic of the responses API (OpenAI, Azure, DeepSeek, OpenRouter, Bedrock): everything is read, requests
come back as they were, the official client takes what is rendered.

The expectations come from a separate, minimal reading of the raw JSON. Counting tokens is recorded as well; it is no
operation of this dialect.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

from tests.wire.recordings import MISSING, Exchange, exchanges
from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.errors import TsujiError
from tsuji.core.parts import Image, Opaque, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.responses import DIALECT

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

ALL = exchanges(path=lambda path: path.endswith("/responses"))
ANSWERED = [e for e in ALL if e.status == 200]
PLAIN = [e for e in ANSWERED if not e.streamed]
STREAMED = [e for e in ANSWERED if e.streamed]
FAILED = [e for e in ALL if e.status != 200]
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def each(found: list[Exchange]) -> Any:
    return pytest.mark.parametrize("exchange", found, ids=lambda e: e.id)


def valid(types: TypeAdapter[Any], value: Any) -> bool:
    """Whether the API's own words are what the client's types of today require: older answers are not."""
    try:
        types.validate_python(value)
    except ValidationError:
        return False
    return True


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def data_of(body: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]


def streamed_response(body: str) -> dict[str, Any]:
    """The answer that a recorded stream spells: its end, with the items as they were done."""
    events = data_of(body)
    items = {e["output_index"]: e["item"] for e in events if e["type"] == "response.output_item.done"}
    return {**events[-1]["response"], "output": [items[at] for at in sorted(items)]}


def check(response: ChatResponse, raw: dict[str, Any]) -> None:
    """Text, refusals, calls, reasoning, other items, status and usage against the raw answer."""
    (choice,) = response.choices
    items = raw["output"]
    parts = [p for i in items if i["type"] == "message" for p in i["content"]]
    texts = [p for p in choice.content if isinstance(p, Text)]
    assert [p.text for p in texts] == [p["text"] for p in parts if p["type"] == "output_text"]
    cited = [p.get("annotations") or [] for p in parts if p["type"] == "output_text"]
    assert [[(c.ext or {})["responses"] for c in p.citations] for p in texts] == cited
    refused = [p["refusal"] for p in parts if p["type"] == "refusal"]
    assert [p.text for p in choice.content if isinstance(p, Refusal)] == refused
    calls = [(i["call_id"], i["name"], i["arguments"]) for i in items if i["type"] == "function_call"]
    assert [(p.id, p.name, p.arguments) for p in choice.content if isinstance(p, ToolCall)] == calls
    thoughts = [(i["id"], i.get("encrypted_content") or None, words(i)) for i in items if i["type"] == "reasoning"]
    assert [(p.id, p.redacted, p.text) for p in choice.content if isinstance(p, Thinking)] == thoughts
    made = [i["result"] for i in items if i["type"] == "image_generation_call"]
    assert [p.source.data for p in choice.content if isinstance(p, Image)] == made
    known = ("message", "function_call", "reasoning", "image_generation_call")
    others = [i for i in items if i["type"] not in known]
    assert [p.data for p in choice.content if isinstance(p, Opaque)] == others
    assert choice.stop_raw == ((raw["incomplete_details"] or {}).get("reason") or raw["status"])
    assert choice.stop == ("other" if raw["status"] == "queued" else "tool_calls" if calls else "stop")
    check_usage(response, raw.get("usage"))


def words(item: dict[str, Any]) -> str:
    said = "".join([p["text"] for p in item.get("content") or []])
    return said or "\n\n".join([p["text"] for p in item["summary"]])


def check_usage(response: ChatResponse, raw: dict[str, Any] | None) -> None:
    usage = response.usage
    if raw is None:
        assert usage is None
        return
    assert usage is not None
    told = (usage.input_tokens, usage.output_tokens, usage.total_tokens)
    assert told == (raw["input_tokens"], raw["output_tokens"], raw["total_tokens"])
    assert usage.cached_tokens == (raw.get("input_tokens_details") or {}).get("cached_tokens")
    assert usage.reasoning_tokens == (raw.get("output_tokens_details") or {}).get("reasoning_tokens")


@each(ALL)
def test_requests_come_back_as_they_were(exchange: Exchange) -> None:
    request = DIALECT.parse_request(exchange.raw_request, None, None)
    rendered = json.loads(DIALECT.render_request(request, NO_QUIRKS, Losses("responses")).body)
    assert without_nulls(rendered) == without_nulls(exchange.request)


@each(PLAIN)
def test_answers_are_read_completely(exchange: Exchange) -> None:
    response = DIALECT.parse_response(exchange.raw_response, NO_QUIRKS)
    check(response, exchange.response)
    assert DIALECT.read_usage(exchange.raw_response) == response.usage


@each(PLAIN)
def test_answers_come_back_and_the_client_takes_them(exchange: Exchange) -> None:
    response = DIALECT.parse_response(exchange.raw_response, NO_QUIRKS)
    rendered = DIALECT.render_response(response)
    assert without_nulls(json.loads(rendered)["output"]) == without_nulls(exchange.response["output"])
    if valid(TypeAdapter(Response), exchange.response):
        Response.model_validate_json(rendered)


def events_of(*pieces: bytes) -> list[ev.Event]:
    parser = DIALECT.stream_parser(NO_QUIRKS)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


@each(STREAMED)
def test_streams_are_read_completely(exchange: Exchange) -> None:
    check(assemble(events_of(exchange.raw_response)), streamed_response(exchange.response))


@each(STREAMED)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_any_split_gives_the_same_events(exchange: Exchange, data: st.DataObject) -> None:
    body = exchange.raw_response
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert events_of(*pieces) == events_of(body)


@each(STREAMED)
def test_streams_come_back_and_the_client_takes_them(exchange: Exchange) -> None:
    events = events_of(exchange.raw_response)
    request = DIALECT.parse_request(exchange.raw_request, None, None)
    rendered = DIALECT.stream_renderer(request).render(events)
    again, whole = assemble(events_of(rendered)), assemble(events)
    assert again.choices == whole.choices
    assert (again.id, again.model, again.ext) == (whole.id, whole.model, whole.ext)
    recorded = data_of(exchange.response)
    for number, event in enumerate(data_of(rendered.decode())):
        assert event["sequence_number"] == number
        if all(valid(EVENTS, e) for e in recorded if e["type"] == event["type"]):
            EVENTS.validate_python(event)


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
    said = json.loads(exchange.raw_response)["error"]
    assert (error.status, error.message, error.param) == (exchange.status, said["message"], said["param"])
    assert error.code == (said["code"] or said["type"])
    with pytest.raises(TsujiError):
        DIALECT.parse_response(exchange.raw_response, NO_QUIRKS)
