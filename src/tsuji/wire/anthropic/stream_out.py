"""Events to a Messages stream, in the order that the official client accumulates it.

One block is open at a time: parts that another dialect interleaves wait for the one before them. `message_start` waits
for the first event behind Started, so that usage which the provider reported at once is in it; `message_delta` waits
for Ended, since other dialects report usage last. A part that has no counterpart is written as response_out.py says.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from tsuji.core import events as ev
from tsuji.core.parts import Opaque, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import StopReason
from tsuji.core.usage import Usage

from .blocks_out import own, text_block, without_spellings
from .errors import error_fields
from .fields import NAME, Object, json_text
from .response_out import call_id, citation_fields, message_fields, signature_block, thinking_block, words_of
from .stops import render_stop
from .usage import render_usage

_encode = msgspec.json.Encoder().encode
_PIECE = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
)
_NOT_IN_DELTA = ("cache_creation", "service_tier")
_TOP_LEVEL = ("context_management", "input_transformations")
"""Fields that `message_delta` has beside its `delta`."""


def _event(name: str, fields: Object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **fields}))


class _Part:
    """An open part. kind: of the delta that its text goes into; None: it is collected and written at its end."""

    __slots__ = ("after", "custom", "kind", "last", "thinking", "wire")

    def __init__(self, wire: int, kind: str | None) -> None:
        self.wire = wire
        self.kind = kind
        self.after: str | None = None
        self.thinking: Thinking | None = None
        self.last: Opaque | None = None
        self.custom: list[str] | None = None  # A free text, which here must be in an object.


class StreamRenderer:
    __slots__ = (
        "_calls",
        "_extra",
        "_finished",
        "_id",
        "_index",
        "_model",
        "_open",
        "_out",
        "_started",
        "_usage",
        "_waiting",
        "_wire",
    )

    def __init__(self, request: ChatRequest) -> None:
        self._model = request.model
        self._id = ""
        self._started: ev.Started | None = None
        self._usage: Usage | None = None
        self._open: _Part | None = None
        self._index = -1
        self._waiting: dict[int, list[Any]] = {}
        self._wire = 0
        self._calls = False
        self._finished: ev.Finished | None = None
        self._extra: Object = {}
        self._out: list[bytes] = []

    def render(self, events: list[ev.Event]) -> bytes:
        self._out = []
        for event in events:
            handle = self.ENVELOPE.get(type(event))
            if handle is not None:
                handle(self, event)
            else:
                self._on_part(event)
        return b"".join(self._out)

    def _on_started(self, event: ev.Started) -> None:
        self._started = event
        self._id = event.id

    def _on_usage(self, event: ev.UsageReported) -> None:
        self._usage = event.usage

    def _on_finished(self, event: ev.Finished) -> None:
        if event.choice == 0:
            self._finished = event
            self._extra.update(without_spellings(own(event.ext)))

    def _on_ext(self, event: ev.ExtAdded) -> None:
        if not event.choice:
            self._extra.update(without_spellings(own(event.ext)))

    def _on_logprobs(self, event: ev.LogprobsAdded) -> None:
        """The dialect has none."""

    def _on_failed(self, event: ev.StreamFailed) -> None:
        self._out.append(_event("error", error_fields(event.error)))

    def _on_ended(self, event: ev.Ended) -> None:
        self._flush_start()
        self._close()
        while self._waiting:
            self._next_waiting()
            self._close()
        done = self._finished or ev.Finished("other")
        usage = {k: v for k, v in render_usage(self._usage).items() if k not in _NOT_IN_DELTA}
        fields: Object = {k: self._extra.pop(k) for k in _TOP_LEVEL if k in self._extra}
        stop: StopReason = done.stop
        fields["delta"] = {
            "stop_reason": render_stop(stop, done.stop_raw, self._calls),
            "stop_sequence": done.stop_sequence,
            **self._extra,
        }
        fields["usage"] = usage
        self._out.append(_event("message_delta", fields))
        self._out.append(_event("message_stop", {}))

    def _flush_start(self) -> None:
        started = self._started
        if started is None:
            return
        self._started = None
        usage = render_usage(self._usage, started.service_tier)
        message = message_fields(started.id, started.model or self._model, [], usage, started.ext)
        self._out.append(_event("message_start", {"message": message}))

    def _on_part(self, event: Any) -> None:
        if event.choice:
            return
        self._flush_start()
        index = event.index
        if self._open is not None and index == self._index:
            self._write(event, self._open)
        elif index in self._waiting:
            self._waiting[index].append(event)
        elif type(event) is ev.PartStarted:
            if self._open is None:
                self._begin(event)
            else:
                self._waiting[index] = [event]

    def _write(self, event: Any, part: _Part) -> None:
        if type(event) is ev.PartEnded:
            if type(event.part) is Opaque:
                part.last = event.part
            self._close()
            while self._waiting and self._open is None:
                self._next_waiting()
        else:
            self.DELTAS[type(event)](self, event, part)

    def _next_waiting(self) -> None:
        index = next(iter(self._waiting))
        events = self._waiting.pop(index)
        self._begin(events[0])
        for event in events[1:]:
            if self._open is not None and self._index == index:
                self._write(event, self._open)

    def _begin(self, event: ev.PartStarted) -> None:
        self._index = event.index
        part = event.part
        begin = self.BEGIN.get(type(part))
        if begin is not None:
            begin(self, part)
            return
        self._open = _Part(self._wire, "text_delta")
        self._start_block({"type": "text", "text": ""})
        words = words_of(part)
        if words:
            self._piece("text_delta", "text", words)

    def _start_block(self, block: Object) -> None:
        self._out.append(_event("content_block_start", {"index": self._wire, "content_block": block}))

    def _piece(self, kind: str, name: str, text: str) -> None:
        """One delta of text: written by hand, as it is most of a stream."""
        self._out.append(_PIECE % (self._wire, kind.encode(), name.encode(), _encode(text)))

    def _begin_text(self, part: Text) -> None:
        self._open = _Part(self._wire, "text_delta")
        self._open.after = part.signature
        self._start_block({**text_block(part), "text": "", **without_spellings(own(part.ext))})
        if part.text:
            self._piece("text_delta", "text", part.text)
        for citation in part.citations:
            self._cite(ev.CitationAdded(citation, self._index), self._open)

    def _begin_call(self, part: ToolCall) -> None:
        self._calls = True
        self._open = _Part(self._wire, "input_json_delta")
        self._open.after = part.signature
        identity = call_id(part, self._id, self._index)
        block: Object = {"type": "tool_use", "id": identity, "name": part.name, "input": {}}
        fields = own(part.ext)
        if "~caller" in fields:
            block["caller"] = fields["~caller"]
        self._start_block({**block, **without_spellings(fields)})
        if part.custom:
            self._open.custom = [part.arguments]
        elif part.arguments not in ("", "{}"):
            self._piece("input_json_delta", "partial_json", part.arguments)

    def _begin_thinking(self, part: Thinking) -> None:
        self._open = _Part(self._wire, "thinking_delta")
        if part.origin == NAME and part.redacted is not None:
            self._start_block(thinking_block(part))
            return
        self._open.thinking = part
        extra = without_spellings(own(part.ext))
        self._start_block({"type": "thinking", "thinking": "", "signature": "", **extra})
        if part.text:
            self._piece("thinking_delta", "thinking", part.text)

    def _begin_opaque(self, part: Opaque) -> None:
        self._open = _Part(self._wire, None)
        self._open.last = part

    def _text(self, event: ev.TextDelta, part: _Part) -> None:
        if part.kind == "text_delta":
            self._piece("text_delta", "text", event.text)
        elif part.kind == "thinking_delta":
            self._piece("thinking_delta", "thinking", event.text)

    def _arguments(self, event: ev.ArgumentsDelta, part: _Part) -> None:
        if part.custom is not None:
            part.custom.append(event.json)
        else:
            self._piece("input_json_delta", "partial_json", event.json)

    def _signature(self, event: ev.SignatureDelta, part: _Part) -> None:
        thinking = part.thinking
        if thinking is None:
            part.after = (part.after or "") + event.signature
        elif event.redacted:
            part.thinking = msgspec.structs.replace(thinking, redacted=(thinking.redacted or "") + event.signature)
        else:
            part.thinking = msgspec.structs.replace(thinking, signature=(thinking.signature or "") + event.signature)

    def _cite(self, event: ev.CitationAdded, part: _Part) -> None:
        citation = citation_fields(event.citation)
        if citation is not None and part.kind == "text_delta":
            delta = {"type": "citations_delta", "citation": citation}
            self._out.append(_event("content_block_delta", {"index": self._wire, "delta": delta}))

    def _audio(self, event: ev.AudioDelta, part: _Part) -> None:
        """Only the transcript can be told."""

    def _close(self) -> None:
        part, self._open = self._open, None
        if part is None:
            return
        if part.kind is None and not self._write_opaque(part.last):
            return
        if part.custom is not None:
            self._piece("input_json_delta", "partial_json", json_text({"input": "".join(part.custom)}))
        if part.thinking is not None:
            # The client's accumulator takes a signature whole.
            signature: str = thinking_block(part.thinking)["signature"]
            if signature:
                self._piece("signature_delta", "signature", signature)
        self._stop_block()
        if part.after:
            self._start_block(signature_block(part.after))
            self._stop_block()

    def _stop_block(self) -> None:
        self._out.append(_event("content_block_stop", {"index": self._wire}))
        self._wire += 1

    def _write_opaque(self, part: Opaque | None) -> bool:
        """Whether it is this dialect's, so that a client understands it."""
        if part is None or part.dialect != NAME:
            return False
        given = part.data.get("input")
        if given:
            self._start_block({**part.data, "input": {}})
            self._piece("input_json_delta", "partial_json", json_text(given))
        else:
            self._start_block(part.data)
        return True

    ENVELOPE: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        ev.Started: _on_started,
        ev.UsageReported: _on_usage,
        ev.Finished: _on_finished,
        ev.ExtAdded: _on_ext,
        ev.LogprobsAdded: _on_logprobs,
        ev.StreamFailed: _on_failed,
        ev.Ended: _on_ended,
    }
    BEGIN: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        Text: _begin_text,
        ToolCall: _begin_call,
        Thinking: _begin_thinking,
        Opaque: _begin_opaque,
    }
    DELTAS: ClassVar[dict[type, Callable[[Any, Any, _Part], None]]] = {
        ev.TextDelta: _text,
        ev.ArgumentsDelta: _arguments,
        ev.SignatureDelta: _signature,
        ev.CitationAdded: _cite,
        ev.AudioDelta: _audio,
    }
