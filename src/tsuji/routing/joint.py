"""Where the text of a continuing answer joins what has been delivered: what it repeats of that is left out.

A model that is asked in words begins by repeating the last words, because it is asked to: that says without doubt where
it goes on, and no blank between two words is lost. Others begin anew, or repeat less, or just go on. What it begins
with is held back while it may be a repetition, which is a matter of some ten tokens, or of the delivered text where the
model begins anew.
"""

from tsuji.core.errors import UpstreamProtocolError

_ANCHOR = 60
_LEAST = 8
"""Characters that a repetition nobody asked for has, at least: fewer may be chance."""
_ANEW = 32
"""Characters after which an answer that begins as the delivered one did is that answer once more."""
_TAIL = 200


def anchor_of(text: str) -> str:
    """The last words of `text`: whole ones, some 60 characters."""
    tail = text[-_ANCHOR:]
    if len(tail) < len(text) and not text[-_ANCHOR - 1].isspace():
        words = tail.split(maxsplit=1)
        if len(words) == 2:
            tail = tail[tail.index(words[1]) :]
    return tail.lstrip()


class Joint:
    """`feed` pieces of the continuing text, then `end`: each gives what is to be delivered of it."""

    __slots__ = ("_anchor", "_decided", "_delivered", "_held", "_prefilled", "_start", "_tail")

    def __init__(self, delivered: str, *, prefilled: bool) -> None:
        """delivered: the text so far. prefilled: the model was made to go on from it, without blanks at its end."""
        self._delivered = delivered
        self._start = delivered.lstrip()
        self._anchor = anchor_of(delivered)
        self._tail = delivered[-_TAIL:]
        self._prefilled = prefilled
        self._held = ""
        self._decided = not self._start

    def feed(self, text: str) -> str:
        """Raises UpstreamProtocolError for an answer that begins anew and then differs."""
        if self._decided or not text:
            return text
        self._held += text
        rest = self._prefill(self._held) if self._prefilled else self._asked(self._held)
        if rest is None:
            return ""
        self._decided = True
        self._held = ""
        return rest

    def end(self) -> str:
        """The text is over."""
        if self._decided:
            return ""
        self._decided = True
        held, self._held = self._held, ""
        if self._prefilled:
            return "" if self._blanks().startswith(held) else held
        words = held.lstrip()
        return held[len(held) - len(words) + self._overlap(words) :]

    def _blanks(self) -> str:
        return self._delivered[len(self._delivered.rstrip()) :]

    def _prefill(self, new: str) -> str | None:
        """None while it cannot be told. The blanks at the end were not sent; they have been delivered all the same."""
        blanks = self._blanks()
        if blanks and new.isspace() and len(new) <= len(blanks):
            return None
        if blanks:
            return new[len(blanks) :] if new.startswith(blanks) else new.lstrip()
        if len(self._delivered) < _ANEW:
            return new
        if new.startswith(self._delivered):  # some give the prefill back
            return new[len(self._delivered) :]
        return None if self._delivered.startswith(new) else new

    def _asked(self, new: str) -> str | None:
        words = new.lstrip()
        if words.startswith(self._anchor):
            return words[len(self._anchor) :]
        if words.startswith(self._start):
            return words[len(self._start) :]
        if self._anchor.startswith(words) or self._start.startswith(words) or words in self._tail:
            return None
        if overlap := self._overlap(words):
            return words[overlap:]
        if words[:_ANEW] == self._start[:_ANEW] and len(words) >= _ANEW:
            raise UpstreamProtocolError("the model was to go on with its answer, and began another one")
        return new

    def _overlap(self, words: str) -> int:
        """Of the end of the delivered text with the beginning of `words`: how many characters, 0 for none."""
        delivered, tail = self._delivered, self._tail
        for size in range(min(len(words), len(tail)), 2, -1):
            piece = words[:size]
            if not tail.endswith(piece):
                continue
            before = delivered[: len(delivered) - size]
            if before and before[-1:].isalnum() and piece[0].isalnum():
                continue  # it would begin in the middle of a word
            if size >= _LEAST:
                # Text that repeats itself may well go on doing so.
                return 0 if before.endswith(piece) or before.rstrip().endswith(piece.strip()) else size
            if piece.isalpha() and words[size : size + 1].isalpha():  # a word that was cut, written whole
                return size
        return 0
