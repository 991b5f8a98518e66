"""Recorded exchanges of the other dialects, said in this one: the official client's types accept them, nothing is lost.

Recordings of Ollama itself come by its OpenAI endpoint, so this dialect is the target only.
"""

import json
from typing import Any

import ollama
import pytest

from tests.wire.ollama.wires import GENERATE, OLLAMA
from tests.wire.recordings import MISSING
from tests.wire.test_pairs import CASES, Case, content, parsed, texts
from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.parts import Image
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
KNOWN = ("openai", "anthropic", "gemini")
ONCE = list({case.exchange.id: case for case in CASES if case.source in KNOWN}.values())
ANSWERS = [case for case in ONCE if case.exchange.status == 200]


def each(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[f"{c.source}:{c.exchange.id}" for c in cases])


def first(found: list[Any]) -> list[Any]:
    """This dialect has one answer."""
    return found[:1] or [("", [], False)]


def tokens(response: Any) -> Any:
    return response.usage and (response.usage.input_tokens, response.usage.output_tokens)


@each(ONCE)
def test_requests(case: Case) -> None:
    request = parsed(case)
    call = OLLAMA.render_request(request, NO_QUIRKS, Losses("ollama", drop=True))
    for message in json.loads(call.body)["messages"]:
        message.pop("images", None)
        ollama.Message.model_validate(message)
    back = OLLAMA.parse_request(call.body, None, None)
    assert (back.model, back.stream) == (request.model, request.stream)
    said = "".join(texts(back))
    assert [t for t in texts(request) if t.partition(": ")[2] not in said] == []


@each([case for case in ANSWERS if not case.exchange.streamed])
def test_answers(case: Case) -> None:
    response = dialect(case.source).parse_response(case.exchange.raw_response, NO_QUIRKS)
    body = OLLAMA.render_response(response)
    ollama.ChatResponse.model_validate_json(body)
    ollama.GenerateResponse.model_validate_json(GENERATE.render_response(response))
    back = OLLAMA.parse_response(body, NO_QUIRKS)
    if not any(type(part) is Image for choice in response.choices for part in choice.content):
        assert first(content(back)) == first(content(response))
    assert tokens(back) == tokens(response)


@each([case for case in ANSWERS if case.exchange.streamed])
def test_streams(case: Case) -> None:
    parser = dialect(case.source).stream_parser(NO_QUIRKS)
    events = parser.feed(case.exchange.raw_response) + parser.close()
    renderer = OLLAMA.stream_renderer(parsed(case))
    stream = b"".join([renderer.render([event]) for event in events])
    for line in stream.splitlines():
        if "error" not in json.loads(line):
            ollama.ChatResponse.model_validate_json(line)
    reader = OLLAMA.stream_parser(NO_QUIRKS)
    again = reader.feed(stream) + reader.close()
    if isinstance(events[-1], ev.StreamFailed):
        assert isinstance(again[-1], ev.StreamFailed)
        return
    whole = assemble(events)
    if not any(type(part) is Image for choice in whole.choices for part in choice.content):
        assert first(content(assemble(again))) == first(content(whole))
    assert tokens(assemble(again)) == tokens(whole)
