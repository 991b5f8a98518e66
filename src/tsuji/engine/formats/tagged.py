"""Calls in tags whose values are plain text, and what reading those has in common.

    <invoke name="look_up"><parameter name="word">tide</parameter></invoke>

A value whose type is a string by the tool's schema is streamed; another is read whole, as JSON where it is that.
"""

import re

from .out import Arguments, Out, Tools
from .reader import Handler
from .source import NotACallError, Source, Steps

_ATTRIBUTE = re.compile(r'([A-Za-z_]+)\s*=\s*"([^"]*)"')


def value(
    source: Source, arguments: Arguments, end: str, *others: str, text: bool, trimmed: bool = False
) -> Steps[str]:
    """Reads a value up to `end`, or to one of `others` where `end` was forgotten; the mark that was found.

    text: it is a string. trimmed: a line break stands before and after it that is not its own.
    """
    if not text:
        whole, mark = yield from source.collected(end, *others)
        arguments.guessed(whole.strip("\r\n") if trimmed else whole)
        return mark
    arguments.raw('"')
    piece = _Untrimmed(arguments) if trimmed else arguments.piece
    mark = yield from source.until(piece, end, *others)
    arguments.raw('"')
    return mark


class _Untrimmed:
    """Passes on all but one line break at each end."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._first = True
        self._break = ""

    def __call__(self, text: str) -> None:
        if self._first and text:
            self._first = False
            text = text.removeprefix("\n")
        text = self._break + text
        self._break = "\n" if text.endswith("\n") else ""
        self._arguments.piece(text.removesuffix("\n"))


def invocations(close: str, prefix: str = "") -> Handler:
    """A handler of what stands up to the mark `close`: any number of invoke tags. prefix: of the tags' names."""
    end_invoke, end_parameter = f"</{prefix}invoke>", f"</{prefix}parameter>"
    begin_parameter = f"<{prefix}parameter "

    def read(source: Source, out: Out, tools: Tools) -> Steps[None]:
        first = True
        while (yield from source.option(f"<{prefix}invoke ", close)) == f"<{prefix}invoke ":
            head, mark = yield from source.collected(">")
            name = dict(_ATTRIBUTE.findall(head)).get("name", "")
            if not mark or not tools.has(name):
                if first:
                    raise NotACallError
                out.text(f"<{prefix}invoke {head}{mark}")
                return
            first = False
            yield from _invocation(source, out, tools, name)
        if first:
            raise NotACallError

    def _invocation(source: Source, out: Out, tools: Tools, name: str) -> Steps[None]:
        out.call(name)
        arguments = Arguments(out)
        whole = True
        while (yield from source.option(begin_parameter, end_invoke)) == begin_parameter:
            head, _ = yield from source.collected(">")
            said = dict(_ATTRIBUTE.findall(head))
            key = said.get("name", "")
            arguments.key(key)
            text = said["string"] == "true" if "string" in said else tools.is_text(name, key)
            whole = bool((yield from value(source, arguments, end_parameter, text=text)))
            if not whole:
                break
        if whole:
            arguments.close()
        out.end()

    return read
