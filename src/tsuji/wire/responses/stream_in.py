"""Streamed answers, from the wire: typed events (https://platform.openai.com/docs/api-reference/responses-streaming).

Texts, refusals, reasoning and calls become parts with deltas; any other item is a part that is whole when it is done,
and the events on its way (a search under way, code being written) have no counterpart in core. A delta, an item or a
part whose beginning a provider left out is begun where it is first heard of. `response.completed` or
`response.incomplete` ends the answer; items that only stand there are taken from there.

A provider that answers a request for a stream with one JSON document is read as if it had streamed it.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from tsuji.core import events as ev
from tsuji.core.assemble import replay
from tsuji.core.errors import InvalidRequestError, StreamInterruptedError, TsujiError, UpstreamProtocolError
from tsuji.core.events import Event
from tsuji.core.parts import Ext, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.provider import Quirks
from tsuji.core.response import TokenLogprob
from tsuji.wire.openai.errors import error_of
from tsuji.wire.openai.fields import is_list, is_object, rest
from tsuji.wire.openai.guard import MALFORMED
from tsuji.wire.openai.logprobs import read_logprobs
from tsuji.wire.openai.response_in import text_or
from tsuji.wire.sse import MAX_EVENT, JsonEvents, SSEOverflow

from .content_in import read_citation
from .fields import NAME, Fields, ext
from .items_in import CALLS, add_item, read_call, read_reasoning
from .response_in import created_of, extras, parse_response, read_stop
from .usage import read_usage

_decode = msgspec.json.Decoder().decode


_BLANK = b" \t\r\n\xef\xbb\xbf"
"""What may stand before a body: it is passed over, in whichever pieces it comes."""


class _Open:
    """A part under way. said: how much of it has been told, in characters; cited: how many annotations; weighed:
    how many log-probabilities.
    """

    __slots__ = ("cited", "index", "said", "section", "weighed")

    def __init__(self, index: int) -> None:
        self.index = index
        self.said = 0
        self.cited = 0
        self.weighed = 0
        self.section = 0


class _Item:
    """An item under way, with its open parts by content index; those that are one part have it at 0."""

    __slots__ = ("done", "fields", "parts", "told")

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.parts: dict[int, _Open] = {}
        self.told = 0  # Parts begun.
        self.done = False


class ResponsesStreamParser:
    """See StreamParser."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._sse = JsonEvents()
        self._begun = False
        self._over = False
        self._document: bytearray | None = None  # A body that is no event stream, as far as it has come.
        self._sniffed = False
        self._items: dict[int, _Item] = {}
        self._count = 0
        self._said: Fields = {}
        self._content: list[Part] = []  # One of each kind that was said: what the reason to stop depends on.
        self._out: list[Event] = []

    def feed(self, data: bytes) -> list[Event]:
        self._out = []
        if self._over or not data:
            return self._out
        if not self._sniffed:
            self._sniff(data)
        try:
            if self._document is not None:
                self._document += data if self._document else data.lstrip(_BLANK)
                if len(self._document) > MAX_EVENT:
                    raise SSEOverflow
            else:
                self._events(self._sse.feed(data))
        except SSEOverflow:
            self._fail(UpstreamProtocolError("an event of the provider's stream has no end"))
        except TsujiError as error:
            self._fail(_upstream(error))
        except MALFORMED as error:
            self._fail(UpstreamProtocolError(f"the provider's stream is malformed: {error}"))
        return self._out

    def close(self) -> list[Event]:
        self._out = []
        if self._over:
            return self._out
        try:
            if self._document is not None:
                self._out += replay(parse_response(bytes(self._document), self._quirks))
                self._over = True
                return self._out
            self._events(self._sse.close())
            if not self._over and self._begun:
                self._fail(StreamInterruptedError("the provider closed the connection before the answer was complete"))
            elif not self._over:
                self._fail(UpstreamProtocolError("the provider's answer is no stream of response events"))
        except TsujiError as error:
            self._fail(_upstream(error))
        except MALFORMED:
            self._fail(StreamInterruptedError("the provider's stream was cut inside an event"))
        return self._out

    def _sniff(self, data: bytes) -> None:
        head = data.lstrip(_BLANK)
        if head:
            self._sniffed = True
            if head[:1] in b"{[<":
                self._document = bytearray()

    def _fail(self, error: TsujiError) -> None:
        self._over = True
        self._out.append(ev.StreamFailed(error))

    def _events(self, found: list[tuple[bytes, bytes]]) -> None:
        for name, payload in found:
            if payload.startswith(b"[DONE]"):
                why = "the provider ended the stream before the answer was complete"
                self._fail(StreamInterruptedError(why))
                return
            event: Any = _decode(payload)
            if not is_object(event):
                raise UpstreamProtocolError("an event of the provider's stream is no JSON object", body=event)
            kind: Any = event.get("type")
            handle = self.HANDLERS.get(kind) if type(kind) is str else None
            if handle is not None:
                handle(self, event)
            elif name == b"error" or (kind is None and event.get("error")):
                raise error_of(event, 0)
            elif not self._begun and not (type(kind) is str and kind.startswith(("response.", "keepalive"))):
                raise UpstreamProtocolError("an event of the provider's stream is no response event", body=event)
            if self._over:
                return

    # The answer as a whole.

    def _created(self, event: Fields) -> None:
        answer: Any = event.get("response")
        if self._begun or not is_object(answer):
            return
        self._begun = True
        tier: Any = answer.get("service_tier")
        self._said = {**extras(answer), "service_tier": tier}
        response_id, model = text_or(answer.get("id"), ""), text_or(answer.get("model"), "")
        tier = tier if type(tier) is str and tier else None
        self._out.append(ev.Started(response_id, model, created_of(answer), tier, ext(extras(answer))))

    def _news(self, answer: Fields) -> None:
        """What the answer says at its end and did not at its beginning."""
        late = {**extras(answer), "service_tier": answer.get("service_tier")}
        new = {k: v for k, v in late.items() if v is not None and self._said.get(k) != v}
        if new:
            self._out.append(ev.ExtAdded({NAME: new}))

    def _failed(self, event: Fields) -> None:
        answer: Any = event.get("response")
        error: Any = answer.get("error") if is_object(answer) else None
        raise error_of({"error": error} if is_object(error) else event, 0)

    def _completed(self, event: Fields) -> None:
        answer: Any = event.get("response")
        if not is_object(answer):
            raise UpstreamProtocolError("the end of the provider's stream has no response", body=event)
        self._created(event)
        output: Any = answer.get("output")
        for index, item in enumerate(output if is_list(output) else ()):
            if is_object(item) and (index not in self._items or not self._items[index].done):
                self._finish_item(index, item)
        for item in self._items.values():
            self._close(item)
        stop, raw = read_stop(answer, self._content)
        self._news(answer)
        self._out.append(ev.Finished(stop, 0, raw))
        usage: Any = answer.get("usage")
        if is_object(usage):
            tier = text_or(answer.get("service_tier"), "") or None
            self._out.append(ev.UsageReported(read_usage(usage), tier))
        self._out.append(ev.Ended())
        self._over = True

    # Items.

    def _begin(self, item: _Item, at: int, part: Part) -> _Open:
        opened = item.parts[at] = _Open(self._count)
        self._count += 1
        item.told += 1
        self._content.append(part)
        self._out.append(ev.PartStarted(part, opened.index))
        return opened

    def _item(self, event: Fields) -> _Item:
        index: Any = event.get("output_index", 0)
        found = self._items.get(index)
        if found is None:
            found = self._items[index] = _Item({"id": event.get("item_id"), "type": "message", "role": "assistant"})
        return found

    def _item_added(self, event: Fields) -> None:
        fields: Any = event.get("item")
        if not is_object(fields):
            return
        item = self._items[event.get("output_index", 0)] = _Item(fields)
        kind = fields.get("type")
        if kind in CALLS:
            given = CALLS[kind]
            done = {"status": "completed"} if "status" in fields else {}
            self._begin(item, 0, read_call({**fields, given: "", **done}, "item"))
            if fields.get(given):
                self._arguments({**event, "delta": fields[given]})
        elif kind not in ("message", "reasoning", "image_generation_call"):
            self._begin(item, 0, Opaque(NAME, text_or(kind, "unknown"), fields))

    def _item_done(self, event: Fields) -> None:
        fields: Any = event.get("item")
        if is_object(fields):
            self._finish_item(event.get("output_index", 0), fields)

    def _finish_item(self, index: int, fields: Fields) -> None:
        item = self._items.get(index)
        if item is None or (not item.told and fields.get("type") not in ("reasoning",)):
            self._whole_item(index, fields)
            return
        item.done = True
        kind = fields.get("type")
        final: Part | None = None
        if kind in CALLS and 0 in item.parts:
            self._rest(item.parts[0], text_or(fields.get(CALLS[kind]), ""), ToolCall)
        elif kind == "reasoning":
            thought = read_reasoning(fields)
            opened = item.parts.get(0) or self._thought(item, summary=thought.summary)
            self._rest(opened, thought.text, Thinking)
            if thought.redacted:
                self._out.append(ev.SignatureDelta(thought.redacted, opened.index, redacted=True))
            final = thought
        elif kind != "message" and 0 in item.parts:
            final = Opaque(NAME, text_or(kind, "unknown"), fields)
        elif kind == "message":
            self._finish_message(item, fields)
        self._close(item, final)

    def _finish_message(self, item: _Item, fields: Fields) -> None:
        """Content parts that were left out, or not ended."""
        content: Any = fields.get("content")
        for at, part in enumerate(content if is_list(content) else ()):
            if is_object(part) and (at in item.parts or at >= item.told):
                self._part_done({"part": part, "content_index": at}, item)

    def _whole_item(self, index: int, fields: Fields) -> None:
        item = self._items[index] = _Item(fields)
        item.done = True
        parts: list[Part] = []
        add_item(fields, parts, "item")
        for part in parts:
            opened = self._begin(item, 0, part)
            self._out.append(ev.PartEnded(opened.index))
            del item.parts[0]

    def _close(self, item: _Item, final: Part | None = None) -> None:
        for opened in item.parts.values():
            self._out.append(ev.PartEnded(opened.index, part=final))
        item.parts = {}

    def _rest(self, opened: _Open, text: str, kind: type[Part]) -> None:
        """What the deltas left out of a text that is known whole."""
        left = text[opened.said :]
        if left:
            opened.said = len(text)
            made: Event = ev.TextDelta(left, opened.index)
            self._out.append(ev.ArgumentsDelta(left, opened.index) if kind is ToolCall else made)

    # Messages.

    def _part_added(self, event: Fields) -> None:
        part: Any = event.get("part")
        item = self._item(event)
        if is_object(part) and part.get("type") in ("output_text", "refusal"):
            self._open_words(item, event, part.get("type") == "refusal")

    def _open_words(self, item: _Item, event: Fields, refusal: bool) -> _Open:
        at: Any = event.get("content_index", 0)
        opened = item.parts.get(at)
        if opened is None:
            done = {**rest(item.fields, ("content",)), "status": "completed"}
            kept: Ext = {NAME: {"~more": True} if item.told else {"~item": done}}
            opened = self._begin(item, at, Refusal("", kept) if refusal else Text("", ext=kept))
        return opened

    def _delta(self, event: Fields) -> None:
        text = event["delta"]
        opened = self._open_words(self._item(event), event, event["type"] == "response.refusal.delta")
        if text and type(text) is str:
            opened.said += len(text)
            self._out.append(ev.TextDelta(text, opened.index))
        self._weigh(opened, read_logprobs(event.get("logprobs")))

    def _weigh(self, opened: _Open, found: tuple[TokenLogprob, ...]) -> None:
        if found:
            opened.weighed += len(found)
            self._out.append(ev.LogprobsAdded(found))

    def _annotation(self, event: Fields) -> None:
        opened = self._open_words(self._item(event), event, False)
        annotation: Any = event.get("annotation")
        if is_object(annotation):
            opened.cited += 1
            self._out.append(ev.CitationAdded(read_citation(annotation), opened.index))

    def _part_done(self, event: Fields, item: _Item | None = None) -> None:
        part: Any = event.get("part")
        if not is_object(part) or part.get("type") not in ("output_text", "refusal"):
            return
        refusal = part.get("type") == "refusal"
        item = item or self._item(event)
        opened = self._open_words(item, event, refusal)
        self._rest(opened, text_or(part.get("refusal" if refusal else "text"), ""), Refusal if refusal else Text)
        notes: Any = part.get("annotations")
        for annotation in notes[opened.cited :] if is_list(notes) else ():
            if is_object(annotation):
                self._out.append(ev.CitationAdded(read_citation(annotation), opened.index))
        self._weigh(opened, read_logprobs(part.get("logprobs"))[opened.weighed :])
        del item.parts[event.get("content_index", 0)]
        self._out.append(ev.PartEnded(opened.index))

    # Calls and reasoning.

    def _arguments(self, event: Fields) -> None:
        text = event["delta"]
        opened = self._item(event).parts.get(0)
        if opened is not None and type(text) is str:
            opened.said += len(text)
            self._out.append(ev.ArgumentsDelta(text, opened.index))

    def _thought(self, item: _Item, summary: bool) -> _Open:
        opened = item.parts.get(0)
        if opened is None:
            item_id: Any = item.fields.get("id")
            part = Thinking(id=item_id if type(item_id) is str else None, summary=summary, origin=NAME)
            opened = self._begin(item, 0, part)
        return opened

    def _thinks(self, event: Fields) -> None:
        text = event["delta"]
        summary = event["type"] == "response.reasoning_summary_text.delta"
        opened = self._thought(self._item(event), summary)
        section: Any = event.get("summary_index", 0)
        if summary and section != opened.section and opened.said:
            text = "\n\n" + text
        opened.section = section
        if text and type(text) is str:
            opened.said += len(text)
            self._out.append(ev.TextDelta(text, opened.index))

    HANDLERS: ClassVar[dict[str, Callable[[Any, Fields], None]]] = {
        "response.created": _created,
        "response.queued": _created,
        "response.in_progress": _created,
        "response.completed": _completed,
        "response.incomplete": _completed,
        "response.failed": _failed,
        "error": _failed,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "response.content_part.added": _part_added,
        "response.content_part.done": _part_done,
        "response.output_text.delta": _delta,
        "response.refusal.delta": _delta,
        "response.output_text.annotation.added": _annotation,
        "response.function_call_arguments.delta": _arguments,
        "response.custom_tool_call_input.delta": _arguments,
        "response.reasoning_summary_text.delta": _thinks,
        "response.reasoning_text.delta": _thinks,
    }


def _upstream(error: TsujiError) -> TsujiError:
    """A reader's complaint about a part is the provider's fault here; its own error stays what it is."""
    if isinstance(error, InvalidRequestError) and error.body is None:
        return UpstreamProtocolError(f"the provider's stream is malformed: {error.message}")
    return error
