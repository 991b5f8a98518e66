"""Recorded traffic of api.cohere.com and api.voyageai.com: everything is read, requests come back as they were, the
official client takes what is rendered.

The expectations come from a separate, minimal reading of the raw JSON. What other dialects' clients make of it is in
tests/wire/test_pairs.py.
"""

import json
from base64 import b64decode
from struct import unpack
from typing import Any

import pytest
from cohere import EmbedByTypeResponse, V2ChatResponse

from tests.wire.cohere.wires import COHERE
from tests.wire.recordings import MISSING, Exchange, exchanges
from tsuji.core.assemble import assemble, replay
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Dialect, Losses

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

CHAT = exchanges(hosts=["api.cohere.com"], path=lambda path: path == "/v2/chat")
EMBED = exchanges(hosts=["api.cohere.com"], path=lambda path: path == "/v2/embed")
VOYAGE = exchanges(hosts=["api.voyageai.com"], path=lambda path: path.endswith("/embeddings"))
OPENAI = dialect("openai")


def each(found: list[Exchange]) -> Any:
    return pytest.mark.parametrize("exchange", found, ids=lambda e: e.id)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


@each(CHAT)
def test_requests_come_back_as_they_were(exchange: Exchange) -> None:
    request = COHERE.parse_request(exchange.raw_request, None, None)
    call = COHERE.render_request(request, NO_QUIRKS, Losses("cohere"))
    assert (call.path, json.loads(call.body)) == (exchange.path, without_nulls(exchange.request))


@each([e for e in CHAT if e.status == 200 and not e.streamed])
def test_answers_are_read_whole(exchange: Exchange) -> None:
    raw = exchange.response
    found = COHERE.parse_response(exchange.raw_response, NO_QUIRKS)
    (choice,) = found.choices
    blocks = raw["message"].get("content") or []
    assert choice.text == "".join([b["text"] for b in blocks if b["type"] == "text"])
    thoughts = [b["thinking"] for b in blocks if b["type"] == "thinking"]
    assert choice.thinking == "".join([*thoughts, raw["message"].get("tool_plan") or ""])
    calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in raw["message"].get("tool_calls", [])]
    assert [(c.id, c.name, c.arguments) for c in choice.tool_calls] == calls
    assert (choice.stop_raw, choice.stop == "tool_calls") == (raw["finish_reason"], bool(calls))
    usage, tokens, billed = found.usage, raw["usage"]["tokens"], raw["usage"]["billed_units"]
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (tokens["input_tokens"], tokens["output_tokens"])
    assert usage.cached_tokens == raw["usage"].get("cached_tokens")
    assert (usage.billed_input_tokens, usage.billed_output_tokens) == (billed["input_tokens"], billed["output_tokens"])
    assert COHERE.read_usage(exchange.raw_response) == usage
    assert json.loads(COHERE.render_response(found)) == raw
    V2ChatResponse.model_validate(raw)
    assert assemble(replay(found)) == found


@each([e for e in CHAT + EMBED + VOYAGE if e.status != 200])
def test_errors_keep_their_words(exchange: Exchange) -> None:
    form = COHERE if exchange.host == "api.cohere.com" else OPENAI
    error = form.parse_error(exchange.status, {}, exchange.raw_response)
    raw = exchange.response
    assert error.status == exchange.status
    assert error.message == (raw.get("message") or raw.get("detail"))
    assert json.loads(COHERE.render_error(error)) == {"message": error.message}


def rendered(form: Dialect, exchange: Exchange) -> Any:
    assert form.parse_embedding_request
    assert form.render_embedding_request
    request = form.parse_embedding_request(exchange.raw_request, None)
    return json.loads(form.render_embedding_request(request, NO_QUIRKS, Losses(form.name)).body)


@each(EMBED + VOYAGE)
def test_requests_for_embeddings_come_back_as_they_were(exchange: Exchange) -> None:
    form = COHERE if exchange.host == "api.cohere.com" else OPENAI
    assert rendered(form, exchange) == without_nulls(exchange.request)


@each([e for e in EMBED if e.status == 200])
def test_embeddings(exchange: Exchange) -> None:
    assert COHERE.parse_embedding_request
    assert COHERE.parse_embedding_response
    assert COHERE.render_embedding_response
    raw = exchange.response
    found = COHERE.parse_embedding_response(exchange.raw_response)
    assert [list(v) for v in found.vectors] == raw["embeddings"]["float"]
    assert found.usage is not None
    assert found.usage.input_tokens == raw["meta"]["billed_units"]["input_tokens"]
    request = COHERE.parse_embedding_request(exchange.raw_request, None)
    body = COHERE.render_embedding_response(found, request)
    assert json.loads(body) == raw
    EmbedByTypeResponse.model_validate_json(body)


@each([e for e in VOYAGE if e.status == 200])
def test_embeddings_of_voyage_for_a_client_of_cohere(exchange: Exchange) -> None:
    assert OPENAI.parse_embedding_response
    assert COHERE.render_embedding_response
    assert COHERE.parse_embedding_request
    found = OPENAI.parse_embedding_response(exchange.raw_response)
    total = exchange.response["usage"]["total_tokens"]
    for usage in (found.usage, OPENAI.read_usage(exchange.raw_response)):
        assert usage is not None
        assert usage.input_tokens == total
    asked = COHERE.parse_embedding_request(b'{"model":"m","texts":["Hello, world!"]}', None)
    body = json.loads(COHERE.render_embedding_response(found, asked))
    EmbedByTypeResponse.model_validate(body)
    packed = b64decode(exchange.response["data"][0]["embedding"])
    assert body["embeddings"]["float"] == [list(unpack(f"<{len(packed) // 4}f", packed))]
    assert body["meta"]["billed_units"] == {"input_tokens": total}
