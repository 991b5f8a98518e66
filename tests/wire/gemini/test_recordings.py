"""Every recorded exchange: read completely, given back unchanged, accepted by the official client."""

import json
from typing import Any

import pytest
from google.genai import models as genai_models
from google.genai import types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.wire.gemini.recorded import ANSWERS, CHATS, EMBEDDINGS, FAILURES, model, said
from tests.wire.gemini.wires import GEMINI, chunks, events
from tests.wire.recordings import MISSING, Exchange
from tsuji.core.assemble import assemble
from tsuji.core.errors import InvalidRequestError, ModelNotFoundError
from tsuji.core.parts import Opaque, Text, Thinking, ToolCall
from tsuji.core.response import ChatResponse
from tsuji.wire.dialect import NO_QUIRKS, Losses

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


def each(found: list[Exchange]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("exchange", found, ids=[e.id for e in found])


def parsed(exchange: Exchange) -> ChatResponse:
    if exchange.streamed:
        return assemble(events(exchange.raw_response))
    return GEMINI.parse_response(exchange.raw_response, NO_QUIRKS)


def wire_parts(exchange: Exchange) -> list[dict[str, Any]]:
    return [
        part
        for chunk in said(exchange)
        for candidate in chunk["candidates"]
        for part in candidate.get("content", {}).get("parts", [])
    ]


def test_there_are_recordings() -> None:
    assert len(CHATS) > 200
    assert len(EMBEDDINGS) > 5


@each(CHATS)
def test_request_comes_back(exchange: Exchange) -> None:
    request = GEMINI.parse_request(exchange.raw_request, model(exchange), exchange.streamed)
    losses = Losses("gemini")
    call = GEMINI.render_request(request, NO_QUIRKS, losses)
    assert json.loads(call.body) == exchange.request
    assert losses.dropped == []
    assert call.path == f"/v1beta/models/{model(exchange)}" + (
        ":streamGenerateContent?alt=sse" if exchange.streamed else ":generateContent"
    )


@each(ANSWERS)
def test_answer_is_read_completely(exchange: Exchange) -> None:
    response = parsed(exchange)
    content = [part for choice in response.choices for part in choice.content]
    raw = wire_parts(exchange)
    thoughts = [p for p in raw if p.get("thought")]
    texts = [p for p in raw if "text" in p and not p.get("thought")]
    assert "".join([p.text for p in content if isinstance(p, Text)]) == "".join([p["text"] for p in texts])
    assert "".join([p.text for p in content if isinstance(p, Thinking)]) == "".join([p["text"] for p in thoughts])
    calls = [(p.id, p.name, json.loads(p.arguments)) for p in content if isinstance(p, ToolCall)]
    wanted = [p["functionCall"] for p in raw if "functionCall" in p]
    assert calls == [(c.get("id", ""), c["name"], c["args"]) for c in wanted]
    opaque = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
    assert [p.data for p in content if isinstance(p, Opaque)] == [p for p in raw if any(k in p for k in opaque)]
    signatures = [p["thoughtSignature"] for p in raw if "thoughtSignature" in p]
    kept = [p.data.get("thoughtSignature") if isinstance(p, Opaque) else getattr(p, "signature", None) for p in content]
    assert [s for s in kept if s] == signatures


@each(ANSWERS)
def test_ending_and_usage_are_read(exchange: Exchange) -> None:
    response = parsed(exchange)
    last = said(exchange)[-1]
    choice, candidate = response.choices[0], last["candidates"][0]
    assert choice.stop_raw == candidate["finishReason"]
    called = any("functionCall" in p for p in wire_parts(exchange))
    expected = {"STOP": "tool_calls" if called else "stop", "MAX_TOKENS": "length", "MODEL_ARMOR": "content_filter"}
    assert choice.stop == expected.get(choice.stop_raw or "", "malformed_tool_call")
    assert (response.id, response.model) == (last["responseId"], last["modelVersion"])
    raw, usage = last["usageMetadata"], response.usage
    assert usage is not None
    assert usage.input_tokens == raw["promptTokenCount"] + raw.get("toolUsePromptTokenCount", 0)
    assert usage.output_tokens == raw.get("candidatesTokenCount", 0) + raw.get("thoughtsTokenCount", 0)
    assert usage.cached_tokens == raw.get("cachedContentTokenCount")
    assert usage.reasoning_tokens == raw.get("thoughtsTokenCount")
    assert usage.total_tokens == raw["totalTokenCount"] == (usage.input_tokens or 0) + (usage.output_tokens or 0)


@each(ANSWERS)
def test_what_core_has_no_noun_for_is_kept(exchange: Exchange) -> None:
    found = parsed(exchange).choices[0].ext or {"gemini": {}}
    for chunk in said(exchange):
        for name, value in chunk["candidates"][0].items():
            if name not in ("content", "finishReason", "index", "logprobsResult"):
                assert found["gemini"][name] == value


@each([e for e in ANSWERS if not e.streamed])
def test_answer_comes_back(exchange: Exchange) -> None:
    """But for what providers leave out: an empty content, an index, a count of zero."""
    made = json.loads(GEMINI.render_response(parsed(exchange)))
    wanted = json.loads(exchange.raw_response)
    for answer in (made, wanted):
        answer["usageMetadata"].setdefault("candidatesTokenCount", 0)
        for candidate in answer["candidates"]:
            candidate.setdefault("index", 0)
            candidate.setdefault("content", {"role": "model"}).setdefault("parts", [])
    assert made == wanted


def official(chunk: dict[str, Any]) -> types.GenerateContentResponse:
    """What the official client makes of an answer."""
    converted = genai_models._GenerateContentResponse_from_mldev(chunk, None, None)
    return types.GenerateContentResponse._from_response(response=converted, kwargs={})


def rendered(exchange: Exchange) -> list[dict[str, Any]]:
    if not exchange.streamed:
        return [json.loads(GEMINI.render_response(parsed(exchange)))]
    request = GEMINI.parse_request(exchange.raw_request, model(exchange), True)
    return chunks(GEMINI.stream_renderer(request).render(events(exchange.raw_response)))


@each(ANSWERS)
@pytest.mark.filterwarnings("ignore:.*is not a valid")
def test_official_client_reads_the_same_as_from_google(exchange: Exchange) -> None:
    theirs = [official(chunk) for chunk in said(exchange)]
    ours = [official(chunk) for chunk in rendered(exchange)]

    def joined(answers: list[types.GenerateContentResponse], thought: bool) -> str:
        parts = [p for a in answers for c in a.candidates or [] if c.content for p in c.content.parts or []]
        return "".join([p.text or "" for p in parts if bool(p.thought) is thought])

    def calls(answers: list[types.GenerateContentResponse]) -> list[Any]:
        return [c for a in answers for c in a.function_calls or []]

    assert joined(ours, False) == joined(theirs, False)
    assert joined(ours, True) == joined(theirs, True)
    assert calls(ours) == calls(theirs)
    last, wanted = ours[-1], theirs[-1]
    assert last.candidates
    assert wanted.candidates
    assert last.candidates[0].finish_reason == wanted.candidates[0].finish_reason
    assert last.candidates[0].grounding_metadata == wanted.candidates[0].grounding_metadata
    assert last.usage_metadata
    assert wanted.usage_metadata
    assert last.usage_metadata.total_token_count == wanted.usage_metadata.total_token_count
    assert last.response_id == wanted.response_id


STREAMS = [e for e in ANSWERS if e.streamed]


@pytest.mark.skipif(not STREAMS, reason="no recorded streams")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_split_of_a_stream(data: st.DataObject) -> None:
    exchange = data.draw(st.sampled_from(STREAMS))
    body = exchange.raw_response
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=20))
    assert events(body, cuts) == events(body)


@each(STREAMS)
def test_streams_come_back(exchange: Exchange) -> None:
    request = GEMINI.parse_request(exchange.raw_request, model(exchange), True)
    again = GEMINI.stream_renderer(request).render(events(exchange.raw_response))
    assert assemble(events(again)).choices == parsed(exchange).choices
    tail = GEMINI.stream_tail()
    tail.feed(exchange.raw_response)
    assert (tail.complete, tail.failed, tail.usage) == (True, False, parsed(exchange).usage)
    assert tail.tier == parsed(exchange).service_tier


@each(STREAMS)
def test_every_cut_of_a_stream_is_noticed(exchange: Exchange) -> None:
    body = exchange.raw_response
    for keep in range(0, body.index(b'"finishReason"'), 977):
        assert type(events(body[:keep])[-1]).__name__ == "StreamFailed"


@each([e for e in ANSWERS if not e.streamed])
def test_usage_alone(exchange: Exchange) -> None:
    assert GEMINI.read_usage(exchange.raw_response) == parsed(exchange).usage


@each(EMBEDDINGS)
def test_embeddings(exchange: Exchange) -> None:
    assert GEMINI.parse_embedding_request
    assert GEMINI.render_embedding_request
    assert GEMINI.parse_embedding_response
    assert GEMINI.render_embedding_response
    request = GEMINI.parse_embedding_request(exchange.raw_request, model(exchange))
    call = GEMINI.render_embedding_request(request, NO_QUIRKS, Losses("gemini"))
    assert json.loads(call.body) == exchange.request
    assert call.path.rpartition("/")[2] == exchange.path.rpartition("/")[2]
    if exchange.status != 200:
        return
    response = GEMINI.parse_embedding_response(exchange.raw_response)
    raw = exchange.response
    wanted = raw.get("embeddings") or [raw["embedding"]]
    assert [list(v) for v in response.vectors] == [e["values"] for e in wanted]
    assert (response.usage.input_tokens if response.usage else None) == raw.get("usageMetadata", {}).get(
        "promptTokenCount"
    )
    assert json.loads(GEMINI.render_embedding_response(response, request)) == raw


@each(FAILURES)
def test_failures(exchange: Exchange) -> None:
    error = GEMINI.parse_error(exchange.status, {}, exchange.raw_response)
    raw = exchange.response["error"]
    assert type(error) is {400: InvalidRequestError, 404: ModelNotFoundError}[exchange.status]
    assert (error.status, error.code, error.message) == (exchange.status, raw["status"], raw["message"])
    assert json.loads(GEMINI.render_error(error)) == exchange.response
