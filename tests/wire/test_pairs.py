"""Every recorded exchange, from its dialect into each other: the official types accept it, and nothing is lost."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from anthropic.types.beta.message_create_params import (
    MessageCreateParamsNonStreaming,
    MessageCreateParamsStreaming,
)
from cohere import ChatMessages, ToolV2, V2ChatResponse, V2ChatStreamResponse
from google.genai.types import Content, GenerateContentResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import TypeAdapter

from tests.wire.bedrock import botocore_reading as botocore
from tests.wire.recordings import MISSING, Exchange, exchanges
from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.errors import TsujiError
from tsuji.core.parts import Text
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.wire import dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses
from tsuji.wire.sse import SSEParser

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
_BEDROCK = re.compile(r"^/model/([^/]+)/(converse|converse-stream)$")
_GEMINI = re.compile(r"/models/([^:/]+):(generateContent|streamGenerateContent)$")


_PICTURE = re.compile(r"!\[\]\(data:[^)]*\)")
"""An image that the model made, where a dialect has only words for it."""
STATE = frozenset(("previous_response_id", "conversation"))
"""Fields of a request without its history, which is the provider's: refused by name elsewhere."""


class Case(NamedTuple):
    source: str
    target: str
    exchange: Exchange
    model: str | None = None
    stream: bool | None = None


def _cases() -> list[Case]:
    found: list[tuple[str, Exchange, str | None, bool | None]] = []
    for e in exchanges():
        if e.request_kind != "json":
            continue
        if e.path.endswith("/chat/completions"):
            found.append(("openai", e, None, None))
        elif e.path.endswith("/responses"):
            if not e.request.keys() & STATE:
                found.append(("responses", e, None, None))
        elif e.path == "/v2/chat":
            found.append(("cohere", e, None, None))
        elif e.path == "/v1/messages":
            found.append(("anthropic", e, None, None))
        elif gemini := _GEMINI.search(e.path):
            found.append(("gemini", e, gemini[1], gemini[2].startswith("stream")))
        elif bedrock := _BEDROCK.search(e.path):
            found.append(("bedrock", e, unquote(bedrock[1]), bedrock[2] == "converse-stream"))
    names = ("openai", "anthropic", "gemini", "responses", "cohere", "bedrock")
    return [Case(source, to, e, m, s) for source, e, m, s in found for to in names if to != source]


CASES = _cases()


def each(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[f"{c.source}-{c.target}:{c.exchange.id}" for c in cases])


@cache
def _type(form: Any) -> TypeAdapter[Any]:
    return TypeAdapter(form)


def _openai_request(body: Any) -> None:
    form = CompletionCreateParamsStreaming if body.get("stream") else CompletionCreateParamsNonStreaming
    _type(form).validate_python(body)


def _anthropic_request(body: Any) -> None:
    form = MessageCreateParamsStreaming if body.get("stream") else MessageCreateParamsNonStreaming
    _type(form).validate_python(body)


def _responses_request(body: Any) -> None:
    form = ResponseCreateParamsStreaming if body.get("stream") else ResponseCreateParamsNonStreaming
    _type(form).validate_python(body)


def _gemini_request(body: Any) -> None:
    for content in [*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else [])]:
        Content.model_validate(content)


def _cohere_request(body: Any) -> None:
    _type(ChatMessages).validate_python(body["messages"])
    _type(list[ToolV2]).validate_python(body.get("tools", []))


def _bedrock_request(body: Any) -> None:
    assert botocore.complaints(body) == ""


REQUEST: dict[str, Callable[[Any], None]] = {
    "openai": _openai_request,
    "responses": _responses_request,
    "anthropic": _anthropic_request,
    "gemini": _gemini_request,
    "cohere": _cohere_request,
    "bedrock": _bedrock_request,
}
RESPONSE: dict[str, Any] = {
    "openai": ChatCompletion,
    "responses": Response,
    "anthropic": BetaMessage,
    "gemini": GenerateContentResponse,
    "cohere": V2ChatResponse,
}
EVENT: dict[str, Any] = {
    "openai": ChatCompletionChunk,
    "responses": ResponseStreamEvent,
    "anthropic": BetaRawMessageStreamEvent,
    "gemini": GenerateContentResponse,
    "cohere": V2ChatStreamResponse,
}


def parsed(case: Case) -> ChatRequest:
    return dialect(case.source).parse_request(case.exchange.raw_request, case.model, case.stream)


def texts(request: ChatRequest) -> list[str]:
    """What is said, by whom, in order, however it is cut into messages."""
    out: list[str] = []
    for message in request.messages:
        role = "system" if message.role == "developer" else message.role
        out += [f"{role}: {p.text}" for p in message.content if type(p) is Text and p.text.strip()]
    return out


@each(CASES)
def test_requests(case: Case) -> None:
    target = dialect(case.target)
    request = parsed(case)
    call = target.render_request(request, NO_QUIRKS, Losses(case.target, drop=True))
    body = json.loads(call.body)
    REQUEST[case.target](body)
    back = target.parse_request(call.body, request.model, request.stream)
    assert (back.model, back.stream) == (request.model, request.stream)
    said = "".join(texts(back))
    assert [t for t in texts(request) if t.partition(": ")[2] not in said] == []


def content(response: ChatResponse) -> list[Any]:
    return [
        (
            _PICTURE.sub("", c.text),
            [(call.name, json.loads(call.arguments)) for call in c.tool_calls],
            bool(c.tool_calls),
        )
        for c in response.choices
    ]


def usage(response: ChatResponse) -> Any:
    told = response.usage
    return told and (told.input_tokens or 0, told.output_tokens or 0, told.cached_tokens or 0)


ANSWERS = [c for c in CASES if c.exchange.status == 200]


@each([c for c in ANSWERS if not c.exchange.streamed])
def test_answers(case: Case) -> None:
    source, target = dialect(case.source), dialect(case.target)
    response = source.parse_response(case.exchange.raw_response, NO_QUIRKS)
    body = target.render_response(response)
    if case.target == "bedrock":
        taken = botocore.answer(body)
        assert botocore.unknown(json.loads(body), botocore.MODEL.shape_for("ConverseResponse")) == []
        assert taken["output"]["message"]["content"] is not None
    else:
        _type(RESPONSE[case.target]).validate_json(body)
    back = target.parse_response(body, NO_QUIRKS)
    assert content(back) == content(response)
    assert usage(response) is None or usage(back) == usage(response)  # most dialects have no word for "not known yet"


@each([c for c in ANSWERS if c.exchange.streamed])
def test_streams(case: Case) -> None:
    source, target = dialect(case.source), dialect(case.target)
    parser = source.stream_parser(NO_QUIRKS)
    events = parser.feed(case.exchange.raw_response) + parser.close()
    asked = parsed(case)
    renderer = target.stream_renderer(asked)
    stream = b"".join([renderer.render([event]) for event in events])
    failed = isinstance(events[-1], ev.StreamFailed)
    if case.target == "bedrock":
        last = botocore.events(stream)[-1]
        assert "Error" in last if failed else last["metadata"]["usage"]
    for _, data in SSEParser().feed(stream) if case.target != "bedrock" else ():
        if data != b"[DONE]" and not (failed and "error" in json.loads(data)):
            _type(EVENT[case.target]).validate_json(data)
    back = target.stream_parser(NO_QUIRKS)
    again = back.feed(stream) + back.close()
    if failed:
        assert isinstance(again[-1], ev.StreamFailed)
        assert isinstance(again[-1].error, TsujiError)
        return
    whole = assemble(events)
    assert content(assemble(again)) == content(whole)
    if case.target != "openai" or asked.stream_usage:
        assert usage(assemble(again)) == usage(whole)
