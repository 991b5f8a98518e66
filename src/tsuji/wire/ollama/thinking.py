"""`think`, both ways (https://docs.ollama.com/capabilities/thinking).

What this dialect's own client said is given back as it was. Another dialect's wish becomes true or false, for
gpt-oss, which cannot stop thinking, a level:

| asked | gpt-oss | other models |
|---|---|---|
| effort "none", disabled, budget 0 | "low" | false |
| effort minimal, low; a budget up to 2048 | "low" | true |
| effort medium; a budget up to 8192; enabled | "medium" | true |
| effort high, xhigh, max; a larger budget | "high" | true |
| effort "auto" | nothing | nothing |
"""

from typing import Any, Final

from tsuji.core.request import EFFORTS, Reasoning

from .fields import NAME, Wrong, own

_LEVELS: Final = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}


def parse_think(value: Any, path: str) -> Reasoning:
    """Raises Wrong."""
    ext = {NAME: {"~think": value}}
    if value.__class__ is bool:
        return Reasoning(enabled=value, ext=ext)
    for effort in EFFORTS:
        if effort == value:
            return Reasoning(effort=effort, ext=ext)
    raise Wrong(path, "true, false, 'low', 'medium' or 'high'")


def render_think(asked: Reasoning, model: str) -> bool | str | None:
    """None where there is nothing to say."""
    spelled = own(asked.ext)
    if "~think" in spelled:
        return spelled["~think"]
    level = _level(asked)
    if "gpt-oss" in model:
        return "low" if level == "none" else level
    return None if level is None else level != "none"


def _level(asked: Reasoning) -> str | None:
    if asked.effort == "none" or asked.enabled is False or asked.budget == 0:
        return "none"
    if asked.effort is not None:
        return _LEVELS.get(asked.effort)
    if asked.budget is not None:
        return "low" if asked.budget <= 2048 else "medium" if asked.budget <= 8192 else "high"
    return "medium" if asked.enabled or asked.adaptive else None
