"""A stream on its way to the caller: bytes in, chunks out, and whether the answer is whole. No I/O of its own."""

from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

from msgspec.structs import replace

from tsuji.core import events as ev
from tsuji.core.assemble import Assembler
from tsuji.core.errors import StreamInterruptedError, TsujiError
from tsuji.core.parts import Refusal, Text, Thinking
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.core.usage import Usage
from tsuji.routing.continuation import Continuation, Splice

from .trace import Trace
from .trial import Reading, Trial

Chunk = TypeVar("Chunk")
Whole = TypeVar("Whole")
ChunkOut = TypeVar("ChunkOut", covariant=True)
WholeOut = TypeVar("WholeOut", covariant=True)


class Shape(Protocol[ChunkOut, WholeOut]):
    """How an answer looks to the caller."""

    def chunks(self, events: list[ev.Event], so_far: Assembler) -> Sequence[ChunkOut]: ...

    def result(self, response: ChatResponse, trace: Trace) -> WholeOut: ...


_QUIET = (ev.Started, ev.UsageReported, ev.ExtAdded)


def _is_content(event: ev.Event) -> bool:
    """Whether the answer has begun: before that, another target may be tried without anybody noticing."""
    if type(event) is ev.PartStarted:
        part = event.part
        if type(part) is Text or type(part) is Refusal:
            return bool(part.text)
        return type(part) is not Thinking or bool(part.text or part.redacted)
    return type(event) not in _QUIET


class Delivery(Generic[Chunk, Whole]):
    """ready: chunks that wait for the caller. begun: something of the answer is there. complete: all of it is.

    error: why the rest will not come from this try; it is to be mended, or raised, once `ready` is empty. final: what
    was raised. closed: the caller wants no more. trial: the try that the answer comes from now. usage: that it has
    reported.
    """

    __slots__ = (
        "_given",
        "_idle_since",
        "_reading",
        "_shape",
        "_so_far",
        "_splice",
        "_told",
        "begun",
        "closed",
        "complete",
        "error",
        "exchange",
        "final",
        "ready",
        "trial",
        "usage",
    )

    def __init__(self, trial: Trial[Any], reading: Reading, shape: Shape[Chunk, Whole]) -> None:
        self.trial = trial
        self.exchange = trial.exchange
        self._reading = reading
        self._shape = shape
        self._so_far = Assembler()
        self._told = Continuation(self.exchange.request or ChatRequest(""))
        self._splice: Splice | None = None
        self._idle_since: float | None = None
        self._given = False
        self.ready: deque[Chunk] = deque()
        self.begun = False
        self.closed = False
        self.complete = False
        self.error: TsujiError | None = None
        self.final: TsujiError | None = None
        self.usage: Usage | None = None

    @property
    def over(self) -> bool:
        """No more bytes are wanted."""
        return self.complete or self.error is not None

    @property
    def trace(self) -> Trace:
        return self.exchange.trace

    def given(self) -> None:
        """The caller gets the stream now: what has come of it is delivered, and only work on it counts as overhead."""
        trace = self.trace
        trace.worked = monotonic() - trace.started - trace.waited
        self._idle_since = monotonic()
        self._given = True
        self.exchange.so_far = self._told

    def waiting(self) -> None:
        """Bytes are waited for again. The time that the caller took meanwhile is not the provider's."""
        watch = self.trial.watch
        if watch is not None and self._idle_since is not None:
            watch.rest(monotonic() - self._idle_since)
        self._idle_since = None

    def go_on(self, trial: Trial[Any], reading: Reading) -> None:
        """Another try has begun to answer: it goes on from what has been delivered."""
        self.trial = trial
        self._reading = reading
        self._splice = self._told.splice(trial.mode)
        self.error = None
        self.usage = None

    def feed(self, data: bytes) -> None:
        before = monotonic()
        self._take(self._reading.feed(data), before)
        self._idle_since = after = monotonic()
        if self.trace.worked is not None:
            self.trace.worked += after - before

    def end(self) -> None:
        """The body is over."""
        self._take(self._reading.close(), monotonic())
        if not self.complete and (self.error is None or isinstance(self.error, StreamInterruptedError)):
            self.broke(self.error or StreamInterruptedError("the stream ended before the answer was complete"))

    def broke(self, error: TsujiError) -> None:
        """No more will come. If all choices had finished, nothing of the answer is missing."""
        self.error = error
        if self._finished and error.fault == "upstream":
            self.error = None
            self._give([ev.Ended()])

    @property
    def _finished(self) -> bool:
        return self._told.finished and (self.exchange.request or _ONE).n in (None, 1)

    def _take(self, events: list[ev.Event], now: float) -> None:
        watch = self.trial.watch
        if watch is not None:
            content = sum(map(_is_content, events))
            if content and watch.first_token is None:
                self.trial.first_token()
            watch.heard(now, content)
        if not events:
            return
        last = events[-1]
        if type(last) is ev.StreamFailed:
            events = events[:-1]
            self.error = last.error
        for event in events:
            if type(event) is ev.UsageReported:
                self.usage = event.usage
                self.trial.used(event.usage)
        try:
            if self._splice is not None:
                events = self._splice.feed(events)
            self._give(events)
        except TsujiError as error:  # what cannot be shown breaks the answer off, as any other failure does
            self.error = error
            return
        if watch is not None:
            if self._told.fixed:
                watch.fixed()
            if self._finished and not self.over:
                watch.finished(now, usage=self.usage is not None)

    def _give(self, events: list[ev.Event]) -> None:
        """Events for the caller. Raises TsujiError for what its shape cannot show."""
        if not events:
            return
        if self._so_far.started is None:  # its dialect's answers may not say their model
            model = self.trial.target.model
            events = [replace(e, model=model) if type(e) is ev.Started and not e.model else e for e in events]
        for event in events:
            self._so_far.add(event)
        self._told.add(events)
        self.trace.usage = self.usage
        self.trace.service_tier = self._so_far.service_tier
        self.ready.extend(self._shape.chunks(events, self._so_far))
        if not self.begun and any(map(_is_content, events)):
            self.begun = True
        if type(events[-1]) is ev.Ended:
            self.complete = True
            self.trial.succeeded(self.usage)

    def lost(self, error: TsujiError) -> None:
        """The try that the answer came from has failed; another may go on."""
        self.trial.failed(error)

    def broken(self, error: TsujiError) -> TsujiError:
        """The error that the caller sees: what was delivered is not the whole."""
        self.trace.ended = monotonic()
        self.error = self.final = _interrupted(error)
        return self.final

    def abandoned(self) -> None:
        """The caller wants no more of it."""
        if self._given and not self.complete and self.final is None:
            self.closed = True
            self.error = self.final = StreamInterruptedError("the stream was closed before its end", fault="caller")
            self.ready.clear()
            self.exchange.left()

    def result(self) -> Whole:
        return self._shape.result(self._so_far.response(), self.trace)


_ONE = ChatRequest("")


def _interrupted(error: TsujiError) -> StreamInterruptedError:
    if isinstance(error, StreamInterruptedError):
        return error
    interrupted = StreamInterruptedError(
        f"the answer was cut off: {error.message}",
        provider=error.provider,
        model=error.model,
        code=error.code,
        body=error.body,
        retry_after=error.retry_after,
    )
    interrupted.__cause__ = error
    for note in getattr(error, "__notes__", ()):
        interrupted.add_note(note)
    return interrupted
