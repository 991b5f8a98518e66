"""Keys, tokens and passwords, by the forms that their makers gave them so that they can be told.

Most patterns are those of detect-secrets, in the fork that Palo Alto Networks keeps (bc-detect-secrets); of its
detectors, those that judge by a name before a value or by entropy are left out: in prose they find too much. Here are
the forms that it lacks, above all of model providers' keys, and whole private keys, of which it finds the head.
"""

import re
from typing import Any

from tsuji.config.pattern import Pattern, PatternError

from .rules import Check, Rule

WINDOW = 8192
"""A private key of 4096 bits has 3,300 letters."""
_OWN = (
    ("openai_key", r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,250}"),
    ("anthropic_key", r"\bsk-ant-[A-Za-z0-9_-]{30,250}"),
    ("openrouter_key", r"\bsk-or-v1-[0-9a-f]{64}\b"),
    ("provider_key", r"\bsk-[A-Za-z0-9]{32,64}\b"),
    ("google_api_key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("github_token", r"\bgithub_pat_[A-Za-z0-9_]{60,250}"),
    ("gitlab_token", r"\bglpat-[A-Za-z0-9_-]{20,64}"),
    ("huggingface_token", r"\bhf_[A-Za-z0-9]{34}\b"),
    ("groq_key", r"\bgsk_[A-Za-z0-9]{52}\b"),
    ("xai_key", r"\bxai-[A-Za-z0-9]{80}\b"),
    ("pypi_token", r"\bpypi-AgE[A-Za-z0-9_-]{50,500}"),
    ("tsuji_key", r"\btsuji-[A-Za-z0-9_-]{43}\b"),
    (
        "private_key",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----(?:[A-Za-z0-9+/=:,.()\s-]|\\[nr])*?"
        r"[A-Za-z0-9+/=]{32}(?:[A-Za-z0-9+/=\s]|\\[nr])*(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----)?",
    ),
)
_LONGER = re.compile(r"[A-Za-z0-9+/_]\Z")


def rules() -> list[Rule]:
    return [*[Rule(label, Pattern(pattern)) for label, pattern in _OWN], *_theirs()]


def _theirs() -> list[Rule]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector

    found: list[Rule] = []
    kinds: dict[str, Any] = get_mapping_from_secret_type_to_class()
    for name, kind in sorted(kinds.items()):
        if not issubclass(kind, RegexBasedDetector):
            continue
        detector: Any = kind()
        decides = kind.analyze_string is not RegexBasedDetector.analyze_string
        for written in detector.denylist:
            try:
                pattern = Pattern(written.pattern, written.flags & ~re.UNICODE)
            except PatternError:
                continue  # it looks behind, for a name before the value
            found.append(Rule(_slug(name), pattern, 0, _check(detector if decides else None)))
    return found


def _check(detector: Any) -> Check:
    """detector: that has the last word on a candidate."""

    def check(text: str, before: str) -> int | None:
        if _LONGER.search(before) and _LONGER.search(text[:1]):
            return None  # the end of something longer
        if detector is not None and next(detector.analyze_string(text), None) is None:
            return None
        return len(text)

    return check


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
