"""One choice of a streamed answer: deltas to events."""

from typing import Any

import msgspec

from tsuji.core import events as ev
from tsuji.core.events import Event
from tsuji.core.parts import Audio, Media, Part, Refusal, Text, Thinking, ToolCall

from .fields import NAME, ext, is_list, is_object, names, rest
from .logprobs import read_logprobs
from .messages_in import read_citation, thought_signature
from .parts_in import mistral_thinking, read_part
from .reasoning import read_detail, text_field
from .response_in import MESSAGE, arguments_text, read_images, text_or
from .stops import read_stop

# Perplexity repeats all the message so far beside each delta.
_CHOICE = frozenset(("index", "delta", "message", "finish_reason", "logprobs"))
_PLAIN = frozenset(("role", "content"))


class _Call:
    """A tool call under way. part: its index; None until its name is known, and `early` holds what came before."""

    __slots__ = ("early", "id", "part", "signature")

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.part: int | None = None
        self.early: list[str] = []
        self.signature: str | None = None


class ChoiceState:
    """finished: Finished is out. ending: a reason to finish came, but an empty one."""

    __slots__ = (
        "_by_index",
        "_calls",
        "_count",
        "_current",
        "_field",
        "_index",
        "_key",
        "_latest",
        "_said",
        "ending",
        "finished",
    )

    def __init__(self, index: int, reasoning_field: str | None) -> None:
        self._index = index
        self._field = reasoning_field
        self._count = 0
        self._key: Any = None  # What the open part is: "text", "refusal", "audio", or a thought's field or detail.
        self._current = 0
        self._calls: list[_Call] = []
        self._by_index: dict[Any, _Call] = {}
        self._latest: _Call | None = None
        self._said: dict[str, Any] = {}
        self.ending = False
        self.finished = False

    def feed(self, choice: dict[str, Any], out: list[Event]) -> None:
        delta: Any = choice.get("delta", choice.get("message"))
        if delta and is_object(delta):
            if delta.keys() <= _PLAIN and type(delta.get("content")) is str:
                if delta["content"]:
                    self._text(delta["content"], "text", out)
            else:
                self._delta(delta, out)
        logprobs: Any = choice.get("logprobs")
        if logprobs:
            self._logprobs(logprobs, out)
        kept = None if choice.keys() <= _CHOICE else self._new(rest(choice, _CHOICE))
        reason: Any = choice.get("finish_reason")
        if reason and type(reason) is str and not self.finished:
            self.finish(reason, out, kept)
            return
        self.ending = self.ending or reason == ""
        if kept:
            out.append(ev.ExtAdded({NAME: kept}, self._index))

    def finish(self, reason: str, out: list[Event], kept: dict[str, Any] | None = None) -> None:
        """Ends what is open, and the choice, once."""
        self._close(out)
        if self.finished:
            return
        for call in self._calls:
            if call.part is None:
                self._begin_call(call, "", None, out)
            out.append(ev.PartEnded(call.part or 0, self._index))
        self.finished = True
        stop = read_stop(reason, bool(self._calls))
        out.append(ev.Finished(stop, self._index, reason or None, None, ext(kept)))

    def _new(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Those that say something new: providers repeat themselves in every chunk."""
        said = self._said
        new = {k: v for k, v in fields.items() if said.get(k) != v}
        said.update(new)
        return new

    def _open(self, part: Part, key: Any, out: list[Event]) -> None:
        self._close(out)
        self._key, self._current = key, self._count
        self._count += 1
        out.append(ev.PartStarted(part, self._current, self._index))

    def _close(self, out: list[Event]) -> None:
        if self._key is not None:
            self._key = None
            out.append(ev.PartEnded(self._current, self._index))

    def _text(self, text: str, key: str, out: list[Event]) -> None:
        if self._key != key:
            self._open(Text("") if key == "text" else Refusal(""), key, out)
        out.append(ev.TextDelta(text, self._current, self._index))

    def _delta(self, delta: dict[str, Any], out: list[Event]) -> None:
        self._thoughts(delta, out)
        content: Any = delta.get("content")
        if type(content) is str:
            if content:
                self._text(content, "text", out)
        elif is_list(content):
            self._listed(content, out)
        refusal: Any = delta.get("refusal")
        if refusal and type(refusal) is str:
            self._text(refusal, "refusal", out)
        calls: Any = delta.get("tool_calls")
        if is_list(calls):
            for call in calls:
                if is_object(call):
                    self._call(call, out)
        if not delta.keys() <= _USUAL:
            self._unusual(delta, out)

    def _unusual(self, delta: dict[str, Any], out: list[Event]) -> None:
        legacy: Any = delta.get("function_call")
        if is_object(legacy):
            self._call({"index": "function_call", "function": legacy}, out)
        audio: Any = delta.get("audio")
        if is_object(audio):
            self._audio(audio, out)
        for image in read_images(delta.get("images")):
            self._open(image, "whole", out)
            self._close(out)
        annotations: Any = delta.get("annotations")
        if is_list(annotations) and annotations:
            if self._key != "text":
                self._open(Text(""), "text", out)
            for annotation in annotations:
                if is_object(annotation):
                    out.append(ev.CitationAdded(read_citation(annotation), self._current, self._index))
        unknown = {
            "message." + k: v for k, v in delta.items() if k not in MESSAGE and k != self._field and v is not None
        }
        new = self._new(unknown)
        if new:
            out.append(ev.ExtAdded({NAME: new}, self._index))

    def _listed(self, content: list[Any], out: list[Event]) -> None:
        """Mistral's list of parts."""
        for i, part in enumerate(content):
            kind = part.get("type") if is_object(part) else None
            if kind == "text":
                self._text(text_or(part.get("text"), ""), "text", out)
            elif kind == "thinking":
                self._thought(mistral_thinking(part.get("thinking")), "content", out)
            else:
                self._open(read_part(part, f"content[{i}]"), "whole", out)
                self._close(out)

    def _thought(self, text: str, field: str, out: list[Event]) -> None:
        key = ("field", field)
        if self._key != key:
            self._open(Thinking("", origin=NAME, ext={NAME: {"~field": field}}), key, out)
        out.append(ev.TextDelta(text, self._current, self._index))

    def _thoughts(self, delta: dict[str, Any], out: list[Event]) -> None:
        details: Any = delta.get("reasoning_details")
        told = False
        if is_list(details) and details:
            for detail in details:
                if is_object(detail):
                    told = self._detail(detail, out) or told
        found = None if told else text_field(delta, self._field)
        if found:
            self._thought(found[1], found[0], out)

    def _detail(self, detail: dict[str, Any], out: list[Event]) -> bool:
        """Whether it has text, which the plain field then only repeats."""
        piece = read_detail(detail)
        key = ("detail", detail.get("index"), detail.get("type"))
        if self._key != key:
            started = msgspec.structs.replace(piece, text="", signature=None, redacted=None)
            self._open(started, key, out)
        if piece.text:
            out.append(ev.TextDelta(piece.text, self._current, self._index))
        if piece.signature:
            out.append(ev.SignatureDelta(piece.signature, self._current, self._index))
        if piece.redacted:
            out.append(ev.SignatureDelta(piece.redacted, self._current, self._index, redacted=True))
        return bool(piece.text)

    def _audio(self, audio: dict[str, Any], out: list[Event]) -> None:
        if self._key != "audio":
            self._open(Audio(Media(), id=text_or(audio.get("id"), "") or None), "audio", out)
        if audio.get("data"):
            out.append(ev.AudioDelta(text_or(audio["data"], ""), self._current, self._index))
        if audio.get("transcript"):
            out.append(ev.TextDelta(text_or(audio["transcript"], ""), self._current, self._index))
        left = rest(audio, ("id", "data", "transcript"))
        if left:
            out.append(ev.ExtAdded({NAME: {"message.audio." + k: v for k, v in left.items()}}, self._index))

    def _call(self, delta: dict[str, Any], out: list[Event]) -> None:
        function: Any = delta.get("function") or delta.get("custom")
        function = function if is_object(function) else {}
        call_id, name = text_or(delta.get("id"), ""), text_or(function.get("name"), "")
        call = self._find(delta.get("index"), call_id, name)
        call.id = call.id or call_id
        call.signature = call.signature or thought_signature(delta)
        arguments: Any = function.get("arguments", function.get("input"))
        text = arguments if type(arguments) is str else "" if arguments is None else arguments_text(arguments)
        if call.part is None:
            if text:
                call.early.append(text)
            if name:
                self._begin_call(call, name, delta, out)
        elif text:
            out.append(ev.ArgumentsDelta(text, call.part, self._index))

    def _find(self, index: Any, call_id: str, name: str) -> _Call:
        """The call that a delta is about. Some providers give every call the index 0, or none at all, or no id."""
        call = self._latest if index is None and not call_id else self._by_index.get(index)
        again = call is not None and name and call.part is not None
        if call is None or (again and (call.id != call_id if call_id else not call.id)):
            call = self._add_call(index, call_id)
        self._latest = call
        return call

    def _add_call(self, index: Any, call_id: str) -> _Call:
        call = self._by_index[index] = _Call(call_id)
        self._calls.append(call)
        return call

    def _begin_call(self, call: _Call, name: str, delta: dict[str, Any] | None, out: list[Event]) -> None:
        self._close(out)
        call.part = self._count
        self._count += 1
        kept: dict[str, Any] = {}
        if delta:
            kept = rest(delta, ("id", "type", "function", "index", "custom", "extra_content"))
            if delta.get("type") == "custom":
                kept["~type"] = "custom"
            if delta.get("index") == "function_call":
                kept["~function_call"] = True
            if delta.get("extra_content") is not None:
                kept["~extra_content"] = delta["extra_content"]
        out.append(ev.PartStarted(ToolCall(call.id, name, "", call.signature, ext=ext(kept)), call.part, self._index))
        if call.early:
            out.append(ev.ArgumentsDelta("".join(call.early), call.part, self._index))

    def _logprobs(self, logprobs: Any, out: list[Event]) -> None:
        if not is_object(logprobs):
            return
        for name, refusal in (("content", False), ("refusal", True)):
            entries = read_logprobs(logprobs.get(name))
            if entries:
                out.append(ev.LogprobsAdded(entries, self._index, refusal))
        left = self._new(rest(logprobs, ("content", "refusal")))
        if left:
            out.append(ev.ExtAdded({NAME: {"logprobs": left}}, self._index))


_USUAL = names("role content refusal tool_calls reasoning reasoning_content reasoning_details")
