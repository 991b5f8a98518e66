"""Recorded traffic of each dialect, told in every other: valid requests, answers that the official clients take.

A client's type is asked strictly (pydantic) where what it gets is ours alone.
"""

import json
from typing import Any, NamedTuple

import pytest
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming
from google.genai.types import GenerateContentResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from tests.wire.recordings import MISSING, Exchange, exchanges
from tsuji.core import events as ev
from tsuji.core.assemble import assemble
from tsuji.core.errors import TsujiError
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.wire import Dialect, dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

NAMES = ("openai", "anthropic", "gemini")
ANSWERS: dict[str, TypeAdapter[Any]] = {
    "openai": TypeAdapter(ChatCompletion),
    "anthropic": TypeAdapter(BetaMessage),
    "gemini": TypeAdapter(GenerateContentResponse),
}
EVENTS: dict[str, TypeAdapter[Any]] = {
    "openai": TypeAdapter(ChatCompletionChunk),
    "anthropic": TypeAdapter(BetaRawMessageStreamEvent),
    "gemini": TypeAdapter(GenerateContentResponse),
}
ANTHROPIC_REQUEST: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsNonStreaming)


class Recorded(NamedTuple):
    source: Dialect
    model: str | None
    stream: bool | None
    exchange: Exchange

    def request(self) -> ChatRequest:
        return self.source.parse_request(self.exchange.raw_request, self.model, self.stream)

    def events(self) -> list[ev.Event]:
        parser = self.source.stream_parser(NO_QUIRKS)
        return parser.feed(self.exchange.raw_response) + parser.close()

    def targets(self) -> list[Dialect]:
        return [dialect(name) for name in NAMES if name != self.source.name]


def recorded(exchange: Exchange) -> Recorded | None:
    if exchange.path.endswith("/chat/completions"):
        return Recorded(dialect("openai"), None, None, exchange)
    if exchange.path == "/v1/messages":
        return Recorded(dialect("anthropic"), None, None, exchange)
    model, _, operation = exchange.path.rpartition("/")[2].partition(":")
    if operation in ("generateContent", "streamGenerateContent"):
        return Recorded(dialect("gemini"), model, operation == "streamGenerateContent", exchange)
    return None


FOUND = [r for r in map(recorded, exchanges()) if r is not None]
PLAIN = [r for r in FOUND if r.exchange.status == 200 and not r.exchange.streamed]
STREAMED = [r for r in FOUND if r.exchange.status == 200 and r.exchange.streamed]


def each(found: list[Recorded]) -> Any:
    return pytest.mark.parametrize("one", found, ids=lambda r: f"{r.source.name}-{r.exchange.id}")


def told(response: ChatResponse) -> tuple[Any, ...]:
    """What must survive in every dialect. Tool arguments as data: their spacing is nobody's."""
    choice = response.choices[0]
    calls = [(call.name, json.loads(call.arguments)) for call in choice.tool_calls]
    usage = response.usage
    counts = (usage.input_tokens, usage.output_tokens) if usage and usage.input_tokens is not None else None
    return choice.text, calls, counts


def lines(body: bytes) -> list[str]:
    found = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    return [line for line in found if line != "[DONE]"]


@each(FOUND)
def test_requests_can_be_told_or_are_refused_by_name(one: Recorded) -> None:
    request = one.request()
    for target in one.targets():
        losses = Losses(target.name, drop=True)
        call = target.render_request(request, NO_QUIRKS, losses)
        again = target.parse_request(call.body, request.model, request.stream)
        assert len(again.messages) > 0
        if target.name == "anthropic":
            ANTHROPIC_REQUEST.validate_python({k: v for k, v in json.loads(call.body).items() if k != "stream"})
        if losses.dropped:
            check_refusal(target, request)


def check_refusal(target: Dialect, request: ChatRequest) -> None:
    """Without leave to drop it is refused, unless all that was dropped are hints."""
    try:
        target.render_request(request, NO_QUIRKS, Losses(target.name))
    except TsujiError as error:
        assert error.param
        assert error.param in error.message


@each(PLAIN)
def test_answers_can_be_told(one: Recorded) -> None:
    try:
        response = one.source.parse_response(one.exchange.raw_response, NO_QUIRKS)
    except TsujiError:
        pytest.skip("an error inside HTTP 200")
    for target in one.targets():
        body = target.render_response(response)
        ANSWERS[target.name].validate_json(body)
        if response.choices:
            found = told(target.parse_response(body, NO_QUIRKS))
            assert found[1] == told(response)[1]
            assert found[2] == told(response)[2] or told(response)[2] is None
            assert told(response)[0] in found[0]


@each(STREAMED)
def test_streams_can_be_told(one: Recorded) -> None:
    events = one.events()
    failed = isinstance(events[-1], ev.StreamFailed)
    for target in one.targets():
        body = target.stream_renderer(one.request()).render(events)
        parser = target.stream_parser(NO_QUIRKS)
        back = parser.feed(body) + parser.close()
        assert isinstance(back[-1], ev.StreamFailed) == failed
        if failed:
            continue
        for line in lines(body):
            EVENTS[target.name].validate_json(line)
        found, expected = told(assemble(back)), told(assemble(events))
        assert found[:2] == expected[:2]
