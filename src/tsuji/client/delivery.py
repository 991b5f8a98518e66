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
from tsuji.core.response import ChatResponse

from .exchange import Exchange, Reading
from .trace import Trace

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

    error: why the rest will not come; it is to be raised once `ready` is empty. closed: the caller wants no more.
    """

    __slots__ = ("_exchange", "_reading", "_shape", "_so_far", "begun", "closed", "complete", "error", "ready")

    def __init__(self, exchange: Exchange[Any], reading: Reading, shape: Shape[Chunk, Whole]) -> None:
        self._exchange = exchange
        self._reading = reading
        self._shape = shape
        self._so_far = Assembler()
        self.ready: deque[Chunk] = deque()
        self.begun = False
        self.closed = False
        self.complete = False
        self.error: TsujiError | None = None

    @property
    def over(self) -> bool:
        """No more bytes are wanted."""
        return self.complete or self.error is not None

    @property
    def trace(self) -> Trace:
        return self._exchange.trace

    @property
    def exchange(self) -> Exchange[Any]:
        return self._exchange

    def opened(self) -> None:
        """The caller gets the stream now: from here on only work on it counts as overhead."""
        trace = self.trace
        trace.worked = monotonic() - trace.started - trace.waited

    def feed(self, data: bytes) -> None:
        before = monotonic()
        self._take(self._reading.feed(data))
        if self.trace.worked is not None:
            self.trace.worked += monotonic() - before

    def end(self) -> None:
        """The body is over."""
        self._take(self._reading.close())
        if not self.over:
            self.error = StreamInterruptedError("the stream ended before the answer was complete")

    def _take(self, events: list[ev.Event]) -> None:
        if not events:
            return
        last = events[-1]
        if type(last) is ev.StreamFailed:
            events = events[:-1]
            self.error = last.error
        if self._so_far.started is None:  # its dialect's answers may not say their model
            model = self._exchange.target.model
            events = [replace(e, model=model) if type(e) is ev.Started and not e.model else e for e in events]
        for event in events:
            self._so_far.add(event)
        self.trace.usage = self._so_far.usage
        self.trace.service_tier = self._so_far.service_tier
        try:
            self.ready.extend(self._shape.chunks(events, self._so_far))
        except TsujiError as error:  # what cannot be shown breaks the answer off, as any other failure does
            self.error = error
            return
        if not self.begun and any(map(_is_content, events)):
            self.begun = True
            self.trace.first_token = monotonic()
        if type(last) is ev.Ended:
            self.complete = True
            self._exchange.succeeded()

    def broken(self, error: TsujiError) -> StreamInterruptedError:
        """The error that the caller sees: what was delivered is not the whole."""
        self._exchange.failed(error, sent=True)
        self.trace.ended = monotonic()
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
        return interrupted

    def abandoned(self) -> None:
        """The caller wants no more of it."""
        if not self.over:
            self.closed = True
            self.error = StreamInterruptedError("the stream was closed before its end", fault="caller")
            self.ready.clear()
            self._exchange.succeeded()

    def result(self) -> Whole:
        return self._shape.result(self._so_far.response(), self.trace)
