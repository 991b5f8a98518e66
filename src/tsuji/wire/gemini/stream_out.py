"""Events, to a streamGenerateContent body.

Text goes out as it comes; a function call goes out whole, when its arguments are complete. The last chunk carries the
finish reasons, the usage and what stands beside the content. An error becomes a chunk that is Google's error document.
"""

import msgspec

from tsuji.core import events as ev
from tsuji.core.assemble import Assembler
from tsuji.core.parts import Audio, Citation, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest

from .errors import error_document
from .fields import NAME, own, place
from .parts_out import PartWriter, Wire, foreign_thought
from .response_out import encode_answer, envelope, render_choice
from .usage import render_usage

_replace = msgspec.structs.replace


class _Open:
    """A part being spelled. said: whether some of it went out."""

    __slots__ = ("audio", "part", "pieces", "redacted", "said", "signature")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.said = False
        self.pieces: list[str] = []
        self.audio: list[str] = []
        self.signature: list[str] = []
        self.redacted: list[str] = []


class Renderer:
    """A StreamRenderer."""

    __slots__ = ("_citations", "_ended", "_head", "_open", "_whole", "_writer")

    def __init__(self, request: ChatRequest) -> None:
        self._writer = PartWriter(None)
        self._head: Wire = {}
        envelope(self._head, request.model, "")
        self._open: dict[tuple[int, int], _Open] = {}
        self._whole = Assembler()
        self._citations: dict[int, list[Citation]] = {}
        self._ended = False

    def render(self, events: list[ev.Event]) -> bytes:
        out: list[Wire] = []
        for event in events:
            if not self._ended:
                self._event(event, out)
        return b"".join([b"data: " + encode_answer(chunk) + b"\r\n\r\n" for chunk in out])

    def _event(self, event: ev.Event, out: list[Wire]) -> None:
        match event:
            case ev.TextDelta():
                self._text(event, out)
            case ev.PartStarted():
                self._open[event.choice, event.index] = _Open(event.part)
            case ev.PartEnded():
                self._end(event, out)
            case ev.ArgumentsDelta():
                self._open[event.choice, event.index].pieces.append(event.json)
            case ev.AudioDelta():
                self._open[event.choice, event.index].audio.append(event.data)
            case ev.SignatureDelta():
                found = self._open[event.choice, event.index]
                (found.redacted if event.redacted else found.signature).append(event.signature)
            case ev.CitationAdded():
                self._citations.setdefault(event.choice, []).append(event.citation)
            case ev.Ended():
                out.append(self._last())
                self._ended = True
            case ev.StreamFailed():
                out.append(error_document(event.error))
                self._ended = True
            case _:
                self._envelope(event)

    def _envelope(self, event: ev.Event) -> None:
        """Kept for the last chunk."""
        self._whole.add(event)
        if type(event) is ev.Started:
            envelope(self._head, event.model, event.id)

    def _text(self, event: ev.TextDelta, out: list[Wire]) -> None:
        found = self._open[event.choice, event.index]
        part = found.part
        if isinstance(part, Text | Refusal | Thinking):
            first = not found.said and _is_own(part)
            if first and not isinstance(part, Refusal) and (part.ext is not None or part.signature is not None):
                parts = self._writer.write((_replace(part, text=event.text),))
            elif type(part) is Thinking:
                parts = [{"text": event.text, "thought": True}]
                found.pieces.append(event.text)
            else:
                parts = [{"text": event.text}]
            found.said = True
            out += self._chunks(parts, event.choice)

    def _end(self, event: ev.PartEnded, out: list[Wire]) -> None:
        found = self._open.pop((event.choice, event.index))
        signature = "".join(found.signature) or None
        part = event.part or found.part
        match part:
            case ToolCall():
                arguments = part.arguments if event.part else part.arguments + "".join(found.pieces)
                part = _replace(part, arguments=arguments, signature=part.signature or signature)
            case Thinking() if not _is_own(part):
                out += self._chunks(_foreign(part, found), event.choice)
                return
            case Text() | Refusal() | Thinking() if found.said:
                if signature is None or isinstance(part, Refusal):
                    return
                part = _replace(part, text="", signature=signature)
            case Text() | Thinking():
                part = _replace(part, signature=part.signature or signature)
            case Audio() if found.audio:
                part = _replace(part, source=_replace(part.source, data="".join(found.audio)))
            case _:
                pass
        out += self._chunks(self._writer.write((part,)), event.choice)

    def _chunks(self, parts: list[Wire], choice: int) -> list[Wire]:
        if not parts:
            return []
        return [{"candidates": [{"content": {"parts": parts, "role": "model"}, "index": choice}], **self._head}]

    def _last(self) -> Wire:
        answer = self._whole.response()
        out: Wire = {}
        candidates: list[Wire] = []
        for choice in answer.choices:
            if "~blocked" not in own(choice.ext):
                text = Text("", citations=tuple(self._citations.get(choice.index, ())))
                candidates.append(render_choice(_replace(choice, content=(text,)), self._writer))
        if candidates:
            out["candidates"] = candidates
        if answer.usage is not None:
            out["usageMetadata"] = render_usage(answer.usage)
        out.update(self._head)
        place(out, own(answer.ext))
        return out


def _is_own(part: Part) -> bool:
    return type(part) is not Thinking or part.origin == NAME


def _foreign(part: Thinking, found: _Open) -> list[Wire]:
    """What is left to say of another dialect's thinking when it has ended."""
    said = "".join(found.pieces)
    whole = _replace(
        part,
        text="" if said else part.text,
        signature=(part.signature or "") + "".join(found.signature) or None,
        redacted=(part.redacted or "") + "".join(found.redacted) or None,
    )
    return foreign_thought(whole, said or None) if whole.origin is not None or not said else []
