"""What a guardrail looks for in a text, and the scan of a text that comes in pieces.

Theory of operation. A scan's outcome depends on the text alone, never on how it was split. A place in the text is
decided once no piece to come can change what is found there: that is, once what stands from it to the end is no
beginning of a match any more (see `tsuji.config.pattern`), or is longer than `window`, beyond which no match reaches.
All text before the first undecided place is released; the rest waits. RE2 matches what ends with the text from its end
backwards, so that looking for this place costs as much as what is held back, not as much as the text.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tsuji.config.pattern import Pattern, compiled

CONTEXT = 8
"""Bytes before a place that are kept, for what looks at what stands before a match."""
_LETTER = 4  # bytes of UTF-8, at most

Check = Callable[[str, str], int | None]
"""A candidate, and up to CONTEXT bytes of what stands before it -> how many of its letters are a hit; None: it is none.
"""


class Rule(msgspec.Struct, frozen=True):
    """label: what is found. group: of the pattern, that is taken out; 0: all of the match. allowed: it is no hit, and
    nothing in it is one.
    """

    label: str
    pattern: Pattern
    group: int = 0
    check: Check | None = None
    allowed: bool = False


class Hit(msgspec.Struct, frozen=True):
    """start, end: byte offsets. label: "": what is there is allowed."""

    start: int
    end: int
    label: str


class Rules:
    """Several rules looked for in one pass; where two begin at one place, the first in order counts.

    window: bytes that a match has at most. Raises PatternError for what RE2 does not take.
    """

    def __init__(self, rules: Sequence[Rule], window: int) -> None:
        self.window = window
        self._any = compiled("|".join([rule.pattern.body for rule in rules]))
        self._beginning = compiled("(?:" + "|".join([rule.pattern.beginning for rule in rules]) + r")\z")
        self._each: list[tuple[Rule, Any]] = [(rule, compiled(rule.pattern.text)) for rule in rules]

    def undecided(self, data: bytes, at: int) -> int:
        """The first place from `at` on where a match may begin that `data` has not all of; its end: there is none."""
        at = max(at, len(data) - self.window - _LETTER + 1)
        return self._beginning.search(data, at).start()

    def candidate(self, data: bytes, at: int) -> int | None:
        """Where the next candidate begins."""
        found = self._any.search(data, at)
        return found.start() if found is not None else None

    def judge(self, data: bytes, at: int) -> Hit | None:
        """The hit at a candidate's place."""
        for rule, pattern in self._each:
            found = pattern.match(data, at, at + self.window)
            if found is None:
                continue
            start, end = found.span(rule.group)
            if rule.check is not None:
                text = _text(data[start:end])
                length = rule.check(text, _text(data[_whole_letter(data, max(0, start - CONTEXT)) : start]))
                end = start + len(text[:length].encode()) if length is not None else start
            if end > start:
                return Hit(start, end, "" if rule.allowed else rule.label)
        return None


class Scan:
    """`feed` pieces of one text and `close`: both give what may be passed on, with a mark in the place of each hit.

    labels: of the hits so far, in order.
    """

    __slots__ = ("_rest", "_rules", "_start", "labels")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._rest = b""
        self._start = 0  # of what is not decided yet; what stands before it in `_rest` is context
        self.labels: list[str] = []

    def feed(self, text: str) -> str:
        return self._scan(self._rest + _bytes(text), last=False)

    def close(self) -> str:
        return self._scan(self._rest, last=True)

    def _scan(self, data: bytes, last: bool) -> str:
        rules, done = self._rules, self._start
        at, out = done, b""
        undecided = len(data) if last else rules.undecided(data, at)
        while (found := rules.candidate(data, at)) is not None and found < undecided:
            hit = rules.judge(data, found)
            if hit is None:
                at = _whole_letter(data, found + 1)
                continue
            at = hit.end
            if hit.label:
                self.labels.append(hit.label)
                out += data[done : hit.start] + mark(hit.label).encode()
                done = at
            if at > undecided:
                undecided = rules.undecided(data, at)
        context = _whole_letter(data, max(0, undecided - CONTEXT))
        self._rest, self._start = data[context:], undecided - context
        return _text(out + data[done:undecided])


def mark(label: str) -> str:
    """What stands in the place of a hit."""
    return f"[REDACTED:{label}]"


def redact(rules: Rules, text: str, labels: list[str]) -> str:
    """A whole text; the hits' labels are added to `labels`."""
    scan = Scan(rules)
    out = scan._scan(_bytes(text), last=True)  # pyright: ignore[reportPrivateUsage]
    labels += scan.labels
    return out


def _whole_letter(data: bytes, at: int) -> int:
    """The first place from `at` on where a letter begins."""
    while at < len(data) and data[at] & 0xC0 == 0x80:
        at += 1
    return at


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
