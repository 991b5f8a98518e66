"""A Messages stream to events (https://platform.claude.com/docs/en/build-with-claude/streaming).

Blocks become parts as they are numbered here, from 0. A block that is this dialect's own business (a server tool's
call) is collected and given whole at its end. Event types that are new are passed over, as the documentation asks.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from tsuji.core import events as ev
from tsuji.core.errors import StreamInterruptedError, TsujiError, UpstreamProtocolError
from tsuji.core.parts import Opaque, Part, Text, Thinking, ToolCall
from tsuji.core.provider import Quirks

from ..sse import JsonEvents, SSEOverflow
from .blocks_in import parse_block, parse_citation
from .errors import parse_error_body
from .fields import (
    NAME,
    UNEXPECTED,
    Object,
    Wrong,
    as_int,
    as_object,
    as_string,
    ext_of,
    object_or_empty,
    rest,
    text_or_none,
)
from .response_in import MESSAGE
from .stops import parse_stop
from .usage import merge_usage, parse_usage, tier_of

_decode = msgspec.json.Decoder().decode
_DELTA = frozenset(("stop_reason", "stop_sequence"))
_MESSAGE_DELTA = frozenset(("type", "delta", "usage"))
_MALFORMED = (Wrong, SSEOverflow, *UNEXPECTED)

_EMPTY: dict[str, Object] = {
    "text_delta": {"type": "text", "text": ""},
    "citations_delta": {"type": "text", "text": ""},
    "thinking_delta": {"type": "thinking", "thinking": ""},
    "signature_delta": {"type": "thinking", "thinking": ""},
}
"""The block that a delta implies where a server sent no content_block_start."""


class _Block:
    """An open block. initial: a tool's input that came whole with the start, used if no piece of it follows."""

    __slots__ = ("data", "index", "initial", "json")

    def __init__(self, index: int) -> None:
        self.index = index
        self.initial: Any = None
        self.data: Object | None = None
        self.json: list[str] = []


class StreamParser:
    __slots__ = ("_blocks", "_count", "_done", "_finished", "_out", "_sse", "_started", "_usage")

    def __init__(self, quirks: Quirks) -> None:
        self._sse = JsonEvents()
        self._blocks: dict[int, _Block] = {}
        self._count = 0
        self._usage: Object = {}
        self._started = self._finished = self._done = False
        self._out: list[ev.Event] = []

    def feed(self, data: bytes) -> list[ev.Event]:
        if self._done:
            return []
        return self._take(self._sse.feed, data)

    def close(self) -> list[ev.Event]:
        if self._done:
            return []
        out = self._take(self._sse.close)
        if not self._done:
            self._done = True
            out += self._cut()
        return out

    def _take(self, pull: Callable[..., list[tuple[bytes, bytes]]], *args: bytes) -> list[ev.Event]:
        out: list[ev.Event] = []
        self._out = out
        try:
            for _, data in pull(*args):
                self._event(data)
                if self._done:
                    break
        except _MALFORMED as error:
            self._fail(UpstreamProtocolError(f"the provider sent a malformed event in its stream: {_what(error)}"))
        return out

    def _cut(self) -> list[ev.Event]:
        if self._finished:
            self._out = []
            self._end_blocks()
            return [*self._out, ev.Ended()]
        if self._started:
            error = StreamInterruptedError("the provider's stream ended before the answer was complete")
        else:
            error = UpstreamProtocolError("the provider's answer is not an event stream, or is empty")
        return [ev.StreamFailed(error)]

    def _fail(self, error: TsujiError) -> None:
        self._out.append(ev.StreamFailed(error))
        self._done = True

    def _event(self, data: bytes) -> None:
        if data == b"[DONE]":
            # Compatible servers that copy OpenAI's end mark.
            return
        event: Object = as_object(_decode(data))
        kind = event.get("type")
        if kind == "content_block_delta":
            self._delta(event)
        elif type(kind) is str:
            handle = self.HANDLERS.get(kind)
            if handle is not None:
                handle(self, event)
        else:
            raise Wrong("type", "a string")

    def _start(self, message: Object) -> None:
        if self._started:
            return
        self._started = True
        usage = message.get("usage")
        self._out.append(
            ev.Started(
                text_or_none(message.get("id")) or "",
                text_or_none(message.get("model")) or "",
                None,
                tier_of(usage),
                ext_of(rest(message, MESSAGE)),
            )
        )
        self._report(usage)

    def _message_start(self, event: Object) -> None:
        self._start(as_object(event.get("message"), "message"))

    def _report(self, usage: Any) -> None:
        fields = object_or_empty(usage)
        if not fields:
            return
        self._usage = merge_usage(self._usage, fields)
        parsed = parse_usage(self._usage)
        if parsed is not None:
            self._out.append(ev.UsageReported(parsed))

    def _block_start(self, event: Object) -> None:
        self._start({})
        self._open(as_int(event.get("index"), "index"), as_object(event.get("content_block"), "content_block"))

    def _open(self, index: int, content: Object) -> _Block:
        self._end(index)
        block = _Block(self._count)
        self._count += 1
        part = parse_block(content)
        deltas: list[ev.Event] = []
        if isinstance(part, Text):
            part, deltas = _opened_text(part, block.index)
        elif isinstance(part, Thinking) and part.redacted is None:
            part, deltas = _opened_thinking(part, block.index)
        elif isinstance(part, ToolCall):
            block.initial = None if part.arguments == "{}" else part.arguments
            part = msgspec.structs.replace(part, arguments="")
        elif isinstance(part, Opaque):
            block.data = part.data
        self._blocks[index] = block
        self._out.append(ev.PartStarted(part, block.index))
        self._out += deltas
        return block

    def _delta(self, event: Object) -> None:
        delta = as_object(event.get("delta"), "delta")
        index = as_int(event.get("index"), "index")
        kind = as_string(delta.get("type"), "delta.type")
        block = self._blocks.get(index)
        if block is None:
            if kind not in _EMPTY:
                raise Wrong("index", "that of a block that has started")
            self._start({})
            block = self._open(index, _EMPTY[kind])
        if block.data is not None:
            _collect(block, delta)
            return
        make = _DELTAS.get(kind)
        if make is None:
            return
        made = make(delta, block)
        if made is not None:
            self._out.append(made)

    def _block_stop(self, event: Object) -> None:
        self._end(as_int(event.get("index"), "index"))

    def _end(self, index: int) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.initial is not None:
            self._out.append(ev.ArgumentsDelta(block.initial, block.index))
        part = None if block.data is None else _collected(block, block.data)
        self._out.append(ev.PartEnded(block.index, 0, part))

    def _end_blocks(self) -> None:
        for index in list(self._blocks):
            self._end(index)

    def _message_delta(self, event: Object) -> None:
        self._start({})
        delta = as_object(event.get("delta") or {}, "delta")
        extra = {**rest(event, _MESSAGE_DELTA), **rest(delta, _DELTA)}
        if extra:
            self._out.append(ev.ExtAdded({NAME: extra}))
        raw = delta.get("stop_reason")
        stop = parse_stop(raw)
        if stop is not None and not self._finished:
            self._end_blocks()
            self._finished = True
            sequence = text_or_none(delta.get("stop_sequence"))
            self._out.append(ev.Finished(stop, 0, text_or_none(raw), sequence))
        self._report(event.get("usage"))

    def _message_stop(self, event: Object) -> None:
        self._start({})
        self._end_blocks()
        if not self._finished:
            self._out.append(ev.Finished("other"))
        self._out.append(ev.Ended())
        self._done = True

    def _error(self, event: Object) -> None:
        self._fail(parse_error_body(event))

    HANDLERS: ClassVar[dict[str, Callable[[Any, Object], None]]] = {
        "message_start": _message_start,
        "content_block_start": _block_start,
        "content_block_stop": _block_stop,
        "message_delta": _message_delta,
        "message_stop": _message_stop,
        "error": _error,
    }


def _what(error: Exception) -> str:
    if isinstance(error, Wrong):
        return f"'{error.path}' must be {error.expected}"
    return "it is too long" if isinstance(error, SSEOverflow) else str(error)


def _opened_text(part: Text, index: int) -> tuple[Part, list[ev.Event]]:
    deltas: list[ev.Event] = [ev.TextDelta(part.text, index)] if part.text else []
    deltas += [ev.CitationAdded(c, index) for c in part.citations]
    return Text("", part.cache, (), None, _without_citations(part)), deltas


def _without_citations(part: Text) -> Any:
    """A stream writes an empty list where citations are to follow: it says nothing by itself."""
    fields = dict((part.ext or {}).get(NAME, {}))
    fields.pop("~citations", None)
    return ext_of(fields)


def _opened_thinking(part: Thinking, index: int) -> tuple[Part, list[ev.Event]]:
    deltas: list[ev.Event] = [ev.TextDelta(part.text, index)] if part.text else []
    if part.signature:
        deltas.append(ev.SignatureDelta(part.signature, index))
    return msgspec.structs.replace(part, text="", signature=None), deltas


def _text_delta(delta: Object, block: _Block) -> ev.Event | None:
    text = as_string(delta.get("text"), "delta.text")
    return ev.TextDelta(text, block.index) if text else None


def _thinking_delta(delta: Object, block: _Block) -> ev.Event | None:
    text = as_string(delta.get("thinking"), "delta.thinking")
    return ev.TextDelta(text, block.index) if text else None


def _json_delta(delta: Object, block: _Block) -> ev.Event | None:
    text = as_string(delta.get("partial_json"), "delta.partial_json")
    if not text:
        return None
    block.initial = None
    return ev.ArgumentsDelta(text, block.index)


def _signature_delta(delta: Object, block: _Block) -> ev.Event | None:
    signature = as_string(delta.get("signature"), "delta.signature")
    return ev.SignatureDelta(signature, block.index) if signature else None


def _citations_delta(delta: Object, block: _Block) -> ev.Event | None:
    return ev.CitationAdded(parse_citation(delta.get("citation")), block.index)


_DELTAS: dict[str, Callable[[Object, _Block], ev.Event | None]] = {
    "text_delta": _text_delta,
    "thinking_delta": _thinking_delta,
    "input_json_delta": _json_delta,
    "signature_delta": _signature_delta,
    "citations_delta": _citations_delta,
}


def _collect(block: _Block, delta: Object) -> None:
    """A piece of an opaque block: of its `input`, else of the fields that the delta names."""
    if delta.get("type") == "input_json_delta":
        block.json.append(as_string(delta.get("partial_json"), "delta.partial_json"))
        return
    data = dict(block.data or {})
    for name, value in delta.items():
        if name == "type" or value is None:
            continue
        before = data.get(name)
        data[name] = before + value if type(before) is str and type(value) is str else value
    block.data = data


def _collected(block: _Block, data: Object) -> Opaque:
    text = "".join(block.json)
    if text:
        try:
            data = {**data, "input": _decode(text)}
        except UNEXPECTED:
            data = {**data, "input": {"INVALID_JSON": text}}
    return Opaque(NAME, as_string(data.get("type")), data)
