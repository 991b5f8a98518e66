"""One answer's text: a model's own format for calls and thinking, and calls as bare JSON. Pure."""

from collections.abc import Sequence

from tsuji.core.tools import Tool

from .calls import CallReader, Piece
from .formats.reader import Family, FormatReader


class AnswerReader:
    """`feed` it the text in any pieces, then `finish`. family: None where somebody else reads the model's format."""

    def __init__(self, tools: Sequence[Tool], family: Family | None) -> None:
        self._names = tuple([tool.name for tool in tools])
        self._format = FormatReader(family, tools) if family is not None else None
        self._calls = CallReader(self._names)

    def feed(self, text: str) -> list[Piece]:
        return self._calls.feed(text) if self._format is None else self._within(self._format.feed(text))

    def finish(self) -> list[Piece]:
        """What is still held when the answer ends."""
        held = self._within(self._format.finish()) if self._format is not None else []
        return held + self._calls.finish()

    def _within(self, pieces: list[Piece]) -> list[Piece]:
        out: list[Piece] = []
        for piece in pieces:
            if piece.kind == "text":
                out += self._calls.feed(piece.text)
                continue
            if piece.kind in ("call", "thinking"):
                out += self._calls.finish()
                self._calls = CallReader(self._names)
            out.append(piece)
        return out
