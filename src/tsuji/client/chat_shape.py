"""Canonical answers as OpenAI's objects. The openai dialect renders them, so the library says what the gateway says."""

from time import time

import msgspec

from tsuji.core.assemble import Assembler
from tsuji.core.events import Event
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.core.usage import Usage
from tsuji.wire import dialect
from tsuji.wire.openai.response_out import write_response
from tsuji.wire.sse import SSEParser

from .build import Ask
from .record import read
from .results import ChatCompletion, ChatCompletionChunk, CompletionUsage
from .state import state_of
from .trace import Trace

_decode = msgspec.json.Decoder().decode


class ChatShape:
    """One call's answer: `whole` for one that came at once, or `chunks` of it, again and again."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._sse = SSEParser()
        shown: ChatRequest = msgspec.structs.replace(ask.request, stream_usage=ask.show_usage)
        self._renderer = dialect("openai").stream_renderer(shown)
        self._created = 0

    @staticmethod
    def whole(ask: Ask, response: ChatResponse, trace: Trace) -> ChatCompletion:
        result = read(ChatCompletion, write_response(response))
        result.created = result.created or int(time())
        if response.usage is not None and result.usage is not None:
            _unknown_is_none(result.usage, response.usage)
        for choice, source in zip(result.choices, response.choices, strict=True):
            choice.message.provider_state = state_of(source)
            if ask.parse is not None:
                choice.message.expect(ask.parse, choice.finish_reason)
        result.trace(trace)
        return result

    def result(self, response: ChatResponse, trace: Trace) -> ChatCompletion:
        """What the chunks came to."""
        return self.whole(self._ask, response, trace)

    def chunks(self, events: list[Event], so_far: Assembler) -> list[ChatCompletionChunk]:
        """so_far: has taken in `events` already."""
        out: list[ChatCompletionChunk] = []
        for _, payload in self._sse.feed(self._renderer.render(events)):
            if payload.startswith(b"[DONE]"):
                continue
            chunk = read(ChatCompletionChunk, _decode(payload))
            chunk.created = chunk.created or self._now()
            if chunk.usage is not None and so_far.usage is not None:
                _unknown_is_none(chunk.usage, so_far.usage)
            out.append(chunk)
        closing = [choice for chunk in out for choice in chunk.choices if choice.finish_reason is not None]
        if closing:
            states = {c.index: state_of(c) for c in so_far.response().choices}
            for choice in closing:
                choice.delta.provider_state = states.get(choice.index)
        return out

    def _now(self) -> int:
        """The same for all chunks."""
        self._created = self._created or int(time())
        return self._created


def _unknown_is_none(usage: CompletionUsage, known: Usage) -> None:
    """The dialect writes 0 where its clients need a number; here unknown stays unknown."""
    if known.input_tokens is None:
        usage.prompt_tokens = None
    if known.output_tokens is None:
        usage.completion_tokens = None
    if known.total_tokens is None:
        usage.total_tokens = None
