"""A streamed answer, to events (https://docs.cohere.com/v2/docs/streaming).

Blocks of the content are numbered by themselves, and so are tool calls; a plan has no number. A text's part stays open
until something else begins, for its citations may come after its end. An answer that ends as ERROR or TIMEOUT is cut.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tsuji.core import events as ev
from tsuji.core.errors import StreamInterruptedError, TsujiError, UpstreamError, UpstreamProtocolError
from tsuji.core.parts import Part, Text, Thinking, ToolCall
from tsuji.core.provider import Quirks
from tsuji.wire.openai.fields import is_list, is_object
from tsuji.wire.openai.guard import MALFORMED
from tsuji.wire.sse import JsonEvents, SSEOverflow

from .citations import of_text, read_citation
from .errors import error_in
from .fields import NAME, Fields, object_in, objects_in, text_of
from .logprobs import read_logprobs
from .messages_in import thought
from .stops import is_failure, read_stop
from .usage import read_usage

_Key = tuple[str, Any]
_PLAN: _Key = ("plan", None)


class Parser:
    """A StreamParser. open: the parts that are being spelled, by kind and the stream's number for it.

    texts: of blocks that are text, the part they became. cited: what has no place in core.
    """

    __slots__ = ("_cited", "_done", "_kinds", "_next", "_open", "_sse", "_started", "_texts")

    def __init__(self, quirks: Quirks) -> None:
        self._sse = JsonEvents()
        self._started = False
        self._done = False
        self._next = 0
        self._open: dict[_Key, int] = {}
        self._kinds: dict[int, type[Part]] = {}
        self._texts: dict[Any, int] = {}
        self._cited: list[Fields] = []

    def feed(self, data: bytes) -> list[ev.Event]:
        out: list[ev.Event] = []
        try:
            self._read(self._sse.feed(data), out)
        except SSEOverflow:
            self._fail(UpstreamProtocolError("the provider's stream has an event without end"), out)
        except TsujiError as error:
            self._fail(error, out)
        return out

    def close(self) -> list[ev.Event]:
        out: list[ev.Event] = []
        try:
            self._read(self._sse.close(), out)
            if not self._done:
                raise StreamInterruptedError("the provider's stream ended before the answer was complete")
        except TsujiError as error:
            self._fail(error, out)
        return out

    def _fail(self, error: TsujiError, out: list[ev.Event]) -> None:
        if not self._done:
            self._done = True
            out.append(ev.StreamFailed(error))

    def _read(self, events: list[tuple[bytes, bytes]], out: list[ev.Event]) -> None:
        for _, data in events:
            if self._done:
                return
            try:
                self._event(msgspec.json.decode(data), out)
            except MALFORMED as error:
                raise UpstreamProtocolError(f"the provider's stream is malformed: {error}") from None

    def _event(self, event: Any, out: list[ev.Event]) -> None:
        if not is_object(event):
            raise UpstreamProtocolError("an event of the provider's stream is no object", body=event)
        failed = error_in(event)
        if failed is not None:
            raise failed
        read = _READ.get(text_of(event.get("type")))
        if read is not None:
            if not self._started:
                self._started = True
                out.append(ev.Started(text_of(event.get("id")), ""))
            read(self, event, out)

    # Parts.

    def _begin(self, key: _Key, part: Part, out: list[ev.Event]) -> int:
        self._settle(out)
        if key in self._open:
            self._end(key, out)
        index = self._open[key] = self._next
        self._next += 1
        self._kinds[index] = type(part)
        out.append(ev.PartStarted(part, index))
        return index

    def _end(self, key: _Key, out: list[ev.Event]) -> None:
        index = self._open.pop(key, None)
        if index is not None:
            out.append(ev.PartEnded(index))

    def _settle(self, out: list[ev.Event]) -> None:
        """Ends all but calls, which may be spelled side by side."""
        for key in [key for key in self._open if key[0] != "call"]:
            self._end(key, out)

    # Events.

    def start(self, event: Fields, out: list[ev.Event]) -> None:
        """Begun already; the message's role is known."""

    def content_start(self, event: Fields, out: list[ev.Event]) -> None:
        content = object_in(event, "delta", "message", "content")
        thinks = content.get("type") == "thinking" or (content.get("type") is None and "thinking" in content)
        self._block(event, thinks, text_of(content.get("thinking" if thinks else "text")), out)

    def content_delta(self, event: Fields, out: list[ev.Event]) -> None:
        content = object_in(event, "delta", "message", "content")
        thinks = "thinking" in content and content["thinking"] is not None
        text = text_of(content.get("thinking" if thinks else "text"))
        at = self._open.get(("content", event.get("index")))
        if at is None or (text and self._kinds[at] is not (Thinking if thinks else Text)):
            if text:
                self._block(event, thinks, text, out)
        elif text:
            out.append(ev.TextDelta(text, at))
        logprobs = read_logprobs(event.get("logprobs"))
        if logprobs:
            out.append(ev.LogprobsAdded(logprobs))

    def _block(self, event: Fields, thinks: bool, text: str, out: list[ev.Event]) -> None:
        number = event.get("index")
        at = self._begin(("content", number), thought("") if thinks else Text(""), out)
        if not thinks:
            self._texts[number] = at
        if text:
            out.append(ev.TextDelta(text, at))

    def content_end(self, event: Fields, out: list[ev.Event]) -> None:
        key: _Key = ("content", event.get("index"))
        if key in self._open and self._kinds[self._open[key]] is not Text:
            self._end(key, out)

    def plan(self, event: Fields, out: list[ev.Event]) -> None:
        text = text_of(object_in(event, "delta", "message").get("tool_plan"))
        at = self._open.get(_PLAN)
        if text:
            out.append(ev.TextDelta(text, self._begin(_PLAN, thought("", plan=True), out) if at is None else at))

    def call_start(self, event: Fields, out: list[ev.Event]) -> None:
        call = self._call(event)
        function = object_in(call, "function")
        name = text_of(function.get("name"))
        if not name:
            raise UpstreamProtocolError("a tool call of the provider's has no name", body=event)
        at = self._begin(("call", event.get("index")), ToolCall(text_of(call.get("id")), name, ""), out)
        arguments = text_of(function.get("arguments"))
        if arguments:
            out.append(ev.ArgumentsDelta(arguments, at))

    def call_delta(self, event: Fields, out: list[ev.Event]) -> None:
        arguments = text_of(object_in(self._call(event), "function").get("arguments"))
        at = self._open.get(("call", event.get("index")))
        if at is None:
            raise UpstreamProtocolError("arguments of a tool call that has not begun", body=event)
        if arguments:
            out.append(ev.ArgumentsDelta(arguments, at))

    def _call(self, event: Fields) -> Fields:
        calls: Any = object_in(event, "delta", "message").get("tool_calls")
        for call in objects_in(calls if is_list(calls) else [calls]):
            return call
        return {}

    def call_end(self, event: Fields, out: list[ev.Event]) -> None:
        self._end(("call", event.get("index")), out)

    def citation(self, event: Fields, out: list[ev.Event]) -> None:
        cited: Any = object_in(event, "delta", "message").get("citations")
        for raw in objects_in(cited if is_list(cited) else [cited]):
            at = self._texts.get(raw["content_index"]) if "content_index" in raw else None
            if at is None:
                at = max(self._texts.values(), default=None)
            if of_text(raw) and at is not None and at in self._open.values():
                out.append(ev.CitationAdded(read_citation(raw), at))
            else:
                self._cited.append(raw)

    def end(self, event: Fields, out: list[ev.Event]) -> None:
        told = object_in(event, "delta")
        reason = told.get("finish_reason")
        if told.get("error") or is_failure(reason):
            message = text_of(told.get("error")) or f"the provider's answer ended as {reason}"
            raise UpstreamError(message, body=event)
        for key in list(self._open):
            self._end(key, out)
        if self._cited:
            out.append(ev.ExtAdded({NAME: {"citations": self._cited}}, choice=0))
        stop, raw = read_stop(reason)
        out.append(ev.Finished(stop, stop_raw=raw))
        usage: Any = told.get("usage")
        if is_object(usage) and usage:
            out.append(ev.UsageReported(read_usage(usage)))
        self._done = True
        out.append(ev.Ended())


_READ: dict[str, Callable[[Parser, Fields, list[ev.Event]], None]] = {
    "message-start": Parser.start,
    "content-start": Parser.content_start,
    "content-delta": Parser.content_delta,
    "content-end": Parser.content_end,
    "tool-plan-delta": Parser.plan,
    "tool-call-start": Parser.call_start,
    "tool-call-delta": Parser.call_delta,
    "tool-call-end": Parser.call_end,
    "citation-start": Parser.citation,
    "message-end": Parser.end,
}
"""`citation-end` says nothing, `debug` repeats the prompt."""
