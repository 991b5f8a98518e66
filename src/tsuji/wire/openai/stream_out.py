"""Streamed answers, to the wire: the order of events that the official client expects.

For each choice a chunk with the role first; calls numbered in the order of their start; one chunk with the reason to
finish; one with the usage and no choices, if the client asked for it; `[DONE]`. No other chunk is without choices, and
none comes after a reason to finish, because programs read choices[0] of every chunk and stop at a reason: that chunk
waits for what the provider still says of the whole answer. An error is an event of its own, and nothing follows it.
Thoughts and the rest go where response_out.py puts them; a thought's signature comes as one entry of
`reasoning_details` with all its text, when the thought ends.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tsuji.core import events as ev
from tsuji.core.events import Event
from tsuji.core.parts import Audio, Image, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.usage import Usage

from .errors import write_error
from .fields import NAME, own
from .logprobs import write_logprobs
from .parts_out import address
from .reasoning import write_detail
from .response_out import call_extra, citation, needs_detail, place, text_name, write_tier
from .stops import write_stop
from .usage import write_usage

_encode = msgspec.json.Encoder().encode
_SILENT = b'{"index":0,"delta":{},"logprobs":null,"finish_reason":null}],'
_CHUNK = b'"content":[{"type":"thinking","thinking":[{"type":"text","text":', b"}]}]"
Fields = dict[str, Any]


class _Open:
    """A part under way. before: `{"choices":[...` up to the place where a piece of text goes."""

    __slots__ = (
        "after",
        "before",
        "call",
        "detail",
        "length",
        "offset",
        "part",
        "redacted",
        "said",
        "signature",
        "text",
    )

    def __init__(self, part: Part) -> None:
        self.part = part
        self.before = b""
        self.after = b""
        self.call: int | None = None
        self.detail: Fields | None = None  # Thoughts that came as details go out as details, piece by piece.
        self.text: list[str] = []
        self.signature: list[str] = []
        self.redacted: list[str] = []
        self.offset = 0
        self.length = 0
        self.said = False


class _Choice:
    __slots__ = ("calls", "parts", "text_length", "thoughts")

    def __init__(self) -> None:
        self.parts: dict[int, _Open] = {}
        self.calls = 0
        self.thoughts = 0
        self.text_length = 0


class ChatStreamRenderer:
    """See StreamRenderer. request: what the client sent.

    as_chunk: writes a thought for Mistral's client (mistral.py), which also takes no call but a whole one.
    """

    def __init__(self, request: ChatRequest, as_chunk: Callable[[Thinking], Fields] | None = None) -> None:
        self._as_chunk = as_chunk
        self._with_usage = bool(request.stream_usage)
        self._head = b""
        self._usage: Usage | None = None
        self._choices: dict[int, _Choice] = {}
        self._closing = b""  # the chunk with a reason to finish, up to its tail
        self._late: Fields = {}
        self._tail = b',"usage":null}\n\n' if self._with_usage else b"}\n\n"
        self._start(ev.Started("", request.model))

    def render(self, events: list[Event]) -> bytes:
        return b"".join([_RENDER[type(event)](self, event) for event in events])

    def _start(self, event: ev.Started) -> None:
        head: Fields = {
            "id": event.id,
            "object": "chat.completion.chunk",
            "created": event.created or 0,
            "model": event.model,
        }
        tier = write_tier(event.service_tier)
        if tier is not None:
            head["service_tier"] = tier
        said = own(event.ext)
        if "system_fingerprint" in said:
            head["system_fingerprint"] = said["system_fingerprint"]
        self._head = b"data: " + _encode(head)[:-1] + b',"choices":['

    def started(self, event: ev.Started) -> bytes:
        self._start(event)
        more = {k: v for k, v in own(event.ext).items() if k != "system_fingerprint" and k[:1] != "~"}
        return self._role(0, _encode(more)[1:-1] if more else b"")

    def _role(self, index: int, more: bytes = b"") -> bytes:
        self._choices[index] = _Choice()
        delta = b'{"index":%d,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]' % index
        return self._head + delta + (b"," + more if more else b"") + self._tail

    def _chunk(self, index: int, delta: Fields, **fields: Any) -> bytes:
        choice: Fields = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None, **fields}
        return self._head + _encode(choice) + b"]" + self._tail

    def _choice(self, index: int) -> tuple[_Choice, bytes]:
        """The state of a choice, and the chunk that begins it where this is the first of it."""
        found = self._choices.get(index)
        if found is not None:
            return found, b""
        begun = self._role(index)
        return self._choices[index], begun

    def part_started(self, event: ev.PartStarted) -> bytes:
        choice, out = self._choice(event.choice)
        part = event.part
        opened = choice.parts[event.index] = _Open(part)
        if type(part) is ToolCall:
            return out + self._call(choice, opened, part, event.choice)
        if type(part) is Image or type(part) is Opaque:
            return out + self._whole(part, event.choice)
        if type(part) is Audio:
            if part.id is not None:
                out += self._chunk(event.choice, {"audio": {"id": part.id}})
            if part.source.data is not None:
                out += self._chunk(event.choice, {"audio": {"data": part.source.data}})
            if part.transcript:
                out += self._chunk(event.choice, {"audio": {"transcript": part.transcript}})
            opened.before, opened.after = self._around(event.choice, b'"audio":{"transcript":', b"}")
            return out
        field, end = b"", b""
        if type(part) is Text:
            opened.offset = choice.text_length
            field = b'"content":'
        elif type(part) is Refusal:
            field = b'"refusal":'
        elif type(part) is Thinking:
            field, end = self._thought(choice, opened, part)
        else:
            return out
        opened.before, opened.after = self._around(event.choice, field, end)
        text = part.text
        if text:
            out += self.text(ev.TextDelta(text, event.index, event.choice))
        if type(part) is Text:
            for cited in part.citations:
                out += self.citation(ev.CitationAdded(cited, event.index, event.choice))
        return out

    def _around(self, index: int, before: bytes, after: bytes) -> tuple[bytes, bytes]:
        head = self._head + b'{"index":%d,"delta":{' % index + before
        return head, after + b'},"logprobs":null,"finish_reason":null}]' + self._tail

    def _thought(self, choice: _Choice, opened: _Open, part: Thinking) -> tuple[bytes, bytes]:
        opened.detail = None if self._as_chunk else own(part.ext).get("~detail")
        if opened.detail is not None and part.id is not None:
            opened.detail = {**opened.detail, "id": part.id}
        opened.call = choice.thoughts
        choice.thoughts += 1
        if part.signature is not None:
            opened.signature.append(part.signature)
        if part.redacted is not None:
            opened.redacted.append(part.redacted)
        if self._as_chunk is not None:
            return _CHUNK
        return b'"%s":' % text_name(own(part.ext)).encode(), b""

    def _call(self, choice: _Choice, opened: _Open, call: ToolCall, index: int) -> bytes:
        kept = own(call.ext)
        number = opened.call = choice.calls
        choice.calls += 1
        opened.said = bool(call.arguments) and call.arguments != "{}"
        first = call.arguments if opened.said else ""
        if "~function_call" in kept:
            opened.before, opened.after = self._around(index, b'"function_call":{"arguments":', b"}")
            return self._chunk(index, {"function_call": {"name": call.name, "arguments": first}})
        entry: Fields = {"index": number, "id": call.id or f"call_{number}", "type": "function"}
        if kept.get("~type") == "custom":
            entry["type"] = "custom"
            entry["custom"] = {"name": call.name, "input": first}
            around = b'"custom":{"input":'
        else:
            entry["function"] = {"name": call.name, "arguments": first}
            around = b'"function":{"arguments":'
        extra = call_extra(call)
        if extra is not None:
            entry["extra_content"] = extra
        for name, value in kept.items():
            if name[:1] != "~":
                entry[name] = value
        if self._as_chunk is not None:
            opened.detail = entry
            return b""
        opened.before, opened.after = self._around(index, b'"tool_calls":[{"index":%d,' % number + around, b"}}]")
        return self._chunk(index, {"tool_calls": [entry]})

    def _whole(self, part: Image | Opaque, index: int) -> bytes:
        if type(part) is Image:
            url = address(part.source)
            return self._chunk(index, {"images": [{"type": "image_url", "image_url": {"url": url}}]}) if url else b""
        return self._chunk(index, {"content": [part.data]}) if type(part) is Opaque and part.dialect == NAME else b""

    def text(self, event: ev.TextDelta) -> bytes:
        choice = self._choices[event.choice]
        opened = choice.parts[event.index]
        text = event.text
        if type(opened.part) is Text:
            opened.length += len(text)
            choice.text_length += len(text)
        elif type(opened.part) is Thinking:
            if opened.detail is not None:
                field = "summary" if opened.part.summary else "text"
                detail = {**opened.detail, field: text}
                name = text_name(own(opened.part.ext))
                return self._chunk(event.choice, {name: text, "reasoning_details": [detail]})
            opened.text.append(text)
        return opened.before + _encode(text) + opened.after

    def arguments(self, event: ev.ArgumentsDelta) -> bytes:
        opened = self._choices[event.choice].parts[event.index]
        if not event.json:
            return b""
        opened.said = True
        if opened.detail is not None:
            opened.text.append(event.json)
            return b""
        return opened.before + _encode(event.json) + opened.after

    def signature(self, event: ev.SignatureDelta) -> bytes:
        opened = self._choices[event.choice].parts[event.index]
        part = opened.part
        if type(part) is ToolCall:
            if opened.detail is not None:
                return b""
            extra = {"google": {"thought_signature": event.signature}}
            return self._chunk(event.choice, {"tool_calls": [{"index": opened.call, "extra_content": extra}]})
        if opened.detail is not None:
            detail = {**opened.detail, "data" if event.redacted else "signature": event.signature}
            return self._chunk(event.choice, {"reasoning_details": [detail]})
        (opened.redacted if event.redacted else opened.signature).append(event.signature)
        return b""

    def audio(self, event: ev.AudioDelta) -> bytes:
        return self._chunk(event.choice, {"audio": {"data": event.data}})

    def citation(self, event: ev.CitationAdded) -> bytes:
        opened = self._choices[event.choice].parts[event.index]
        found = citation(event.citation, opened.offset, opened.length)
        return b"" if found is None else self._chunk(event.choice, {"annotations": [found]})

    def logprobs(self, event: ev.LogprobsAdded) -> bytes:
        entries = write_logprobs(event.logprobs)
        told = {"content": None if event.refusal else entries, "refusal": entries if event.refusal else None}
        _, out = self._choice(event.choice)
        return out + self._chunk(event.choice, {}, logprobs=told)

    def part_ended(self, event: ev.PartEnded) -> bytes:
        opened = self._choices[event.choice].parts[event.index]
        part = opened.part
        if type(part) is ToolCall and opened.detail is not None:
            function = opened.detail.get("function", {})
            function["arguments"] = function.get("arguments", "") + "".join(opened.text) or "{}"
            return self._chunk(event.choice, {"tool_calls": [opened.detail]})
        if type(part) is ToolCall and not opened.said:
            return opened.before + b'"{}"' + opened.after
        if type(part) is Thinking and opened.detail is None and (opened.signature or opened.redacted):
            whole = msgspec.structs.replace(
                part,
                text="".join(opened.text),
                signature="".join(opened.signature) or None,
                redacted="".join(opened.redacted) or None,
            )
            if self._as_chunk is not None:
                proof = self._as_chunk(msgspec.structs.replace(whole, text=""))
                return self._chunk(event.choice, {"content": [proof]})
            if needs_detail(whole):
                detail = write_detail(whole, opened.call or 0)
                return self._chunk(event.choice, {"reasoning_details": [detail]})
        return b""

    def ext(self, event: ev.ExtAdded) -> bytes:
        fields = {k: v for k, v in own(event.ext).items() if k[:1] != "~"}
        if not fields:
            return b""
        if event.choice is None:
            if self._closing:
                self._late.update(fields)
                return b""
            return self._head + _SILENT + _encode(fields)[1:-1] + self._tail
        _, out = self._choice(event.choice)
        placed: Fields = {"message": {}}
        for name, value in fields.items():
            place(placed, name, value)
        return out + self._chunk(event.choice, placed.pop("message"), **placed)

    def finished(self, event: ev.Finished) -> bytes:
        _, out = self._choice(event.choice)
        fields = {k: v for k, v in own(event.ext).items() if k[:1] != "~" and not k.startswith("message.")}
        fields["finish_reason"] = write_stop(event.stop, event.stop_raw)
        out += self._closed()
        self._closing = self._chunk(event.choice, {}, **fields).removesuffix(self._tail)
        return out

    def _closed(self) -> bytes:
        """The chunk that waits with a reason to finish."""
        waiting, late = self._closing, self._late
        if not waiting:
            return b""
        self._closing, self._late = b"", {}
        return waiting + (b"," + _encode(late)[1:-1] if late else b"") + self._tail

    def usage(self, event: ev.UsageReported) -> bytes:
        self._usage = event.usage
        return b""

    def ended(self, event: ev.Ended) -> bytes:
        if self._as_chunk is not None and self._usage is not None:
            self._late["usage"] = write_usage(self._usage)
        out = self._closed()
        if self._with_usage and self._usage is not None:
            out += self._head + b'],"usage":' + _encode(write_usage(self._usage)) + b"}\n\n"
        return out + b"data: [DONE]\n\n"

    def failed(self, event: ev.StreamFailed) -> bytes:
        return self._closed() + b"data: " + _encode(write_error(event.error)) + b"\n\n"


_RENDER: dict[type[Event], Callable[[ChatStreamRenderer, Any], bytes]] = {
    ev.TextDelta: ChatStreamRenderer.text,
    ev.ArgumentsDelta: ChatStreamRenderer.arguments,
    ev.SignatureDelta: ChatStreamRenderer.signature,
    ev.AudioDelta: ChatStreamRenderer.audio,
    ev.CitationAdded: ChatStreamRenderer.citation,
    ev.LogprobsAdded: ChatStreamRenderer.logprobs,
    ev.PartStarted: ChatStreamRenderer.part_started,
    ev.PartEnded: ChatStreamRenderer.part_ended,
    ev.ExtAdded: ChatStreamRenderer.ext,
    ev.Started: ChatStreamRenderer.started,
    ev.Finished: ChatStreamRenderer.finished,
    ev.UsageReported: ChatStreamRenderer.usage,
    ev.Ended: ChatStreamRenderer.ended,
    ev.StreamFailed: ChatStreamRenderer.failed,
}
