"""Tool calls that a model wrote as plain JSON text, read as the text arrives. Pure.

    {"name": "get_weather", "arguments": {"city": "Oslo"}}

also several, one after another or in an array, within <tool_call> tags or a Markdown fence, and with "parameters" for
"arguments". Text is held back only while it could still become such a call of a tool that exists; what turns out not
to be one comes out as it was.
"""

import json
from collections.abc import Callable, Collection
from typing import Literal

import msgspec

from .json_value import SPACE, JsonValue

_OPENERS = ("<tool_call>", "```json", "```")
_BETWEEN = ("</tool_call>", "```json", "```", "]", ",", ";")
_MORE, _NO = -1, -2  # in place of a position: the text ends before it is known; something else stands there


class Piece(msgspec.Struct, frozen=True):
    """kind "text": no call. "call": a call of the tool `text` begins. "arguments": more JSON. "end": of the call.

    "thinking": what the model says to itself.
    """

    kind: Literal["text", "thinking", "call", "arguments", "end"]
    text: str = ""


class CallReader:
    """Splits one answer's text into calls and text: `feed` it in any pieces, then `finish`."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = {f'"{name}"': name for name in names}
        self._held = ""
        self._called = False
        self._value = JsonValue()
        self._state: Callable[[list[Piece]], bool] = self._undecided

    def feed(self, text: str) -> list[Piece]:
        self._held += text
        out: list[Piece] = []
        while self._state(out):
            pass
        return out

    def finish(self) -> list[Piece]:
        """What is still held when the answer ends: text that never became a call, or a call that was cut."""
        held, self._held = self._held, ""
        if self._state == self._undecided:
            text = held[_separators(held) :] if self._called else held
            return [Piece("text", text)] if text and not (self._called and text.strip() in _BETWEEN) else []
        if self._state == self._quoted_arguments:
            return [Piece("arguments", held), Piece("end")]
        return [Piece("end")] if self._state == self._arguments else []

    # A state takes what it can of the held text, and says whether the state after it may go on at once.

    def _undecided(self, out: list[Piece]) -> bool:
        start = _separators(self._held) if self._called else 0
        if self._called and _expect(self._held, start, _BETWEEN) == _MORE:
            return False
        name, at = self._head(start)
        if at == _MORE:
            return False
        if at == _NO:
            self._held = self._held[start:]
            self._state = self._text
            return True
        out.append(Piece("call", name))
        self._called = True
        self._held = self._held[at:]
        self._value = JsonValue()
        self._state = self._quoted_arguments if self._held.startswith('"') else self._arguments
        return True

    def _text(self, out: list[Piece]) -> bool:
        if self._held:
            out.append(Piece("text", self._held))
            self._held = ""
        return False

    def _arguments(self, out: list[Piece]) -> bool:
        size = self._value.scan(self._held)
        if size:
            out.append(Piece("arguments", self._held[:size]))
            self._held = self._held[size:]
        return self._value.ended and self._end(out)

    def _quoted_arguments(self, out: list[Piece]) -> bool:
        """A string that contains the JSON, as OpenAI's API has it: decoded once it is whole."""
        value = JsonValue()
        size = value.scan(self._held)
        if not value.ended:
            return False
        try:
            arguments = str(json.loads(self._held[:size], strict=False))
        except ValueError:
            arguments = self._held[:size]
        out.append(Piece("arguments", arguments))
        self._held = self._held[size:]
        return self._end(out)

    def _end(self, out: list[Piece]) -> bool:
        out.append(Piece("end"))
        self._value = JsonValue(depth=1)
        self._state = self._rest_of_call
        return True

    def _rest_of_call(self, out: list[Piece]) -> bool:
        """Drops what the call's object holds beside name and arguments."""
        self._held = self._held[self._value.scan(self._held) :]
        if not self._value.ended:
            return False
        self._state = self._undecided
        return True

    def _head(self, at: int) -> tuple[str, int]:
        """The name of the call that begins at `at`, and where its arguments begin."""
        for optional in (_OPENERS, ("[",)):
            after = _expect(self._held, at, optional)
            if after == _MORE:
                return "", _MORE
            at = at if after == _NO else after
        name = ""
        for tokens in (("{",), ('"name"',), (":",), self._names, (",",), ('"arguments"', '"parameters"'), (":",)):
            before, at = at, _expect(self._held, at, tokens)
            if at < 0:
                return "", at
            if tokens is self._names:
                name = self._names[self._held[before:at].strip(SPACE)]
        at = _past_space(self._held, at)
        return name, at if at < len(self._held) else _MORE


def _expect(text: str, at: int, tokens: Collection[str]) -> int:
    """Past white space and the longest of the tokens that stands there; _MORE or _NO."""
    rest = text[_past_space(text, at) :]
    if any(token != rest and token.startswith(rest) for token in tokens):
        return _MORE
    found = max([len(token) for token in tokens if rest.startswith(token)], default=0)
    return len(text) - len(rest) + found if found else _NO


def _separators(text: str) -> int:
    """Past what may stand between two calls, and after the last."""
    at = 0
    while (after := _expect(text, at, _BETWEEN)) >= 0:
        at = after
    return _past_space(text, at)


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at
