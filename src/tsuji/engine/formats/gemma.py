"""FunctionGemma and Gemma 4: calls in a notation of their own, keys without quotation marks, strings between marks.

    <start_function_call>call:look_up{word:<escape>tide<escape>,most:3}<end_function_call>          FunctionGemma
    <|tool_call>call:look_up{word:<|"|>tide<|"|>,most:3}<tool_call|>                                Gemma 4

https://ai.google.dev/gemma/docs/functiongemma/formatting-and-best-practices
"""

import json

from .out import Arguments, Out, Tools
from .reader import Family
from .source import NotACallError, Source, Steps

_DEEPEST = 64


class _Notation:
    """quote: the mark around strings. end: what ends a call."""

    def __init__(self, quote: str, end: str) -> None:
        self._quote = quote
        self._end = end

    def read(self, source: Source, out: Out, tools: Tools) -> Steps[None]:
        name, mark = yield from source.collected("{", self._end)
        said, colon, name = name.strip().partition(":")
        if mark != "{" or said != "call" or not colon or not tools.has(name):
            raise NotACallError
        out.call(name)
        if (yield from self._members(source, Arguments(out), 0)):
            yield from source.option(self._end)
        out.end()

    def _members(self, source: Source, arguments: Arguments, depth: int) -> Steps[bool]:
        """After {; whether the object came to its end."""
        arguments.raw("{")
        first = True
        while (following := (yield from source.past_space())) != "}":
            if not following or depth > _DEEPEST:
                return False
            if following == ",":
                yield from source.expect(",")
                continue
            quoted = yield from source.option(self._quote)
            key, mark = yield from source.collected(self._quote if quoted else ":")
            if quoted:
                mark = yield from source.option(":")
            if not mark:
                return False
            written = json.dumps(key.strip().strip('"'), ensure_ascii=False)
            arguments.raw(f"{written}: " if first else f", {written}: ")
            first = False
            if not (yield from self._value(source, arguments, depth)):
                return False
        yield from source.expect("}")
        arguments.raw("}")
        return True

    def _value(self, source: Source, arguments: Arguments, depth: int) -> Steps[bool]:
        if (yield from source.option(self._quote)):
            arguments.raw('"')
            ended = yield from source.until(arguments.piece, self._quote)
            arguments.raw('"')
            return bool(ended)
        following = yield from source.past_space()
        if following == "{":
            yield from source.expect("{")
            return (yield from self._members(source, arguments, depth + 1))
        if following == "[":
            yield from source.expect("[")
            return (yield from self._items(source, arguments, depth + 1))
        word, mark = yield from source.collected(",", "}", "]")
        arguments.guessed(word.strip())
        source.unread(mark)
        return bool(mark)

    def _items(self, source: Source, arguments: Arguments, depth: int) -> Steps[bool]:
        arguments.raw("[")
        first = True
        while (following := (yield from source.past_space())) != "]":
            if not following or depth > _DEEPEST:
                return False
            if following in (",", "}"):
                yield from source.expect(following)
                continue
            arguments.raw("" if first else ", ")
            first = False
            if not (yield from self._value(source, arguments, depth)):
                return False
        yield from source.expect("]")
        arguments.raw("]")
        return True


FAMILY = Family(
    "gemma",
    {
        "<start_function_call>": _Notation("<escape>", "<end_function_call>").read,
        "<|tool_call>": _Notation('<|"|>', "<tool_call|>").read,
    },
    {"<|channel>thought": "<channel|>"},
    dropped=("<end_function_call>", "<start_function_response>", "<tool_call|>"),
)
