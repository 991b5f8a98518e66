"""The loop that all families share."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tsuji.core.tools import Tool
from tsuji.engine.calls import Piece

from .out import Out, Tools
from .source import NotACallError, Source, Steps

Handler = Callable[[Source, Out, Tools], Steps[None]]
"""Reads what follows a mark: one call or several. Raises NotACallError as long as it has written nothing."""


class Family(msgspec.Struct, frozen=True):
    """The marks of a model family.

    calls: what begins calls. thoughts: what begins thinking, and what ends it. dropped: marks that mean nothing by
    themselves. first: what may stand at the very beginning without a mark.
    """

    name: str
    calls: Mapping[str, Handler]
    thoughts: Mapping[str, str] = {}
    dropped: tuple[str, ...] = ()
    first: Handler | None = None


class FormatReader:
    """Reads one answer: `feed` it in any pieces, then `finish`.

    tools: those that may be called; a call of another one is text. Without any, every name will do. thinking: the
    prompt ended in the mark that begins thinking, so the answer begins within it.
    """

    def __init__(self, family: Family, tools: Sequence[Tool] = (), *, thinking: bool = False) -> None:
        self._source = Source()
        self._out = Out()
        self._steps = _read(family, self._source, self._out, Tools(tools), thinking)

    def feed(self, text: str) -> list[Piece]:
        self._source.held += text
        self._go_on()
        return self._out.take()

    def finish(self) -> list[Piece]:
        self._source.ended = True
        self._go_on()
        self._out.finish()
        return self._out.take()

    def _go_on(self) -> None:
        next(self._steps, None)


def _read(family: Family, source: Source, out: Out, tools: Tools, thinking: bool) -> Steps[None]:
    if thinking and family.thoughts:
        yield from source.until(out.thinking, *family.thoughts.values())
        out.part()
    elif family.first is not None:
        yield from _attempt(family.first, "", source, out, tools)
    closing = {mark for mark in family.thoughts.values() if mark not in family.calls}
    marks = (*family.calls, *family.thoughts, *family.dropped, *closing)
    while mark := (yield from source.until(out.text, *marks)):
        if mark in family.calls:
            yield from _attempt(family.calls[mark], mark, source, out, tools)
        elif mark in family.thoughts:
            yield from source.until(out.thinking, family.thoughts[mark])
            out.part()


def _attempt(handler: Handler, mark: str, source: Source, out: Out, tools: Tools) -> Steps[None]:
    source.mark(mark)
    try:
        yield from handler(source, out, tools)
    except NotACallError:
        out.text(source.taken)
