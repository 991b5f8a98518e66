"""Canonical answers as Anthropic's objects: what `messages` gives, for any provider.

https://docs.claude.com/en/api/messages. The anthropic dialect renders them; the objects are dicts whose keys read as
attributes, so that `response.content` goes back into the next request as it is.
"""

from typing import Any, cast

import msgspec

from tsuji.core.assemble import Assembler
from tsuji.core.events import Event
from tsuji.core.response import ChatResponse
from tsuji.wire import dialect
from tsuji.wire.sse import SSEParser

from .build import Ask
from .structured import Parse, parse
from .trace import Trace

_decode = msgspec.json.Decoder().decode


class Block(dict[str, Any]):
    """A JSON object: `block["type"]` and `block.type` are the same."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(self)}") from None

    def model_dump(
        self, *, mode: str = "python", exclude_none: bool = False, exclude_unset: bool = False
    ) -> dict[str, Any]:
        """Plain dicts and lists."""
        return cast("dict[str, Any]", _unwrapped(self, exclude_none))

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump()

    def model_dump_json(self, *, indent: int | None = None, exclude_none: bool = False) -> str:
        text = msgspec.json.encode(self.model_dump(exclude_none=exclude_none))
        return (msgspec.json.format(text, indent=indent) if indent else text).decode()


class Message(Block):
    """An answer: id, model, content (blocks), stop_reason, stop_sequence, usage (input_tokens, output_tokens ...)."""

    @property
    def tsuji(self) -> Trace:
        """Which target answered, after which attempts, at what cost."""
        return vars(self)["_trace"]

    @property
    def parsed_output(self) -> Any:
        """The instance that `output_format` asked for. Raises UpstreamProtocolError where the text is not that."""
        how = cast("Parse | None", vars(self).get("_parse"))
        text = "".join([block["text"] for block in self["content"] if block["type"] == "text"])
        stop = "length" if self["stop_reason"] == "max_tokens" else None
        return parse(text, how, stop) if how is not None and text else None

    def describe(self, trace: Trace, how: "Parse | None") -> None:
        vars(self).update(_trace=trace, _parse=how)


def _wrapped(value: Any) -> Any:
    if type(value) is dict:
        return Block({k: _wrapped(v) for k, v in cast("dict[str, Any]", value).items()})
    return [_wrapped(item) for item in cast("list[Any]", value)] if type(value) is list else value


def _unwrapped(value: Any, without_none: bool) -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {k: _unwrapped(v, without_none) for k, v in items if not (without_none and v is None)}
    return [_unwrapped(item, without_none) for item in cast("list[Any]", value)] if isinstance(value, list) else value


class MessageShape:
    """One call's answer: `whole` for one that came at once, or `chunks` (Anthropic's events) of it."""

    prefer = "anthropic"

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._sse = SSEParser()
        self._renderer = dialect("anthropic").stream_renderer(ask.request)

    @staticmethod
    def whole(ask: Ask, response: ChatResponse, trace: Trace) -> Message:
        message = Message(_wrapped(_decode(dialect("anthropic").render_response(response))))
        message.describe(trace, ask.parse)
        return message

    def result(self, response: ChatResponse, trace: Trace) -> Message:
        """What the events came to."""
        return self.whole(self._ask, response, trace)

    def chunks(self, events: list[Event], so_far: Assembler) -> list[Block]:
        """so_far: has taken in `events` already."""
        return [_wrapped(_decode(payload)) for _, payload in self._sse.feed(self._renderer.render(events))]
