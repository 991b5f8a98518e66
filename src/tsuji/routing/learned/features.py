"""What can be seen of a prompt without a model: counts of its letters, words, digits and signs."""

import re
from math import log1p

LONGEST = 100_000
"""Letters that are looked at."""
_COUNTED = {
    "lines": re.compile(r"\n"),
    "digits": re.compile(r"\d"),
    "arithmetic": re.compile(r"[+\-*/=^<>]"),
    "questions": re.compile(r"\?"),
    "brackets": re.compile(r"[{}\[\]();]"),
    "latex": re.compile(r"[\\$]"),
    "capitals": re.compile(r"[A-Z]"),
    "commas": re.compile(","),
    "stops": re.compile(r"\."),
    "quotes": re.compile(r"[\"'`]"),
    "percents": re.compile("%"),
    "beyond ASCII": re.compile(r"[^\x00-\x7f]"),
}
_SEEN = {
    "code": re.compile(r"```|\bdef |\breturn\b|\bassert\b|#include|\bfunction\b"),
    "choices": re.compile(r"\(A\)|\bA\)|\bA\.|choices", re.IGNORECASE),
    "asks a fact": re.compile(r"\s*(?:what|who|when|where|which)\b", re.IGNORECASE),
    "asks how many": re.compile(r"how (?:many|much)\b", re.IGNORECASE),
    "asks to write": re.compile(r"\b(?:write|compose|draft|rewrite|translate|summari[sz]e)\b", re.IGNORECASE),
    "asks for steps": re.compile(r"\bstep(?: |-)by(?: |-)step\b|\bexplain\b|\bprove\b", re.IGNORECASE),
    "ends as a question": re.compile(r"\?\s*\Z"),
}
_WORD = re.compile(r"\w+")
_WHOLE = ("letters", "words", "letters per word", "different words", "share of digits", "share of capitals")
NAMES = (*_WHOLE, *_COUNTED, *_SEEN)


def features(prompt: str) -> list[float]:
    """One number for each of NAMES: logarithms of counts, shares from 0 to 1, or 0 and 1."""
    text = prompt[:LONGEST]
    words = _WORD.findall(text)
    letters, count = len(text), len(words)
    counts = {name: len(pattern.findall(text)) for name, pattern in _COUNTED.items()}
    return [
        log1p(len(prompt)),
        log1p(count),
        sum(map(len, words)) / count if count else 0.0,
        len(set(words)) / count if count else 0.0,
        counts["digits"] / (letters + 1),
        counts["capitals"] / (letters + 1),
        *[log1p(number) for number in counts.values()],
        *[1.0 if pattern.search(text) else 0.0 for pattern in _SEEN.values()],
    ]
