"""The kinds of guardrails that look at texts here, without asking anyone."""

import re
from functools import lru_cache

import msgspec

from tsuji.config import Guardrail
from tsuji.config.guardrail import EXTRA, packages
from tsuji.config.pattern import Pattern, PatternError
from tsuji.core.errors import ConfigError

from .rules import Rule, Rules

_WORDS_WINDOW = 512
_MAX_LABEL = 32


class Check(msgspec.Struct, frozen=True):
    """rules: what it finds; None: it counts letters, up to `most`."""

    name: str
    action: str
    rules: Rules | None
    most: int = 0


def check(given: Guardrail) -> Check:
    """Raises ConfigError for what is not installed, and for patterns that are none."""
    missing = packages(given.kind)
    if missing:
        raise ConfigError(f"the guardrail {given.name!r} needs {' and '.join(missing)}; {EXTRA}", param="guardrails")
    if given.kind == "length":
        return Check(given.name, given.action, None, given.max)
    try:
        return Check(given.name, given.action, _rules(given))
    except PatternError as error:
        raise ConfigError(f"a pattern of the guardrail {given.name!r} {error}", param="guardrails") from None


@lru_cache(maxsize=64)
def _rules(given: Guardrail) -> Rules:
    """Kept: a configuration that is read again has the same patterns as a rule, and they take a while to make."""
    if given.kind == "pii":
        from . import pii

        return Rules(pii.rules(given.entities, given.regions), pii.WINDOW)
    if given.kind == "secrets":
        from . import secrets

        return Rules(secrets.rules(), secrets.WINDOW)
    if given.kind == "words":
        return Rules(_words(given), _WORDS_WINDOW)
    label = given.name[:_MAX_LABEL]
    return Rules([Rule(label, Pattern(pattern)) for pattern in given.patterns], given.window)


def _words(given: Guardrail) -> list[Rule]:
    """Longer phrases first; what is allowed is matched, so that nothing in it is, and let be."""
    phrases = [(phrase, True) for phrase in given.allow] + [(phrase, False) for phrase in given.deny]
    phrases.sort(key=lambda each: (-len(each[0]), not each[1]))
    return [
        Rule(given.name[:_MAX_LABEL], Pattern(_phrase(phrase), re.IGNORECASE), allowed=allowed)
        for phrase, allowed in phrases
    ]


def _phrase(phrase: str) -> str:
    """Any white space between words. ASCII's letters are not to be part of a longer word; other scripts have no \\b."""
    words = phrase.split()
    before = r"\b" if words[0][0].isascii() and words[0][0].isalnum() else ""
    after = r"\b" if words[-1][-1].isascii() and words[-1][-1].isalnum() else ""
    return before + r"\s+".join([re.escape(word) for word in words]) + after
