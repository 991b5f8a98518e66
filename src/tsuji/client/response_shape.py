"""Canonical answers as OpenAI's response objects: what `responses` gives, for any provider.

https://platform.openai.com/docs/api-reference/responses/object. The responses dialect renders them; the objects are
dicts whose keys read as attributes, so that `response.output` goes back into the next request as it is.
"""

from time import time
from typing import Any

import msgspec

from tsuji.core.assemble import Assembler
from tsuji.core.events import Event, Started
from tsuji.core.response import ChatResponse
from tsuji.wire import dialect
from tsuji.wire.openai.fields import names
from tsuji.wire.sse import SSEParser

from .block import Answer, Block, decode, wrapped
from .build import Ask
from .trace import Trace

_LEFT_OUT = {
    "message": names("phase"),
    "output_text": names("logprobs"),
    "function_call": names("caller id namespace status"),
    "reasoning": names("content encrypted_content status"),
    "custom_tool_call": names("caller id namespace"),
    "image_generation_call": names("background output_format quality result revised_prompt size"),
    "code_interpreter_call": names("code outputs"),
    "file_search_call": names("results"),
    "mcp_call": names("approval_request_id error output status"),
    "mcp_list_tools": names("error"),
    "error": names("code param"),
}
"""What OpenAI's types have and its API leaves out, by an object's type: it reads as None."""
_LEFT_OUT_OF_RESPONSES = names("""
    background completed_at conversation error incomplete_details instructions max_output_tokens max_tool_calls metadata
    previous_response_id prompt prompt_cache_key prompt_cache_retention reasoning safety_identifier service_tier status
    temperature text top_logprobs top_p truncation usage user
    """)


class Item(Block):
    """An item of an answer, a part of one, or an event of a stream. Fields that the API left out are None."""

    def __getattr__(self, name: str) -> Any:
        if name not in self and name in _LEFT_OUT.get(self.get("type", ""), ()):
            return None
        return super().__getattr__(name)


class Response(Answer):
    """An answer: id, model, status, output (items), usage (input_tokens, output_tokens ...), error and the rest."""

    def __getattr__(self, name: str) -> Any:
        if name not in self and name in _LEFT_OUT_OF_RESPONSES:
            return None
        return super().__getattr__(name)

    @property
    def output_text(self) -> str:
        """All that the model said, joined; "" where it only called tools, or refused."""
        messages = [item for item in self["output"] if item["type"] == "message"]
        return "".join([p["text"] for m in messages for p in m["content"] if p["type"] == "output_text"])

    @property
    def output_parsed(self) -> Any:
        """The instance that the format asked for. Raises UpstreamProtocolError where the text is not that."""
        why: Block | None = self.incomplete_details
        cut = why is not None and why.get("reason") == "max_output_tokens"
        return self._instance(self.output_text, "length" if cut else None)


class ResponseShape:
    """One call's answer: `whole` for one that came at once, or `chunks` (OpenAI's typed events) of it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._sse = SSEParser()
        self._renderer = dialect("responses").stream_renderer(ask.request)
        self._created = int(time())

    @staticmethod
    def whole(ask: Ask, response: ChatResponse, trace: Trace) -> Response:
        if response.created is None:
            response = msgspec.structs.replace(response, created=int(time()))
        answer = Response(wrapped(decode(dialect("responses").render_response(response)), Item))
        answer.describe(ask.parse, trace)
        return answer

    def result(self, response: ChatResponse, trace: Trace) -> Response:
        """What the events came to."""
        created = response.created or self._created
        return self.whole(self._ask, msgspec.structs.replace(response, created=created), trace)

    def chunks(self, events: list[Event], so_far: Assembler) -> list[Block]:
        """so_far: has taken in `events` already."""
        dated = [self._dated(event) for event in events]
        return [self._event(payload) for _, payload in self._sse.feed(self._renderer.render(dated))]

    def _dated(self, event: Event) -> Event:
        if type(event) is Started and event.created is None:
            return msgspec.structs.replace(event, created=self._created)
        return event

    def _event(self, payload: bytes) -> Block:
        event: Block = wrapped(decode(payload), Item)
        if "response" in event:
            event["response"] = Response(event["response"])
            event["response"].describe(self._ask.parse)
        return event
