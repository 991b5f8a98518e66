"""Events to a stream of responses, in the order that the official client accumulates it.

| core | here |
|---|---|
| Started | `response.created`, `response.in_progress`, with the first event behind it |
| a part | `response.output_item.added`, its deltas, their `done`, `response.output_item.done` |
| texts in a row | `response.content_part.added` and `done` within one message, which ends when something else begins |
| Finished, usage, Ended | `response.completed` or `response.incomplete` with the whole answer, and no `[DONE]` |
| StreamFailed | `error`, and nothing behind it |

Items may interleave, as parts do. What a part becomes says output.py.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from tsuji.core import events as ev
from tsuji.core.parts import Refusal, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import TokenLogprob
from tsuji.core.usage import Usage
from tsuji.wire.openai.errors import write_error

from .fields import NAME, Fields, own
from .output import (
    annotation,
    call_item,
    message_item,
    reasoning_item,
    signature_item,
    whole_item,
    words,
    words_of,
)
from .response_out import envelope, finish

_encode = msgspec.json.Encoder().encode
_TEXT = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":%d,"item_id":%b,"output_index":%d,'
    b'"content_index":%d,"delta":%b,"logprobs":[]}\n\n'
)
_PIECE = (
    b"event: response.%b.delta\n"
    b'data: {"type":"response.%b.delta","sequence_number":%d,"item_id":%b,"output_index":%d,%b"delta":%b}\n\n'
)


_CALL, _CUSTOM = b"function_call_arguments", b"custom_tool_call_input"


class _Open:
    """A part under way. place: of its item in the output. at: of a text in its message. kind: of its deltas."""

    __slots__ = (
        "at",
        "begun",
        "citations",
        "item",
        "item_id",
        "kind",
        "part",
        "place",
        "redacted",
        "said",
        "signature",
    )

    def __init__(self, part: Any, place: int, item: Fields, kind: bytes, at: int = 0) -> None:
        self.part = part
        self.place = place
        self.item = item
        self.item_id = _encode(item.get("id"))
        self.kind = kind
        self.at = at
        self.begun = False
        self.said: list[str] = []
        self.citations: list[ev.Citation] = []
        self.signature = ""
        self.redacted = ""

    def built(self) -> Any:
        """The part as it has become."""
        part, text = self.part, "".join(self.said)
        signature = getattr(part, "signature", None) or self.signature or None
        if type(part) is Text:
            cited = (*part.citations, *self.citations)
            return msgspec.structs.replace(part, text=text, citations=cited, signature=signature)
        if type(part) is ToolCall:
            return msgspec.structs.replace(part, arguments=text or "{}", signature=signature)
        if type(part) is Thinking:
            redacted = (part.redacted or "") + self.redacted or None
            return msgspec.structs.replace(part, text=text, signature=signature, redacted=redacted)
        return msgspec.structs.replace(part, text=text) if type(part) is Refusal else part


class ResponsesStreamRenderer:
    """See StreamRenderer. The first choice is the answer."""

    def __init__(self, request: ChatRequest) -> None:
        self._answer = envelope("", request.model, None, None)
        self._output: list[Fields] = []
        self._started = False
        self._parts: dict[int, _Open] = {}
        self._message: tuple[int, Fields] | None = None
        self._logprobs: list[TokenLogprob] = []
        self._finished: ev.Finished | None = None
        self._usage: Usage | None = None
        self._sequence = 0
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

    def _send(self, kind: str, fields: Fields) -> None:
        data = _encode({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        self._out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))

    # The answer as a whole.

    def _on_started(self, event: ev.Started) -> None:
        self._answer = envelope(event.id, event.model or self._answer["model"], event.created, event.service_tier)
        self._extend(event.ext)

    def _extend(self, ext: ev.Ext | None) -> None:
        self._answer.update({k: v for k, v in own(ext).items() if not k.startswith("~")})

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._send("response.created", {"response": self._answer})
            self._send("response.in_progress", {"response": self._answer})

    def _on_usage(self, event: ev.UsageReported) -> None:
        self._usage = event.usage

    def _on_logprobs(self, event: ev.LogprobsAdded) -> None:
        if not event.choice and not event.refusal:
            self._logprobs += event.logprobs

    def _on_ext(self, event: ev.ExtAdded) -> None:
        if event.choice is None:
            self._extend(event.ext)

    def _on_finished(self, event: ev.Finished) -> None:
        if not event.choice:
            self._finished = event
            self._extend(event.ext)

    def _on_failed(self, event: ev.StreamFailed) -> None:
        """The official client reads `error`, other clients the fields beside it."""
        error: Fields = write_error(event.error)["error"]
        self._send(
            "error", {"code": error["code"], "message": error["message"], "param": error["param"], "error": error}
        )

    def _on_ended(self, event: ev.Ended) -> None:
        self._start()
        for index in list(self._parts):
            self._end(index, None)
        self._end_message()
        done = self._finished or ev.Finished("other")
        finish(self._answer, done.stop, done.stop_raw, self._usage)
        self._answer["output"] = self._output
        status = self._answer["status"]
        kind = "response.completed" if status == "completed" else "response.incomplete"
        self._send(kind, {"response": self._answer})

    # Items.

    def _on_part(self, event: Any) -> None:
        if event.choice:
            return
        self._start()
        if type(event) is ev.PartStarted:
            self._begin(event)
        elif type(event) is ev.PartEnded:
            self._end(event.index, event.part)
        elif (opened := self._parts.get(event.index)) is not None:
            self.DELTAS[type(event)](self, event, opened)

    def _add(self, item: Fields, shown: Fields) -> int:
        """A new item; `shown` is what is told of it at its beginning."""
        self._output.append(item)
        place = len(self._output) - 1
        self._send("response.output_item.added", {"output_index": place, "item": shown})
        return place

    def _done(self, place: int, item: Fields) -> None:
        self._output[place] = item
        self._send("response.output_item.done", {"output_index": place, "item": item})

    def _made(self) -> str:
        return f"{self._answer['id']}_{len(self._output)}"

    def _begin(self, event: ev.PartStarted) -> None:
        part = event.part
        said = words_of(part)
        if said is not None:
            self._begin_words(event.index, said)
            return
        self._end_message()
        made = self._made()
        if type(part) is ToolCall:
            item = call_item(part, made)
            custom = item["type"] == "custom_tool_call"
            shown = {"input": ""} if custom else {"arguments": "", "status": "in_progress"}
            place = self._add(item, {**item, **shown})
            opened = _Open(part, place, item, _CUSTOM if custom else _CALL)
            first = part.arguments if part.arguments != "{}" else ""
        elif type(part) is Thinking:
            item = {"id": part.id if part.origin == NAME and part.id else "rs_" + made, "type": "reasoning"}
            place = self._add(item, {**item, "summary": []})
            raw = part.origin == NAME and not part.summary
            opened = _Open(part, place, item, b"reasoning_text" if raw else b"reasoning_summary_text")
            first = part.text
        else:
            item = whole_item(part, made)
            if item is None:
                return
            self._parts[event.index] = _Open(part, self._add(item, item), item, b"")
            return
        self._parts[event.index] = opened
        if first:
            self._piece(first, opened)

    def _begin_words(self, index: int, said: Text | Refusal) -> None:
        if self._message is None or "~item" in own(said.ext):
            self._end_message()
            item: Fields = {**message_item(said, "msg_" + self._made()), "content": []}
            self._message = (self._add(item, {**item, "status": "in_progress"}), item)
        place, item = self._message
        opened = self._parts[index] = _Open(said, place, item, b"", len(item["content"]))
        empty = words(msgspec.structs.replace(said, text="", ext=None))
        item["content"].append(empty)
        self._send("response.content_part.added", self._where(opened, {"part": empty}))
        opened.kind = b"refusal" if type(said) is Refusal else b"output_text"
        if said.text:
            self._piece(said.text, opened)
        for citation in said.citations if type(said) is Text else ():
            self._cite(citation, opened, len(opened.citations))

    def _where(self, opened: _Open, fields: Fields) -> Fields:
        where = {"item_id": opened.item.get("id"), "output_index": opened.place}
        if opened.kind not in (_CALL, _CUSTOM):
            where["summary_index" if opened.kind == b"reasoning_summary_text" else "content_index"] = opened.at
        return {**where, **fields}

    # Deltas.

    def _piece(self, text: str, opened: _Open) -> None:
        opened.said.append(text)
        kind = opened.kind
        if kind == b"output_text":
            self._out.append(_TEXT % (self._sequence, opened.item_id, opened.place, opened.at, _encode(text)))
            self._sequence += 1
            return
        if kind == b"reasoning_summary_text" and not opened.begun:
            opened.begun = True
            part = {"type": "summary_text", "text": ""}
            self._send("response.reasoning_summary_part.added", self._where(opened, {"part": part}))
        position = b"" if kind in (_CALL, _CUSTOM) else b'"content_index":%d,' % opened.at
        if kind == b"reasoning_summary_text":
            position = b'"summary_index":0,'
        self._out.append(_PIECE % (kind, kind, self._sequence, opened.item_id, opened.place, position, _encode(text)))
        self._sequence += 1

    def _on_text(self, event: ev.TextDelta, opened: _Open) -> None:
        if opened.kind:
            self._piece(event.text, opened)

    def _on_arguments(self, event: ev.ArgumentsDelta, opened: _Open) -> None:
        self._piece(event.json, opened)

    def _on_signature(self, event: ev.SignatureDelta, opened: _Open) -> None:
        if event.redacted:
            opened.redacted += event.signature
        else:
            opened.signature += event.signature

    def _on_citation(self, event: ev.CitationAdded, opened: _Open) -> None:
        if type(opened.part) is Text:
            known = len(opened.part.citations) + len(opened.citations)
            opened.citations.append(event.citation)
            self._cite(event.citation, opened, known)

    def _cite(self, citation: ev.Citation, opened: _Open, index: int) -> None:
        made = annotation(citation, sum(map(len, opened.said)))
        if made is not None:
            fields = {"annotation_index": index, "annotation": made}
            self._send("response.output_text.annotation.added", self._where(opened, fields))

    def _on_audio(self, event: ev.AudioDelta, opened: _Open) -> None:
        """Only the transcript can be told."""

    # Ends.

    def _end(self, index: int, final: Any) -> None:
        opened = self._parts.pop(index, None)
        if opened is None:
            return
        if opened.kind == b"":
            item = whole_item(final, "") if final is not None else opened.item
            self._done(opened.place, item or opened.item)
            return
        part: Any = final if final is not None and type(final) is type(opened.part) else opened.built()
        if type(part) is ToolCall:
            given = {"input" if opened.kind == _CUSTOM else "arguments": part.arguments}
            named = {} if opened.kind == _CUSTOM else {"name": part.name}
            self._send(f"response.{opened.kind.decode()}.done", self._where(opened, {**named, **given}))
            self._done(opened.place, {**opened.item, **given})
        elif type(part) is Thinking:
            self._end_thinking(part, opened)
        else:
            self._end_words(part, opened)
        if type(part) is not Thinking and type(part) is not Refusal and part.signature is not None:
            self._end_message()
            item = signature_item(part.signature, f"rs_{self._made()}_signature")
            self._done(self._add(item, item), item)

    def _end_thinking(self, part: Thinking, opened: _Open) -> None:
        text = "".join(opened.said)
        if opened.kind == b"reasoning_text":
            if text:
                self._send("response.reasoning_text.done", self._where(opened, {"text": text}))
        elif opened.begun:
            self._send("response.reasoning_summary_text.done", self._where(opened, {"text": text}))
            done = {"part": {"type": "summary_text", "text": text}}
            self._send("response.reasoning_summary_part.done", self._where(opened, done))
        self._done(opened.place, reasoning_item(part, opened.item["id"]))

    def _end_words(self, part: Text | Refusal, opened: _Open) -> None:
        written = words(part, tuple(self._logprobs))
        opened.item["content"][opened.at] = written
        if type(part) is Refusal:
            self._send("response.refusal.done", self._where(opened, {"refusal": part.text}))
        else:
            self._logprobs = []
            said: Fields = {"text": part.text, "logprobs": written.get("logprobs") or []}
            self._send("response.output_text.done", self._where(opened, said))
        self._send("response.content_part.done", self._where(opened, {"part": written}))

    def _end_message(self) -> None:
        """The open message is over, and what is open of it."""
        message, self._message = self._message, None
        if message is None:
            return
        place, item = message
        for index, opened in list(self._parts.items()):
            if opened.item is item:
                self._end(index, None)
        self._done(place, item)

    ENVELOPE: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        ev.Started: _on_started,
        ev.UsageReported: _on_usage,
        ev.LogprobsAdded: _on_logprobs,
        ev.ExtAdded: _on_ext,
        ev.Finished: _on_finished,
        ev.StreamFailed: _on_failed,
        ev.Ended: _on_ended,
    }
    DELTAS: ClassVar[dict[type, Callable[[Any, Any, _Open], None]]] = {
        ev.TextDelta: _on_text,
        ev.ArgumentsDelta: _on_arguments,
        ev.SignatureDelta: _on_signature,
        ev.CitationAdded: _on_citation,
        ev.AudioDelta: _on_audio,
    }
