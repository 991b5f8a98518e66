"""Events to a ConverseStream answer.

One block is open at a time: parts that another dialect interleaves wait for the one before them, since clients keep
one block in hand. `metadata`, with the usage that other dialects report last, waits for Ended. A part that has no
counterpart is written as response_out.py says.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from tsuji.core import events as ev
from tsuji.core.assemble import merge_ext
from tsuji.core.parts import Audio, Ext, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.usage import Usage

from ..anthropic.fields import Object, json_text, object_or_empty
from ..anthropic.response_out import call_id, words_of
from ..eventstream import encode_message
from . import carried
from .errors import render_exception
from .fields import own, plain
from .response_out import citation_fields, frame_fields, other_block, thinking_block
from .stops import render_stop
from .usage import render_usage

_encode = msgspec.json.Encoder().encode


_WHOLE = (("toolUse", ("input",)), ("toolResult", ("content",)), ("image", ("source", "error")))
"""Blocks that a stream has a form for though core has them whole, and what of them stands in the delta."""
_LAST: dict[str, Callable[[Object], Any]] = {
    "toolUse": lambda fields: {"input": json_text(fields.get("input", {}))},
    "toolResult": lambda fields: fields.get("content", []),
    "image": lambda fields: {k: fields[k] for k in ("source", "error") if k in fields},
}


def _event(name: str, fields: Object) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, _encode(fields))


class Renderer:
    """A StreamRenderer."""

    __slots__ = (
        "_after",
        "_calls",
        "_ext",
        "_finished",
        "_id",
        "_index",
        "_out",
        "_part",
        "_said",
        "_silent",
        "_started",
        "_tier",
        "_usage",
        "_waiting",
        "_wire",
    )

    def __init__(self, request: ChatRequest) -> None:
        self._id = ""
        self._tier: str | None = None
        self._ext: Ext | None = None
        self._usage: Usage | None = None
        self._part: Part | None = None  # the open one
        self._silent = False  # nothing is written of it before its end
        self._said = False  # something has been written of it
        self._after = ""  # the signature that follows it in a block of its own
        self._index = -1
        self._waiting: dict[int, list[Any]] = {}
        self._wire = 0
        self._started = self._calls = False
        self._finished: ev.Finished | None = None
        self._out: list[bytes] = []

    def render(self, events: list[ev.Event]) -> bytes:
        self._out = []
        for event in events:
            handle = self.ENVELOPE.get(type(event), Renderer._on_part)
            handle(self, event)
        return b"".join(self._out)

    def _on_started(self, event: ev.Started) -> None:
        self._id, self._tier, self._ext = event.id, event.service_tier, event.ext
        self._begin_message()

    def _begin_message(self) -> None:
        if not self._started:
            self._started = True
            self._out.append(_event("messageStart", {"role": "assistant"}))

    def _on_usage(self, event: ev.UsageReported) -> None:
        self._usage = event.usage

    def _on_finished(self, event: ev.Finished) -> None:
        if event.choice == 0:
            self._finished = event

    def _on_ext(self, event: ev.ExtAdded) -> None:
        if not event.choice:
            self._ext = merge_ext(self._ext, event.ext)

    def _on_nothing(self, event: ev.Event) -> None:
        """The dialect has no log-probabilities."""

    def _on_failed(self, event: ev.StreamFailed) -> None:
        self._out.append(render_exception(event.error))

    def _on_ended(self, event: ev.Ended) -> None:
        self._begin_message()
        self._close()
        while self._waiting:
            self._next_waiting()
            self._close()
        done = self._finished or ev.Finished("other")
        fields = frame_fields(self._tier, self._ext)
        stop: Object = {"stopReason": render_stop(done.stop, done.stop_raw, self._calls)}
        if "additionalModelResponseFields" in fields:
            stop["additionalModelResponseFields"] = fields.pop("additionalModelResponseFields")
        self._out.append(_event("messageStop", stop))
        self._out.append(_event("metadata", {"usage": render_usage(self._usage), **fields}))

    def _on_part(self, event: Any) -> None:
        if event.choice:
            return  # of several answers the first is given
        self._begin_message()
        if self._part is not None and event.index == self._index:
            self._write(event)
        elif event.index in self._waiting:
            self._waiting[event.index].append(event)
        elif type(event) is ev.PartStarted:
            if self._part is None:
                self._begin(event)
            else:
                self._waiting[event.index] = [event]

    def _next_waiting(self) -> None:
        index = next(iter(self._waiting))
        first, *others = self._waiting.pop(index)
        self._begin(first)
        for event in others:
            if self._part is not None and self._index == index:
                self._write(event)

    def _write(self, event: Any) -> None:
        if type(event) is ev.PartEnded:
            if event.part is not None:
                self._part = event.part
            self._close()
            while self._waiting and self._part is None:
                self._next_waiting()
        else:
            self.DELTAS[type(event)](self, event)

    def _begin(self, event: ev.PartStarted) -> None:
        part = self._part = event.part
        self._index, self._after, self._silent = event.index, "", False
        if isinstance(part, Text | ToolCall):
            self._after = part.signature or ""
        self._said = False
        if isinstance(part, Text):
            self._say("text", part.text)
            for citation in part.citations:
                self._on_citation(ev.CitationAdded(citation, event.index))
        elif isinstance(part, ToolCall):
            self._begin_call(part)
        elif isinstance(part, Thinking):
            self._say("reasoning", part.text)
        elif isinstance(part, Refusal | Audio):
            self._say("text", words_of(part) or "")
        else:
            self._silent = True  # it is written whole, at its end

    def _begin_call(self, part: ToolCall) -> None:
        self._calls = True
        start: Object = {"toolUseId": call_id(part, self._id, self._index), "name": part.name, **plain(part.ext)}
        if "~type" in own(part.ext):
            start["type"] = own(part.ext)["~type"]
        self._start({"toolUse": start})
        if part.arguments not in ("", "{}"):
            self._delta({"toolUse": {"input": part.arguments}})

    def _say(self, kind: str, text: str) -> None:
        if text:
            self._delta({"text": text} if kind == "text" else {"reasoningContent": {"text": text}})

    def _start(self, start: Object) -> None:
        self._said = True
        self._out.append(_event("contentBlockStart", {"start": start, "contentBlockIndex": self._wire}))

    def _delta(self, delta: Object) -> None:
        self._said = True
        self._out.append(_event("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._wire}))

    def _on_text(self, event: ev.TextDelta) -> None:
        if not self._silent:
            self._say("reasoning" if isinstance(self._part, Thinking) else "text", event.text)

    def _on_arguments(self, event: ev.ArgumentsDelta) -> None:
        self._delta({"toolUse": {"input": event.json}})

    def _on_signature(self, event: ev.SignatureDelta) -> None:
        part = self._part
        if not isinstance(part, Thinking):
            self._after += event.signature
        elif event.redacted:
            self._part = msgspec.structs.replace(part, redacted=(part.redacted or "") + event.signature)
        else:
            self._part = msgspec.structs.replace(part, signature=(part.signature or "") + event.signature)

    def _on_citation(self, event: ev.CitationAdded) -> None:
        citation = citation_fields(event.citation)
        if citation is not None and isinstance(self._part, Text):
            self._delta({"citation": citation})

    def _close(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        if isinstance(part, Thinking):
            self._sign(part)
        elif self._silent and not self._write_whole(part):
            return
        if not self._said:  # a block is opened by its first delta, however little it says
            self._delta({"reasoningContent": {"text": ""}} if isinstance(part, Thinking) else {"text": ""})
        self._stop()
        if self._after:
            self._delta({"reasoningContent": {"redactedContent": carried.pack_signature(self._after)}})
            self._stop()

    def _stop(self) -> None:
        self._out.append(_event("contentBlockStop", {"contentBlockIndex": self._wire}))
        self._wire += 1

    def _sign(self, part: Thinking) -> None:
        """A signature goes out whole, in the last delta."""
        block = thinking_block(part)["reasoningContent"]
        if "redactedContent" in block:
            self._delta({"reasoningContent": {"redactedContent": block["redactedContent"]}})
        elif block["reasoningText"].get("signature"):
            self._delta({"reasoningContent": {"signature": block["reasoningText"]["signature"]}})

    def _write_whole(self, part: Part) -> bool:
        """Whether there is something to write."""
        block = other_block(part) or {}
        for kind, last in _WHOLE:
            fields = object_or_empty(block.get(kind))
            if fields:
                self._start({kind: {k: v for k, v in fields.items() if k not in last}})
                self._delta({kind: _LAST[kind](fields)})
                return True
        words = words_of(part)
        if words:
            self._delta({"text": words})
        return bool(words)

    ENVELOPE: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        ev.Started: _on_started,
        ev.UsageReported: _on_usage,
        ev.Finished: _on_finished,
        ev.ExtAdded: _on_ext,
        ev.LogprobsAdded: _on_nothing,
        ev.StreamFailed: _on_failed,
        ev.Ended: _on_ended,
    }
    DELTAS: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        ev.TextDelta: _on_text,
        ev.ArgumentsDelta: _on_arguments,
        ev.SignatureDelta: _on_signature,
        ev.CitationAdded: _on_citation,
        ev.AudioDelta: _on_nothing,
    }
