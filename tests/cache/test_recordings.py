"""Recorded answers of real providers: what is kept of a stream says what the stream said; so does one replayed."""

from typing import Any

import pytest

from tests.wire.recordings import MISSING, Exchange, exchanges
from tsuji.core.assemble import Assembler
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.gateway.cache.stored import folded, is_worth_keeping, streamed
from tsuji.gateway.framing import WholeEvents, WholeMessages
from tsuji.wire import DIALECTS, Dialect, dialect
from tsuji.wire.dialect import NO_QUIRKS

NOT_FOLDED = {"models/test_groq/test_tool_use_failed_error_streaming#0": "it ends in an error"}
"""Streams that are not kept -> why."""


def _chats(streamed: bool) -> list[Any]:
    found = [
        pytest.param(exchange, id=exchange.id)
        for exchange in exchanges()
        if (route := exchange.route) is not None and route.dialect in DIALECTS and route.operation == "chat"
        if exchange.status == 200 and exchange.streamed == streamed
    ]
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=MISSING))]


def read(spoken: Dialect, sent: bytes) -> ChatResponse:
    parser, whole = spoken.stream_parser(NO_QUIRKS), Assembler()
    for event in (*parser.feed(sent), *parser.close()):
        whole.add(event)
    assert whole.complete
    return whole.response()


def heard(answer: ChatResponse) -> Any:
    return [
        (c.index, c.stop, c.text, c.thinking, c.refusal, [call.name for call in c.tool_calls]) for c in answer.choices
    ]


def counted(answer: ChatResponse) -> Any:
    return answer.usage and (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.cached_tokens)


def spoken_in(exchange: Exchange) -> Dialect:
    assert exchange.route is not None
    return dialect(exchange.route.dialect)


@pytest.mark.parametrize("exchange", _chats(streamed=True))
def test_streams(exchange: Exchange) -> None:
    spoken = spoken_in(exchange)
    made = folded(spoken, exchange.raw_response, array=False)
    if exchange.id in NOT_FOLDED:
        assert made is None or not is_worth_keeping(spoken, made[0], True)
        return
    assert made is not None
    first, kept = read(spoken, exchange.raw_response), spoken.parse_response(made[0], NO_QUIRKS)
    assert heard(kept) == heard(first)
    assert counted(kept) == counted(first)
    assert made[1] == (first.usage is not None)


@pytest.mark.parametrize("exchange", _chats(streamed=False))
def test_whole_answers_as_streams(exchange: Exchange) -> None:
    spoken = spoken_in(exchange)
    if not is_worth_keeping(spoken, exchange.raw_response, True):
        return
    asked = ChatRequest(model="m", stream=True, stream_usage=True)
    framing = WholeMessages() if spoken.name == "bedrock" else WholeEvents()
    sent = streamed(spoken, exchange.raw_response, asked, framing)
    assert heard(read(spoken, sent)) == heard(spoken.parse_response(exchange.raw_response, NO_QUIRKS))
