"""A streamed answer, to events: one JSON object a line (https://docs.ollama.com/api/streaming).

Every line is an answer with the next words; a tool call comes whole. The line with `done` ends it, and carries the
counts and durations. A line with `error` ends it as well.
"""

from msgspec.structs import replace

from tsuji.core import events as ev
from tsuji.core.errors import StreamInterruptedError, TsujiError, UpstreamProtocolError
from tsuji.core.parts import Part, Text, Thinking, ToolCall
from tsuji.core.provider import Quirks

from .fields import NAME, UNEXPECTED, Object, text_of
from .lines import Lines
from .response_in import answer_ext, decode_answer, parse_logprobs, parse_usage, said_in, stop_of
from .times import seconds_of


class Parser:
    """A StreamParser. open: the kind of part that is being spelled, if one is."""

    __slots__ = ("_calls", "_done", "_lines", "_next", "_open", "_started")

    def __init__(self, quirks: Quirks) -> None:
        self._lines = Lines()
        self._started = False
        self._done = False
        self._open: type[Text] | type[Thinking] | None = None
        self._next = 0
        self._calls = False

    def feed(self, data: bytes) -> list[ev.Event]:
        out: list[ev.Event] = []
        try:
            self._read(self._lines.feed(data), out)
        except TsujiError as error:
            self._fail(error, out)
        return out

    def close(self) -> list[ev.Event]:
        out: list[ev.Event] = []
        try:
            self._read(self._lines.close(), out)
            if not self._done:
                raise StreamInterruptedError("the provider's stream ended before the answer was complete")
        except TsujiError as error:
            self._fail(error, out)
        return out

    def _read(self, lines: list[bytes], out: list[ev.Event]) -> None:
        for line in lines:
            if self._done:
                return
            answer = decode_answer(line)
            try:
                self._line(answer, out)
            except UNEXPECTED as error:
                raise UpstreamProtocolError(f"the provider's stream is malformed: {error}", body=answer) from None

    def _fail(self, error: TsujiError, out: list[ev.Event]) -> None:
        if not self._done:
            self._done = True
            out.append(ev.StreamFailed(error))

    def _line(self, answer: Object, out: list[ev.Event]) -> None:
        said = said_in(answer)
        if not self._started:
            self._start(answer, out)
        if said.thinking:
            self._text(Thinking, said.thinking, out)
        if said.text:
            self._text(Text, said.text, out)
        for part in (*said.images, *said.calls):
            self._whole(part, out)
        logprobs = parse_logprobs(answer.get("logprobs"))
        if logprobs:
            out.append(ev.LogprobsAdded(logprobs))
        if said.extra:
            out.append(ev.ExtAdded({NAME: said.extra}, choice=0))
        if answer.get("done") is True:
            self._finish(answer, out)

    def _start(self, answer: Object, out: list[ev.Event]) -> None:
        self._started = True
        made = text_of(answer.get("created_at"))
        ext = {NAME: {"~created_at": made}} if made else None
        out.append(ev.Started("", text_of(answer.get("model")), seconds_of(made), ext=ext))

    def _text(self, kind: type[Text] | type[Thinking], text: str, out: list[ev.Event]) -> None:
        if self._open is not kind:
            self._end_part(out)
            self._open = kind
            out.append(ev.PartStarted(Text("") if kind is Text else Thinking(origin=NAME), self._next))
        out.append(ev.TextDelta(text, self._next))

    def _whole(self, part: Part, out: list[ev.Event]) -> None:
        self._end_part(out)
        if type(part) is ToolCall:
            self._calls = True
            out.append(ev.PartStarted(replace(part, arguments=""), self._next))
            out.append(ev.ArgumentsDelta(part.arguments, self._next))
        else:
            out.append(ev.PartStarted(part, self._next))
        out.append(ev.PartEnded(self._next))
        self._next += 1

    def _end_part(self, out: list[ev.Event]) -> None:
        if self._open is not None:
            self._open = None
            out.append(ev.PartEnded(self._next))
            self._next += 1

    def _finish(self, answer: Object, out: list[ev.Event]) -> None:
        self._end_part(out)
        extra = answer_ext(answer)
        if extra is not None:
            extra[NAME].pop("~created_at", None)
            if extra[NAME]:
                out.append(ev.ExtAdded(extra))
        stop, raw = stop_of(answer.get("done_reason"), self._calls)
        out.append(ev.Finished(stop, stop_raw=raw))
        usage = parse_usage(answer)
        if usage is not None:
            out.append(ev.UsageReported(usage))
        self._done = True
        out.append(ev.Ended())
