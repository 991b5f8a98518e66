"""Recorded Gemini traffic in the other dialects, and theirs in this one: valid, or a TsujiError that says why not."""

import json
from itertools import pairwise
from typing import Any

import pytest
from anthropic.types import Message as AnthropicMessage
from anthropic.types import RawMessageStreamEvent
from google.genai import types
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from tests.wire.gemini.recorded import ANSWERS, CHATS, model
from tests.wire.gemini.test_recordings import official, parsed
from tests.wire.gemini.wires import GEMINI, chunks, events
from tests.wire.recordings import MISSING, Exchange, exchanges
from tsuji.core.errors import TsujiError
from tsuji.wire import Dialect, dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

_anthropic_events: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
CONTENTS = TypeAdapter(list[types.Content])


def each(found: list[Exchange]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("exchange", found, ids=[e.id for e in found])


other = pytest.mark.parametrize("name", ["openai", "anthropic"])


@each(CHATS)
@other
def test_requests_to_others(exchange: Exchange, name: str) -> None:
    request = GEMINI.parse_request(exchange.raw_request, model(exchange), exchange.streamed)
    losses = Losses(name, drop=True)
    call = dialect(name).render_request(request, NO_QUIRKS, losses)
    body = json.loads(call.body)
    assert body["model"] == model(exchange)
    assert body["messages"]
    with_names = [m for m in body["messages"] if m["role"] == "tool" and not m["tool_call_id"]]
    assert with_names == []


@each([e for e in ANSWERS if not e.streamed])
@other
def test_answers_to_others(exchange: Exchange, name: str) -> None:
    made = dialect(name).render_response(parsed(exchange))
    found: Any = (ChatCompletion if name == "openai" else AnthropicMessage).model_validate_json(made)
    text = parsed(exchange).choices[0].text
    if name == "openai":
        assert (found.choices[0].message.content or "") == text
    else:
        assert "".join([b.text for b in found.content if b.type == "text"]) == text


@each([e for e in ANSWERS if e.streamed])
@other
def test_streams_to_others(exchange: Exchange, name: str) -> None:
    request = GEMINI.parse_request(exchange.raw_request, model(exchange), True)
    body = dialect(name).stream_renderer(request).render(events(exchange.raw_response))
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ") and b"[DONE]" not in line]
    assert lines
    text = ""
    for line in lines:
        if name == "openai":
            for choice in ChatCompletionChunk.model_validate_json(line).choices:
                text += choice.delta.content or ""
        else:
            event = _anthropic_events.validate_json(line)
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
    assert text == parsed(exchange).choices[0].text


OPENAI = exchanges(path=lambda p: p.endswith("/chat/completions"))
ANTHROPIC = exchanges(hosts=["api.anthropic.com"], path=lambda p: p.endswith("/v1/messages"))
THEIRS = [(e, "openai") for e in OPENAI] + [(e, "anthropic") for e in ANTHROPIC]
theirs = pytest.mark.parametrize(("exchange", "name"), THEIRS, ids=[e.id for e, _ in THEIRS])


def turns_are_valid(contents: list[dict[str, Any]]) -> None:
    """Roles alternate, no content is empty, and results answer the calls of the turn before."""
    CONTENTS.validate_python(contents)
    assert contents
    assert all(c["parts"] for c in contents)
    roles = [c["role"] for c in contents]
    assert all(a != b for a, b in pairwise(roles))
    for before, content in pairwise(contents):
        calls = {p["functionCall"]["name"] for p in before["parts"] if "functionCall" in p}
        answers = [p["functionResponse"]["name"] for p in content["parts"] if "functionResponse" in p]
        assert set(answers) <= calls or not calls


@theirs
def test_requests_of_others(exchange: Exchange, name: str) -> None:
    theirs: Dialect = dialect(name)
    try:
        request = theirs.parse_request(exchange.raw_request, None, None)
        call = GEMINI.render_request(request, NO_QUIRKS, Losses("gemini", drop=True))
    except TsujiError as error:
        assert error.param
        return
    turns_are_valid(json.loads(call.body)["contents"])


@theirs
@pytest.mark.filterwarnings("ignore:.*is not a valid")
def test_answers_of_others(exchange: Exchange, name: str) -> None:
    theirs = dialect(name)
    try:
        request = theirs.parse_request(exchange.raw_request, None, None)
    except TsujiError:
        pytest.skip("no request of this dialect")
    if exchange.status >= 400:
        error = theirs.parse_error(exchange.status, {}, exchange.raw_response)
        assert json.loads(GEMINI.render_error(error))["error"]["code"] == exchange.status
    elif exchange.streamed:
        parser = theirs.stream_parser(NO_QUIRKS)
        found = chunks(GEMINI.stream_renderer(request).render(parser.feed(exchange.raw_response) + parser.close()))
        for chunk in found:
            assert "error" in chunk or official(chunk) is not None
    else:
        try:
            answer = theirs.parse_response(exchange.raw_response, NO_QUIRKS)
        except TsujiError:
            return
        made = official(json.loads(GEMINI.render_response(answer)))
        assert made.candidates is not None
        texts = [p.text or "" for p in (made.candidates[0].content or types.Content()).parts or [] if not p.thought]
        choice = answer.choices[0]
        assert "".join(texts) == choice.text + (choice.refusal or "")
