"""`thinkingConfig`, both ways (https://ai.google.dev/gemini-api/docs/thinking).

An effort of another dialect becomes a level (Gemini 3 and later) or a budget of tokens (Gemini 2.5), as Google's own
OpenAI endpoint does it (https://ai.google.dev/gemini-api/docs/openai#thinking):

| effort | 2.5 budget | 3 Flash | 3 Pro | 3.1 Pro and later |
|---|---|---|---|---|
| none | 0 (Pro: 128, its least) | MINIMAL | LOW | LOW |
| minimal | 1024 | MINIMAL | LOW | LOW |
| low | 1024 | LOW | LOW | LOW |
| medium | 8192 | MEDIUM | HIGH | MEDIUM |
| high | 24576 | HIGH | HIGH | HIGH |
| xhigh, max | 24576 (Pro: 32768) | HIGH | HIGH | HIGH |

"auto" sends neither. A budget is held to what the model takes, or becomes the level that is nearest. Effort is a hint:
models before 2.5 do not think, and are sent nothing.
"""

from typing import Any, Final

from tsuji.core.request import Effort, Reasoning

from .fields import NAME, a_boolean, a_string, an_integer, an_object, camel, own, to_ext

_BUDGETS: Final[dict[str, int]] = {
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32768,
    "max": 32768,
}
_LEVELS: Final[dict[str, str]] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
_EFFORTS: Final[dict[str, Effort]] = {
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
}
_LATEST = (99, 0)


def version(model: str) -> tuple[int, int] | None:
    """(2, 5) of "gemini-2.5-flash"; a high one for names such as "gemini-flash-latest"; None for other families."""
    name = model.rpartition("/")[2]
    if not name.startswith("gemini-"):
        return None
    major, _, minor = name[7:].partition("-")[0].partition(".")
    if not major.isdecimal():
        return _LATEST
    return int(major), int(minor) if minor.isdecimal() else 0


def parse_thinking(value: Any, path: str) -> Reasoning:
    """Raises Malformed. The whole config is remembered, and given back as it was."""
    raw = an_object(value, path)
    config = {k: v for k, v in camel(raw, []).items() if v is not None}
    extra: dict[str, Any] = {"~config": raw}
    effort: Effort | None = None
    budget: int | None = None
    show: bool | None = None
    for name, item in config.items():
        at = f"{path}.{name}"
        if name == "includeThoughts":
            show = a_boolean(item, at)
        elif name == "thinkingBudget":
            budget = an_integer(item, at)
        elif name == "thinkingLevel":
            effort = _EFFORTS.get(a_string(item, at).lower())
        else:
            extra[name] = item
    if budget == 0:
        effort = "none"
    elif budget is not None and budget < 0:
        effort, budget = "auto", None
    return Reasoning(effort=effort, budget=budget, show=show, ext=to_ext(extra))


def render_thinking(reasoning: Reasoning, model: str) -> dict[str, Any] | None:
    """None where there is nothing to say."""
    config = own(reasoning.ext).get("~config")
    if config is not None:
        return config
    generation = version(model)
    if generation is None or generation < (2, 5):
        return None
    effort = "none" if reasoning.enabled is False or reasoning.budget == 0 else reasoning.effort
    out: dict[str, Any] = {}
    if generation < (3, 0):
        budget = _budget(effort, reasoning.budget, model)
        if budget is not None:
            out["thinkingBudget"] = budget
    else:
        level = _level(effort, reasoning.budget, model, generation)
        if level is not None:
            out["thinkingLevel"] = level
    if reasoning.show is not None:
        out["includeThoughts"] = reasoning.show is not False and reasoning.show != "omitted"
    elif effort != "none" and (effort or reasoning.budget or reasoning.enabled or reasoning.adaptive):
        out["includeThoughts"] = True
    return {**out, **{k: v for k, v in (reasoning.ext or {}).get(NAME, {}).items() if k[0:1] != "~"}} or None


def _budget(effort: str | None, budget: int | None, model: str) -> int | None:
    pro, lite = "pro" in model, "lite" in model
    if effort == "none":
        return 128 if pro else 0
    wanted = budget or _BUDGETS.get(effort or "")
    if wanted is None:
        return None
    least = 128 if pro else 512 if lite else 1
    return min(max(wanted, least), 32768 if pro else 24576)


def _level(effort: str | None, budget: int | None, model: str, generation: tuple[int, int]) -> str | None:
    if budget and effort is None:
        effort = "low" if budget <= 2048 else "medium" if budget <= 8192 else "high"
    level = _LEVELS.get(effort or "")
    if "pro" in model:
        if level == "MINIMAL":
            return "LOW"
        if level == "MEDIUM" and generation == (3, 0):
            return "HIGH"
    return level
