"""Canonical answers as Anthropic's objects: what `messages` gives, for any provider.

https://docs.claude.com/en/api/messages. The anthropic dialect renders them; the objects are dicts whose keys read as
attributes, so that `response.content` goes back into the next request as it is.
"""

from typing import Any

from tsuji.core.assemble import Assembler
from tsuji.core.events import Event
from tsuji.core.response import ChatResponse
from tsuji.wire import dialect
from tsuji.wire.sse import SSEParser

from .block import Answer, Block, decode, wrapped
from .build import Ask
from .trace import Trace


class Message(Answer):
    """An answer: id, model, content (blocks), stop_reason, stop_sequence, usage (input_tokens, output_tokens ...)."""

    @property
    def parsed_output(self) -> Any:
        """The instance that `output_format` asked for. Raises UpstreamProtocolError where the text is not that."""
        text = "".join([block["text"] for block in self["content"] if block["type"] == "text"])
        return self._instance(text, "length" if self["stop_reason"] == "max_tokens" else None)


class MessageShape:
    """One call's answer: `whole` for one that came at once, or `chunks` (Anthropic's events) of it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._sse = SSEParser()
        self._renderer = dialect("anthropic").stream_renderer(ask.request)

    @staticmethod
    def whole(ask: Ask, response: ChatResponse, trace: Trace) -> Message:
        message = Message(wrapped(decode(dialect("anthropic").render_response(response))))
        message.describe(ask.parse, trace)
        return message

    def result(self, response: ChatResponse, trace: Trace) -> Message:
        """What the events came to."""
        return self.whole(self._ask, response, trace)

    def chunks(self, events: list[Event], so_far: Assembler) -> list[Block]:
        """so_far: has taken in `events` already."""
        return [wrapped(decode(payload)) for _, payload in self._sse.feed(self._renderer.render(events))]
