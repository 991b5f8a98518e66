"""Events to a whole response, and back."""

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable

import msgspec

from . import events as ev
from .errors import StreamInterruptedError
from .parts import Audio, Ext, Part, Refusal, Text, Thinking, ToolCall
from .response import ChatResponse, Choice, TokenLogprob
from .usage import Usage

_Delta = ev.TextDelta | ev.ArgumentsDelta | ev.AudioDelta | ev.SignatureDelta | ev.CitationAdded


class _Part:
    """A part under construction: pieces are joined once, at the end."""

    __slots__ = ("audio", "citations", "part", "redacted", "signature", "text")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.text: list[str] = []
        self.signature: list[str] = []
        self.redacted: list[str] = []
        self.audio: list[str] = []
        self.citations: list[ev.Citation] = []

    def build(self) -> Part:
        part, text = self.part, "".join(self.text)
        if type(part) is ToolCall:
            return msgspec.structs.replace(
                part, arguments=(part.arguments + text) or "{}", signature=self._joined(part.signature)
            )
        if type(part) is Text:
            citations = part.citations + tuple(self.citations)
            signature = self._joined(part.signature)
            return msgspec.structs.replace(part, text=part.text + text, citations=citations, signature=signature)
        if type(part) is Thinking:
            redacted = (part.redacted or "") + "".join(self.redacted) or None
            return msgspec.structs.replace(
                part, text=part.text + text, signature=self._joined(part.signature), redacted=redacted
            )
        if type(part) is Refusal:
            return msgspec.structs.replace(part, text=part.text + text)
        if type(part) is Audio:
            source = msgspec.structs.replace(part.source, data=_joined_base64([part.source.data or "", *self.audio]))
            return msgspec.structs.replace(part, transcript=(part.transcript or "") + text or None, source=source)
        return part

    def _joined(self, before: str | None) -> str | None:
        return (before or "") + "".join(self.signature) or None


def _joined_base64(pieces: list[str]) -> str | None:
    """One base64 text of several; those that were padded on their own cannot just be put together.

    Text that is no base64 is kept as it came.
    """
    joined = "".join(pieces)
    if "=" not in joined.rstrip("="):
        return joined or None
    try:
        return b2a_base64(b"".join([a2b_base64(p) for p in pieces]), newline=False).decode()
    except ValueError:
        return joined


class _Choice:
    __slots__ = ("ext", "finished", "logprobs", "parts", "refusal_logprobs")

    def __init__(self) -> None:
        self.parts: dict[int, _Part] = {}
        self.finished: ev.Finished | None = None
        self.logprobs: list[TokenLogprob] = []
        self.refusal_logprobs: list[TokenLogprob] = []
        self.ext: Ext | None = None

    def build(self, index: int) -> Choice:
        done = self.finished
        return Choice(
            index=index,
            content=tuple([self.parts[i].build() for i in sorted(self.parts)]),
            stop=done.stop if done else None,
            stop_raw=done.stop_raw if done else None,
            stop_sequence=done.stop_sequence if done else None,
            logprobs=tuple(self.logprobs) or None,
            refusal_logprobs=tuple(self.refusal_logprobs) or None,
            ext=merge_ext(self.ext, done.ext if done else None),
        )


def merge_ext(first: Ext | None, second: Ext | None) -> Ext | None:
    """Both, the second winning field by field."""
    if not first or not second:
        return first or second
    return {d: {**first.get(d, {}), **second.get(d, {})} for d in {**first, **second}}


class Assembler:
    """Folds events into a ChatResponse. `add` each event; `response()` at any time gives what there is so far.

    complete: the stream ended as it should. error: why not, if it did not.
    """

    def __init__(self) -> None:
        self.started: ev.Started | None = None
        self.usage: Usage | None = None
        self.service_tier: str | None = None
        self.complete = False
        self.error: Exception | None = None
        self._ext: Ext | None = None
        self._choices: dict[int, _Choice] = {}

    def add(self, event: ev.Event) -> None:
        match event:
            case ev.TextDelta():
                self._part(event).text.append(event.text)
            case ev.ArgumentsDelta():
                self._part(event).text.append(event.json)
            case ev.AudioDelta():
                self._part(event).audio.append(event.data)
            case ev.SignatureDelta():
                part = self._part(event)
                (part.redacted if event.redacted else part.signature).append(event.signature)
            case ev.CitationAdded():
                self._part(event).citations.append(event.citation)
            case ev.PartStarted():
                self._choice(event.choice).parts[event.index] = _Part(event.part)
            case ev.PartEnded():
                if event.part is not None:
                    self._choice(event.choice).parts[event.index] = _Part(event.part)
            case _:
                self._add_envelope(event)

    def _add_envelope(self, event: ev.Event) -> None:
        match event:
            case ev.Started():
                self.started = event
                self.service_tier = event.service_tier
            case ev.LogprobsAdded():
                choice = self._choice(event.choice)
                (choice.refusal_logprobs if event.refusal else choice.logprobs).extend(event.logprobs)
            case ev.ExtAdded(choice=None):
                self._ext = merge_ext(self._ext, event.ext)
            case ev.ExtAdded(choice=int(index)):
                choice = self._choice(index)
                choice.ext = merge_ext(choice.ext, event.ext)
            case ev.Finished():
                self._choice(event.choice).finished = event
            case ev.UsageReported():
                self.usage = event.usage
                self.service_tier = event.service_tier or self.service_tier
            case ev.Ended():
                self.complete = True
            case ev.StreamFailed():
                self.error = event.error
            case _:
                raise TypeError(f"not an envelope event: {event!r}")

    def _part(self, event: _Delta) -> _Part:
        return self._choice(event.choice).parts[event.index]

    def _choice(self, index: int) -> _Choice:
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _Choice()
        return found

    def response(self) -> ChatResponse:
        started = self.started or ev.Started(id="", model="")
        return ChatResponse(
            id=started.id,
            model=started.model,
            created=started.created,
            service_tier=self.service_tier,
            choices=tuple([self._choices[i].build(i) for i in sorted(self._choices)]),
            usage=self.usage,
            ext=merge_ext(started.ext, self._ext),
        )


def assemble(events: Iterable[ev.Event]) -> ChatResponse:
    """The response that a whole stream spells.

    Raises the stream's error, or StreamInterruptedError if it never ended.
    """
    whole = Assembler()
    for event in events:
        whole.add(event)
    if whole.error is not None:
        raise whole.error
    if not whole.complete:
        raise StreamInterruptedError("the stream ended before the answer was complete")
    return whole.response()


def replay(response: ChatResponse) -> list[ev.Event]:
    """The events of a stream that would have spelled `response`, one delta per part."""
    out: list[ev.Event] = [
        ev.Started(
            id=response.id,
            model=response.model,
            created=response.created,
            service_tier=response.service_tier,
            ext=response.ext,
        )
    ]
    for choice in response.choices:
        if choice.logprobs:
            out.append(ev.LogprobsAdded(logprobs=choice.logprobs, choice=choice.index))
        if choice.refusal_logprobs:
            out.append(ev.LogprobsAdded(logprobs=choice.refusal_logprobs, choice=choice.index, refusal=True))
        for index, part in enumerate(choice.content):
            out += _replay_part(part, index, choice.index)
        out.append(
            ev.Finished(
                stop=choice.stop or "other",
                choice=choice.index,
                stop_raw=choice.stop_raw,
                stop_sequence=choice.stop_sequence,
                ext=choice.ext,
            )
        )
    if response.usage is not None:
        out.append(ev.UsageReported(usage=response.usage))
    out.append(ev.Ended())
    return out


def _replay_part(part: Part, index: int, choice: int) -> list[ev.Event]:
    replace = msgspec.structs.replace
    out: list[ev.Event] = []
    if type(part) is ToolCall:
        out.append(ev.PartStarted(part=replace(part, arguments=""), index=index, choice=choice))
        out.append(ev.ArgumentsDelta(json=part.arguments, index=index, choice=choice))
    elif type(part) is Text:
        out.append(ev.PartStarted(part=replace(part, text="", citations=()), index=index, choice=choice))
        out.append(ev.TextDelta(text=part.text, index=index, choice=choice))
        out += [ev.CitationAdded(citation=c, index=index, choice=choice) for c in part.citations]
    elif type(part) is Thinking and part.text:
        out.append(ev.PartStarted(part=replace(part, text="", signature=None), index=index, choice=choice))
        out.append(ev.TextDelta(text=part.text, index=index, choice=choice))
        if part.signature:
            out.append(ev.SignatureDelta(signature=part.signature, index=index, choice=choice))
    elif type(part) is Refusal:
        out.append(ev.PartStarted(part=replace(part, text=""), index=index, choice=choice))
        out.append(ev.TextDelta(text=part.text, index=index, choice=choice))
    else:
        out.append(ev.PartStarted(part=part, index=index, choice=choice))
    out.append(ev.PartEnded(index=index, choice=choice))
    return out
