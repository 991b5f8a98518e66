"""What is found: pieces, with the white space between them gone that only set them apart."""

import json
from collections.abc import Sequence
from typing import Any, cast

from tsuji.core.tools import Tool
from tsuji.engine.calls import Piece

_SPACE = " \t\r\n"


class Out:
    """Collects pieces; `take` gives those since the last time."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._kind = ""  # of what goes on: "text", "thinking", "call"
        self._space = ""  # at the end of a text: it may be what stands before a call
        self._parted = False  # there was something before this text

    def take(self) -> list[Piece]:
        out, self._pieces = self._pieces, []
        return out

    def text(self, text: str) -> None:
        self._say("text", text)

    def thinking(self, text: str) -> None:
        self._say("thinking", text)

    def part(self) -> None:
        """What comes next begins something new."""
        self._kind, self._space, self._parted = "", "", True

    def call(self, name: str) -> None:
        self.part()
        self._pieces.append(Piece("call", name))

    def arguments(self, text: str) -> None:
        if text:
            self._pieces.append(Piece("arguments", text))

    def end(self) -> None:
        self._pieces.append(Piece("end"))

    def finish(self) -> None:
        """An answer that is text and nothing else keeps its last white space."""
        if not self._parted and self._space:
            self._pieces.append(Piece("text", self._space))
        self._space = ""

    def _say(self, kind: str, text: str) -> None:
        if kind != self._kind:
            parted = self._parted or bool(self._kind)
            self._space, self._parted = "", parted
            if parted or kind == "thinking":
                text = text.lstrip(_SPACE)
            if not text:
                return
            self._kind = kind
        text = self._space + text
        said = text.rstrip(_SPACE)
        self._space = text[len(said) :]
        if said:
            self._pieces.append(Piece("thinking" if kind == "thinking" else "text", said))


class Tools:
    """The tools that there are to call; where none are given, any name will do."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._properties: dict[str, dict[str, Any]] = {}
        for tool in tools:
            found: Any = (tool.parameters or {}).get("properties")
            self._properties[tool.name] = cast(dict[str, Any], found) if isinstance(found, dict) else {}

    def has(self, name: str) -> bool:
        return bool(name) and (not self._properties or name in self._properties)

    @property
    def named(self) -> bool:
        """Whether the tools are known at all."""
        return bool(self._properties)

    def is_text(self, tool: str, argument: str) -> bool:
        """Whether the argument is a string and nothing else, by the tool's schema."""
        fact: Any = self._properties.get(tool, {}).get(argument)
        if not isinstance(fact, dict):
            return False
        schema = cast(dict[str, Any], fact)
        choices: Any = schema.get("enum")
        words = cast(list[Any], choices) if isinstance(choices, list) else []
        return schema.get("type") == "string" or (bool(words) and all(isinstance(word, str) for word in words))


class Arguments:
    """An object of arguments, written as JSON while its parts become known."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._begun = False

    def key(self, name: str) -> None:
        self._out.arguments(("{" if not self._begun else ", ") + json.dumps(name, ensure_ascii=False) + ": ")
        self._begun = True

    def raw(self, text: str) -> None:
        self._out.arguments(text)

    def piece(self, text: str) -> None:
        """Of a string whose quotation marks are written by `raw`."""
        self._out.arguments(json.dumps(text, ensure_ascii=False)[1:-1])

    def guessed(self, text: str) -> None:
        """A value that was written without quotation marks: JSON where it is that, else a string."""
        try:
            json.loads(text, parse_constant=_no_constant)
        except ValueError:
            text = json.dumps(text, ensure_ascii=False)
        self._out.arguments(text)

    def close(self) -> None:
        self._out.arguments("}" if self._begun else "{}")


def _no_constant(word: str) -> float:
    raise ValueError(word)
