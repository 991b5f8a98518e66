"""Events, to a streamed answer of /api/chat or /api/generate: one JSON object a line.

Text goes out as it comes; a tool call goes out whole, when its arguments are complete. The last line carries why the
answer ended, its counts and durations. Of several answers the first is given.
"""

from msgspec.structs import replace

from tsuji.core import events as ev
from tsuji.core.assemble import Assembler
from tsuji.core.parts import Part, Thinking, ToolCall
from tsuji.core.request import ChatRequest
from tsuji.core.response import Choice, TokenLogprob

from .errors import error_document
from .fields import Object, plain
from .response_out import close, encode_answer, put, render_logprobs, say
from .times import stamp


class Renderer:
    """A StreamRenderer. generated: the client asked /api/generate."""

    __slots__ = ("_ended", "_generated", "_head", "_model", "_parts", "_pieces", "_whole")

    def __init__(self, request: ChatRequest, generated: bool = False) -> None:
        self._generated = generated
        self._model = request.model
        self._head: Object = {"model": request.model}
        self._parts: dict[int, Part] = {}
        self._pieces: dict[int, list[str]] = {}
        self._whole = Assembler()
        self._ended = False

    def render(self, events: list[ev.Event]) -> bytes:
        out: list[Object] = []
        for event in events:
            if not self._ended and not getattr(event, "choice", None):
                self._event(event, out)
        return b"".join([encode_answer(line) + b"\n" for line in out])

    def _event(self, event: ev.Event, out: list[Object]) -> None:
        match event:
            case ev.TextDelta():
                thought = type(self._parts[event.index]) is Thinking
                out.append(self._line({"content": "", "thinking": event.text} if thought else {"content": event.text}))
            case ev.PartStarted():
                self._parts[event.index] = event.part
                self._pieces[event.index] = []
                if type(event.part) is not ToolCall:
                    self._say(event.part, out)
            case ev.ArgumentsDelta():
                self._pieces[event.index].append(event.json)
            case ev.PartEnded():
                self._end(event, out)
            case ev.AudioDelta() | ev.SignatureDelta() | ev.CitationAdded():
                pass  # no client of this dialect could read them
            case ev.LogprobsAdded():
                out.append(self._logprobs(event.logprobs))
            case ev.StreamFailed():
                self._ended = True
                out.append(error_document(event.error))
            case ev.Ended():
                self._ended = True
                out.append(self._last())
            case _:
                self._envelope(event)

    def _envelope(self, event: ev.Event) -> None:
        """Kept for the last line."""
        self._whole.add(event)
        if type(event) is ev.Started:
            self._head = {"model": event.model or self._model}
            stamp(self._head, event.created, event.ext)

    def _end(self, event: ev.PartEnded, out: list[Object]) -> None:
        part = self._parts[event.index]
        if type(part) is ToolCall:
            if type(event.part) is ToolCall:
                part = event.part
            else:
                part = replace(part, arguments=part.arguments + "".join(self._pieces[event.index]))
            self._say(part, out)

    def _say(self, part: Part, out: list[Object]) -> None:
        said = say((part,))
        if said != {"content": ""}:
            out.append(self._line(said))

    def _line(self, said: Object) -> Object:
        line = dict(self._head)
        put(line, said, self._generated)
        line["done"] = False
        return line

    def _logprobs(self, logprobs: tuple[TokenLogprob, ...]) -> Object:
        return {**self._line({"content": ""}), "logprobs": render_logprobs(logprobs)}

    def _last(self) -> Object:
        answer = self._whole.response()
        choice = answer.choices[0] if answer.choices else Choice()
        line = self._line({"content": "", **plain(choice.ext)})
        close(line, choice.stop or "stop", choice.stop_raw, answer.usage, plain(answer.ext))
        return line
