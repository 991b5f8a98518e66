"""What can be seen of a prompt without a model: counts of its letters, words, digits and signs."""

from math import log1p

LONGEST = 4_000
"""Letters that are looked at."""
_COUNTED = {
    "lines": "\n",
    "digits": "0123456789",
    "arithmetic": "+-*/=^<>",
    "questions": "?",
    "brackets": "{}[]();",
    "latex": "\\$",
    "capitals": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "commas": ",",
    "stops": ".",
    "quotes": "\"'`",
    "percents": "%",
}
_SEEN = {
    "code": ("```", "def ", "return ", "assert ", "#include", "function"),
    "choices": ("(a)", "\na)", "\na.", "choices", "options:"),
    "asks a fact": ("what ", "who ", "when ", "where ", "which "),
    "asks how many": ("how many", "how much"),
    "asks to write": ("write", "compose", "draft", "translate", "summari"),
    "asks for steps": ("step by step", "step-by-step", "explain", "prove"),
}
_WHOLE = (
    "letters", "words", "letters per word", "different words", "share of digits", "share of capitals",
    "beyond ASCII", "ends as a question",
)  # fmt: skip
NAMES = (*_WHOLE, *_COUNTED, *_SEEN)
_DELETED = {name: signs.encode() for name, signs in _COUNTED.items()}


def features(prompt: str) -> list[float]:
    """One number for each of NAMES: logarithms of counts, shares from 0 to 1, or 0 and 1.

    Nothing but searches for fixed texts and counts of bytes, which take a microsecond where patterns take a hundred.
    """
    text = prompt[:LONGEST]
    words, small = text.split(), text.lower()
    raw = text.encode("ascii", "ignore")
    letters, count, plain = len(text), len(words), len(raw)
    counts = {name: plain - len(raw.translate(None, signs)) for name, signs in _DELETED.items()}
    return [
        log1p(len(prompt)),
        log1p(count),
        letters / count if count else 0.0,
        len(set(words)) / count if count else 0.0,
        counts["digits"] / (letters + 1),
        counts["capitals"] / (letters + 1),
        log1p(letters - plain),
        1.0 if small.rstrip().endswith("?") else 0.0,
        *[log1p(number) for number in counts.values()],
        *[1.0 if any(one in small for one in some) else 0.0 for some in _SEEN.values()],
    ]
