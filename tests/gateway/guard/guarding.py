"""Guardrails that the tests share, and what each is to find."""

from typing import Any

import pytest

from tsuji.config import Guardrail

for name in ("re2", "stdnum", "phonenumbers", "detect_secrets"):
    pytest.importorskip(name, reason=f"{name} is not installed; pip install 'tsuji[guardrails]'")

SAMPLES = {
    "regex": ("the codeword is ORCHID-7731 today", "ORCHID-7731", "[REDACTED:g]"),
    "words": ("about Project  Falcon, quickly", "Project  Falcon", "[REDACTED:g]"),
    "secrets": ("use AKIAIOSFODNN7EXAMPLE for it", "AKIAIOSFODNN7EXAMPLE", "[REDACTED:aws_access_key]"),
    "pii": ("write to ann.lee@example.co.jp soon", "ann.lee@example.co.jp", "[REDACTED:email]"),
}
"""By kind: a text, what is found in it, the mark in its place."""
SETTINGS: dict[str, dict[str, Any]] = {
    "regex": {"patterns": (r"ORCHID-[0-9]{4}", r"LOTUS+")},
    "words": {"deny": ("project falcon", "極秘"), "allow": ("project falconry",)},
    "secrets": {},
    "pii": {},
    "length": {"max": 20},
}


def guardrails(kind: str, action: str = "block", on: str = "both", **more: Any) -> dict[str, Guardrail]:
    """One, called "g", in force everywhere."""
    return {"g": Guardrail("g", kind, on, action, everywhere=True, **SETTINGS.get(kind, {}), **more)}
