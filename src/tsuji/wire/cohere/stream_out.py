"""Events, to a streamed answer of /v2/chat: typed events, which name themselves twice.

The last event carries why the answer ended and its tokens; where it was cut, the error. Of several answers the first
is given.
"""

from collections.abc import Callable
from typing import Any

from tsuji.core import events as ev
from tsuji.core.assemble import Assembler
from tsuji.core.parts import Audio, Part, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import Choice
from tsuji.wire.passthrough import encode

from .citations import write_citation
from .fields import Fields, own
from .logprobs import write_logprobs
from .response_out import block_of, call_of, is_plan
from .stops import write_stop
from .usage import write_usage

_EMPTY: Fields = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}


class _Open:
    """A part under way. kind: "text", "thinking", "plan" or "call". number: the stream's for it; None for a plan, which
    has none, and for a block that says nothing yet.
    """

    __slots__ = ("kind", "number", "said")

    def __init__(self, kind: str, number: int | None = None) -> None:
        self.kind = kind
        self.number = number
        self.said: list[str] = []


class Renderer:
    """A StreamRenderer."""

    __slots__ = ("_blocks", "_calls", "_cited", "_ended", "_id", "_open", "_whole")

    def __init__(self, request: ChatRequest) -> None:
        self._id = ""
        self._open: dict[int, _Open] = {}
        self._blocks = 0
        self._calls = 0
        self._cited = 0
        self._whole = Assembler()
        self._ended = False

    def render(self, events: list[ev.Event]) -> bytes:
        out: list[Fields] = []
        for event in events:
            if not self._ended and not getattr(event, "choice", None):
                _RENDER[type(event)](self, event, out)
        return b"".join([b"event: %b\ndata: %b\n\n" % (e["type"].encode(), encode(e)) for e in out])

    def started(self, event: ev.Started, out: list[Fields]) -> None:
        self._id = event.id
        out.append({"type": "message-start", "id": event.id, "delta": {"message": _EMPTY}})

    def part_started(self, event: ev.PartStarted, out: list[Fields]) -> None:
        part = event.part
        if type(part) is ToolCall:
            number = self._calls
            self._calls += 1
            opened = self._open[event.index] = _Open("call", number)
            call = call_of(part, number)
            call["function"]["arguments"] = ""
            out.append(_told("tool-call-start", number, {"tool_calls": call}))
            if part.arguments and part.arguments != "{}":
                self._argue(opened, part.arguments, out)
        elif is_plan(part):
            opened = self._open[event.index] = _Open("plan")
            self._say(opened, part.text, out)
        else:
            self._block(part, event.index, out)

    def _block(self, part: Part, index: int, out: list[Fields]) -> None:
        if type(part) is Thinking:
            opened, text = _Open("thinking"), part.text
        elif type(part) is Audio:
            opened, text = _Open("text"), part.transcript or ""
        else:
            block = block_of(part)
            if block is None:
                return
            opened, text = _Open("text"), block.get("text", "")
            self._begin(opened, out)
        self._open[index] = opened
        self._say(opened, text, out)
        if type(part) is Text:
            for citation in part.citations:
                self.citation(ev.CitationAdded(citation, index), out)

    def _begin(self, opened: _Open, out: list[Fields]) -> int:
        """The number of its block, which begins now at the latest."""
        if opened.number is None:
            opened.number = self._blocks
            self._blocks += 1
            kind = opened.kind
            out.append(_told("content-start", opened.number, {"content": {"type": kind, kind: ""}}))
        return opened.number

    def _say(self, opened: _Open, text: str, out: list[Fields]) -> None:
        if not text:
            return
        opened.said.append(text)
        if opened.kind == "plan":
            out.append({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": text}}})
        else:
            out.append(_told("content-delta", self._begin(opened, out), {"content": {opened.kind: text}}))

    def _argue(self, opened: _Open, json: str, out: list[Fields]) -> None:
        if json:
            opened.said.append(json)
            out.append(_told("tool-call-delta", opened.number, {"tool_calls": {"function": {"arguments": json}}}))

    def text(self, event: ev.TextDelta, out: list[Fields]) -> None:
        opened = self._open.get(event.index)
        if opened is not None:
            self._say(opened, event.text, out)

    def arguments(self, event: ev.ArgumentsDelta, out: list[Fields]) -> None:
        self._argue(self._open[event.index], event.json, out)

    def citation(self, event: ev.CitationAdded, out: list[Fields]) -> None:
        opened = self._open.get(event.index)
        if opened is not None:
            self._cite(write_citation(event.citation, "".join(opened.said), self._begin(opened, out)), out)

    def _cite(self, raw: Fields, out: list[Fields]) -> None:
        out.append(_told("citation-start", self._cited, {"citations": raw}))
        out.append({"type": "citation-end", "index": self._cited})
        self._cited += 1

    def logprobs(self, event: ev.LogprobsAdded, out: list[Fields]) -> None:
        at = max(self._blocks - 1, 0)
        for item in write_logprobs(event.logprobs):
            out.append({**_told("content-delta", at, {"content": {"text": ""}}), "logprobs": item})

    def part_ended(self, event: ev.PartEnded, out: list[Fields]) -> None:
        opened = self._open.get(event.index)
        if opened is None or opened.number is None:
            return
        if opened.kind == "call":
            if not opened.said:
                self._argue(opened, "{}", out)
            out.append({"type": "tool-call-end", "index": opened.number})
        else:
            out.append({"type": "content-end", "index": opened.number})

    def ext(self, event: ev.ExtAdded, out: list[Fields]) -> None:
        for raw in own(event.ext).get("citations", ()) if event.choice == 0 else ():
            self._cite(raw, out)

    def envelope(self, event: ev.Event, out: list[Fields]) -> None:
        """Kept for the last event."""
        self._whole.add(event)

    def nothing(self, event: ev.Event, out: list[Fields]) -> None:
        """What no client of this dialect could read."""

    def ended(self, event: ev.Ended, out: list[Fields]) -> None:
        answer = self._whole.response()
        choice = answer.choices[0] if answer.choices else Choice()
        delta: Fields = {"finish_reason": write_stop(choice.stop, choice.stop_raw)}
        if answer.usage is not None:
            delta["usage"] = write_usage(answer.usage)
        self._last(delta, out)

    def failed(self, event: ev.StreamFailed, out: list[Fields]) -> None:
        self._last({"error": event.error.message, "finish_reason": "ERROR"}, out)

    def _last(self, delta: Fields, out: list[Fields]) -> None:
        self._ended = True
        out.append({"type": "message-end", "id": self._id, "delta": delta})


def _told(kind: str, index: int | None, message: Fields) -> Fields:
    return {"type": kind, "index": index, "delta": {"message": message}}


_RENDER: dict[type[ev.Event], Callable[[Renderer, Any, list[Fields]], None]] = {
    ev.Started: Renderer.started,
    ev.PartStarted: Renderer.part_started,
    ev.TextDelta: Renderer.text,
    ev.ArgumentsDelta: Renderer.arguments,
    ev.SignatureDelta: Renderer.nothing,
    ev.AudioDelta: Renderer.nothing,
    ev.CitationAdded: Renderer.citation,
    ev.LogprobsAdded: Renderer.logprobs,
    ev.PartEnded: Renderer.part_ended,
    ev.ExtAdded: Renderer.ext,
    ev.Finished: Renderer.envelope,
    ev.UsageReported: Renderer.envelope,
    ev.Ended: Renderer.ended,
    ev.StreamFailed: Renderer.failed,
}
