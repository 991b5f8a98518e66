"""Patterns of guardrails: written as Python's regular expressions are, run by RE2, and cut down to their beginnings.

RE2 matches in time linear in the text, whatever the pattern: no pattern of a configuration can hold up the event loop
(https://swtch.com/~rsc/regexp/regexp1.html). So it has no lookaround and no backreferences, and its \\d, \\w and \\b
are ASCII's. What a pattern's matches can begin with is a regular expression as well, made here from Python's own parse
of the pattern: a stream need hold back no more than the end of its text that fits it.
"""

import re
import warnings
from importlib import import_module
from typing import Any

_parser: Any = import_module("re._parser")
_AT = {
    "AT_BEGINNING": "^",
    "AT_BEGINNING_STRING": r"\A",
    "AT_END": "$",
    "AT_END_STRING": r"\z",
    "AT_BOUNDARY": r"\b",
    "AT_NON_BOUNDARY": r"\B",
}
_CATEGORIES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w", "NOT_DIGIT": r"\D", "NOT_SPACE": r"\S", "NOT_WORD": r"\W"}
_REFUSED = {
    "ASSERT": "looks ahead or behind",
    "ASSERT_NOT": "looks ahead or behind",
    "GROUPREF": "refers back to a group",
    "GROUPREF_EXISTS": "refers back to a group",
    "ATOMIC_GROUP": "has an atomic group",
    "POSSESSIVE_REPEAT": "has a possessive repeat",
}
_FEW = 4
_FLAGS = ((re.IGNORECASE, "i"), (re.MULTILINE, "m"), (re.DOTALL, "s"))


class PatternError(ValueError):
    """Says what is wrong with a pattern."""


class Pattern:
    """text: the pattern for RE2, its groups kept. body: the same without groups. beginning: matches, to the end of a
    text, all that a match may begin with, nothing and a whole match among it, and perhaps more.

    Raises PatternError for what is no pattern, what RE2 has not, and what matches nothing but emptiness.
    """

    __slots__ = ("beginning", "body", "text")

    def __init__(self, pattern: str, flags: int = 0) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                parsed = _parser.parse(pattern, flags)
        except (re.error, FutureWarning, DeprecationWarning, OverflowError, RecursionError) as error:
            raise PatternError(f"is no regular expression: {error}") from None
        if parsed.getwidth()[0] == 0:
            raise PatternError("matches where there is nothing; it must take at least one character")
        items = _items(parsed)
        on = "".join([letter for flag, letter in _FLAGS if parsed.state.flags & flag])
        opening = f"(?{on}:" if on else "(?:"
        self.text = f"{opening}{_whole(items, groups=True)})"
        self.body = f"{opening}{_whole(items)})"
        self.beginning = f"{opening}{_beginning(_uncounted(items))})"

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


def check_pattern(pattern: str) -> None:
    """Raises PatternError; and ImportError where RE2 is not installed."""
    compiled(Pattern(pattern).body)


_MEMORY = 64 * 1024 * 1024
"""Bytes that RE2 may take for a guardrail's pattern: its beginnings are large."""


def compiled(text: str, memory: int = _MEMORY) -> Any:
    """Raises PatternError for what RE2 does not take in `memory` bytes, and ImportError where it is not installed."""
    re2: Any = import_module("re2")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    try:
        return re2.compile(text, options)
    except re2.error as error:
        said: Any = error.args[0]
        message = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise PatternError(f"is not taken by RE2: {message}") from None


_Node = tuple[str, Any]


def _items(parsed: Any) -> list[_Node]:
    return [(str(kind), value) for kind, value in parsed]


def _whole(items: list[_Node], groups: bool = False) -> str:
    return "".join([_node(kind, value, groups) for kind, value in items])


def _node(kind: str, value: Any, groups: bool = False) -> str:
    match kind:
        case "LITERAL":
            return _letter(value)
        case "NOT_LITERAL":
            return f"[^{_letter(value)}]"
        case "ANY":
            return "."
        case "IN":
            return _set(value)
        case "AT":
            return _AT[str(value)]
        case "BRANCH":
            return "(?:" + "|".join([_whole(_items(branch), groups) for branch in value[1]]) + ")"
        case "SUBPATTERN":
            number, on, off, inner = value
            opening = "(" if groups and number is not None else _opening(on, off)
            return f"{opening}{_whole(_items(inner), groups)})"
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, inner = value
            lazy = "?" if kind == "MIN_REPEAT" else ""
            return f"(?:{_whole(_items(inner), groups)}){_times(least, most)}{lazy}"
        case _:
            raise PatternError(f"{_REFUSED.get(kind, 'has ' + kind.lower())}, which RE2 cannot do in linear time")


def _beginning(items: list[_Node]) -> str:
    """What the items' matches can begin with: a beginning of the first, or the first and a beginning of the rest."""
    if not items:
        return ""
    (kind, value), rest = items[0], items[1:]
    first, after = _node(kind, value), _beginning(rest)
    if kind == "AT":  # at the text's end, it may still come true
        return f"(?:{first}{after})?" if after else ""
    if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
        return f"(?:{first}{after})?"
    part = _beginning_of(kind, value)
    return f"(?:{first}{after}|{part})" if after else part


def _beginning_of(kind: str, value: Any) -> str:
    if kind == "BRANCH":
        return "(?:" + "|".join([_beginning(_items(branch)) for branch in value[1]]) + ")"
    if kind == "SUBPATTERN":
        _, on, off, inner = value
        return f"{_opening(on, off)}{_beginning(_items(inner))})"
    _, most, inner = value
    items = _items(inner)
    if most == 0:
        return ""
    before = "*" if most is _parser.MAXREPEAT else f"{{0,{most - 1}}}"
    return f"(?:{_whole(items)}){before}{_beginning(items)}"


def _uncounted(items: list[_Node]) -> list[_Node]:
    """Without upper and large lower limits of repeats: more fits then, and RE2 has a hundredth of the states."""
    out: list[_Node] = []
    for kind, value in items:
        if kind in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, inner = value
            few = most is not _parser.MAXREPEAT and most <= _FEW
            value = (least if few else min(least, 1), most if few else _parser.MAXREPEAT, _uncounted(_items(inner)))
        elif kind == "BRANCH":
            value = value[0], [_uncounted(_items(branch)) for branch in value[1]]
        elif kind == "SUBPATTERN":
            value = (*value[:3], _uncounted(_items(value[3])))
        out.append((kind, value))
    return out


def _opening(on: int, off: int) -> str:
    added = "".join([letter for flag, letter in _FLAGS if on & flag])
    removed = "".join([letter for flag, letter in _FLAGS if off & flag])
    return f"(?{added}{'-' + removed if removed else ''}:"


def _times(least: Any, most: Any) -> str:
    return f"{{{least},}}" if most is _parser.MAXREPEAT else f"{{{least},{most}}}"


def _set(members: list[Any]) -> str:
    out = ""
    for kind, value in [(str(kind), value) for kind, value in members]:
        if kind == "NEGATE":
            out += "^"
        elif kind == "LITERAL":
            out += _letter(value)
        elif kind == "RANGE":
            out += f"{_letter(value[0])}-{_letter(value[1])}"
        else:
            out += _CATEGORIES[str(value).removeprefix("CATEGORY_")]
    return f"[{out}]"


def _letter(code: int) -> str:
    letter = chr(code)
    return letter if letter.isascii() and letter.isalnum() else f"\\x{{{code:x}}}"
