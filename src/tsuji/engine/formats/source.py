"""Text that arrives in pieces, and what may be asked of it: generators that pause where the answer is not known yet.

Every question is answered by text that no later piece can change. That is why a split changes nothing.
"""

import json
from collections.abc import Callable, Generator
from typing import TypeVar

from tsuji.engine.json_value import JsonValue

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Yields where more text is needed, returns the answer."""

Emit = Callable[[str], None]
_SPACE = " \t\r\n"


class NotACallError(Exception):
    """What began like a call is none."""


class Source:
    """held: text that is not read yet. ended: no more will come. taken: what was read since the last `mark`."""

    def __init__(self) -> None:
        self.held = ""
        self.ended = False
        self.taken = ""

    def mark(self, before: str = "") -> None:
        """From here on, `taken` has what is read, after `before`."""
        self.taken = before

    def until(self, emit: Emit, *marks: str) -> Steps[str]:
        """Reads up to and past the first of the marks, and returns it; "" at the end of the text."""
        while True:
            at, mark = _first(self.held, marks)
            if mark:
                before = self._take(at)
                self._take(len(mark))
                if before:
                    emit(before)
                return mark
            kept = 0 if self.ended else _beginning(self.held, marks)
            text = self._take(len(self.held) - kept)
            if text:
                emit(text)
            if self.ended:
                return ""
            yield

    def collected(self, *marks: str) -> Steps[tuple[str, str]]:
        """The text up to the first of the marks, and that mark."""
        out: list[str] = []
        mark = yield from self.until(out.append, *marks)
        return "".join(out), mark

    def character(self) -> Steps[str]:
        """The next one, which stays unread; "" at the end."""
        while not self.held and not self.ended:
            yield
        return self.held[:1]

    def past_space(self) -> Steps[str]:
        """The next character that is not white space, which stays unread."""
        while True:
            stripped = self.held.lstrip(_SPACE)
            self._take(len(self.held) - len(stripped))
            if self.held or self.ended:
                return self.held[:1]
            yield

    def option(self, *words: str) -> Steps[str]:
        """Reads white space and the word that stands there, if one does."""
        yield from self.past_space()
        while not self.ended and any(self.held != w and w.startswith(self.held) for w in words):
            yield
        found = max([word for word in words if self.held.startswith(word)], key=len, default="")
        self._take(len(found))
        return found

    def expect(self, word: str) -> Steps[None]:
        """Raises NotACallError where something else stands."""
        if not (yield from self.option(word)):
            raise NotACallError

    def value(self, emit: Emit) -> Steps[bool]:
        """Reads a JSON value as it comes; whether it came to its end."""
        value = JsonValue()
        while True:
            text = self._take(value.scan(self.held))
            if text:
                emit(text)
            if value.ended or self.ended:
                return value.ended
            yield

    def string(self) -> Steps[str]:
        """A JSON string, decoded. Raises NotACallError."""
        if (yield from self.past_space()) != '"':
            raise NotACallError
        out: list[str] = []
        if not (yield from self.value(out.append)):
            raise NotACallError
        try:
            return str(json.loads("".join(out), strict=False))
        except ValueError:
            raise NotACallError from None

    def unread(self, text: str) -> None:
        self.held = text + self.held
        self.taken = self.taken.removesuffix(text)

    def _take(self, size: int) -> str:
        text, self.held = self.held[:size], self.held[size:]
        self.taken += text
        return text


def _first(text: str, marks: tuple[str, ...]) -> tuple[int, str]:
    """Where the first mark stands, and which; of two at one place, the longer."""
    found = [(text.find(mark), -len(mark), mark) for mark in marks if mark in text]
    at, _, mark = min(found, default=(0, 0, ""))
    return at, mark


def _beginning(text: str, marks: tuple[str, ...]) -> int:
    """How much of the text's end may be the beginning of a mark."""
    longest = max([len(mark) for mark in marks], default=1)
    for size in range(min(len(text), longest - 1), 0, -1):
        if any(mark.startswith(text[-size:]) for mark in marks):
            return size
    return 0
