"""`additionalModelRequestFields`: what each maker's models take beyond what all do, how much to think above all.

What this dialect's own client said goes out as it was said. Another dialect's wish is fitted to the model:

| asked | Nova 2 | gpt-oss | OpenAI's others | Qwen |
|---|---|---|---|---|
| where | `reasoningConfig` | `reasoning_effort` | `reasoning.effort` | `reasoning_config` |
| effort "none", disabled | disabled | "low" | "none" | nothing |
| effort minimal, low; a budget to 2048 | "low" | "low" | the effort, or "low" | "low" |
| medium; a budget to 8192; enabled | "medium" | "medium" | the effort, or "medium" | "high" |
| high and above; a larger budget | "high" | "high" | the effort, or "high" | "high" |

Claude is told in `thinking` and `output_config`, as ../anthropic/thinking.py says. An effort is a hint: for models of
other makers it is left out, and noted. Nova takes "high" only where neither `maxTokens`, `temperature` nor `topP` is
set; elsewhere it is "medium". Sources:
https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html,
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html.
"""

from typing import Any, Final

from tsuji.core.request import EFFORTS, ChatRequest, Reasoning

from ..anthropic.fields import Object, object_or_empty, text_or_none
from ..anthropic.thinking import plan
from ..dialect import Losses
from .families import family

_LEVELS: Final = {
    "none": "none",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_CHOICES: Final = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}


def parse_reasoning(fields: Object) -> tuple[Reasoning | None, frozenset[str]]:
    """How much to think, and the fields that say it."""
    found: dict[str, Any] = {}
    said: set[str] = set()
    for name in ("thinking", "reasoning_config", "reasoningConfig"):
        if _parse_config(object_or_empty(fields.get(name)), found):
            said.add(name)
    for name, inside in _EFFORTS:
        value = fields.get(name) if inside is None else object_or_empty(fields.get(name)).get(inside)
        alone = inside is None or object_or_empty(fields.get(name)).keys() == {inside}
        if type(value) is str and value in EFFORTS and alone:
            found["effort"] = value
            said.add(name)
    return Reasoning(**found) if found else None, frozenset(said)


_EFFORTS: Final = (
    ("output_config", "effort"),
    ("reasoning", "effort"),
    ("reasoning_effort", None),
    ("reasoning_config", None),
)


def _parse_config(config: Object, found: dict[str, Any]) -> bool:
    """Claude's and Nova's form; false for another."""
    kind, budget, effort = config.get("type"), config.get("budget_tokens"), config.get("maxReasoningEffort")
    known = config.keys() <= {"type", "budget_tokens", "display", "maxReasoningEffort"}
    sound = type(budget) in (int, type(None)) and (effort is None or effort in _LEVELS)
    if kind not in ("enabled", "disabled", "adaptive") or not known or not sound:
        return False
    found.update({"adaptive": True} if kind == "adaptive" else {"enabled": kind == "enabled"})
    found.update({k: v for k, v in (("budget", budget), ("effort", effort)) if v is not None})
    display = text_or_none(config.get("display"))
    if display is not None:
        found["show"] = display
    return True


def parse_top_k(fields: Object) -> tuple[int | None, str | None]:
    """Its number, and the field that says it."""
    for name in ("top_k", "k"):
        if type(fields.get(name)) is int:
            return fields[name], name
    nova = object_or_empty(fields.get("inferenceConfig"))
    if nova.keys() == {"topK"} and type(nova["topK"]) is int:
        return nova["topK"], "inferenceConfig"
    return None, None


def render_additional(request: ChatRequest, losses: Losses) -> Object:
    fields: Object = {}
    known = family(request.model)
    if known.name == "claude":
        _claude(request, fields, losses)
    elif request.reasoning is not None:
        losses.ext(request.reasoning.ext, "reasoning.")
        said = _reasoning(request, request.reasoning, known.name)
        if said is not None:
            fields.update(said)
        elif request.reasoning.effort != "auto":
            losses.note("reasoning_effort")
    if request.top_k is not None:
        if known.top_k is None:
            losses.refuse("top_k", "this model has no word for it")
        elif known.name == "nova":
            fields["inferenceConfig"] = {known.top_k: request.top_k}
        else:
            fields[known.top_k] = request.top_k
    return fields


def _claude(request: ChatRequest, fields: Object, losses: Losses) -> None:
    """Its own `tool_choice` has words for what Converse's lacks."""
    thinking = plan(request, losses)
    if thinking.thinking is not None:
        fields["thinking"] = thinking.thinking
    if thinking.effort is not None:
        fields["output_config"] = {"effort": thinking.effort}
    if claude_chooses(request):
        choice = request.tool_choice
        said: Object = {"type": _CHOICES[choice.mode] if choice is not None else "auto"}
        if choice is not None and choice.mode == "named":
            said["type"], said["name"] = ("tool", choice.names[0]) if len(choice.names) == 1 else ("any", None)
        if said["type"] != "none":
            said["disable_parallel_tool_use"] = True
        fields["tool_choice"] = {k: v for k, v in said.items() if v is not None}


def claude_chooses(request: ChatRequest) -> bool:
    """Whether the tool choice is one that only Claude's own field says; then Converse's is left out: both conflict."""
    if family(request.model).name != "claude" or not request.tools:
        return False
    choice = request.tool_choice
    return request.parallel_tools is False or (choice is not None and choice.mode == "none")


def _level(asked: Reasoning) -> str | None:
    if asked.effort == "none" or asked.enabled is False or asked.budget == 0:
        return "none"
    if asked.effort is not None:
        return _LEVELS.get(asked.effort)
    if asked.budget is not None:
        return "low" if asked.budget <= 2048 else "medium" if asked.budget <= 8192 else "high"
    return "medium" if asked.enabled or asked.adaptive else None


def _reasoning(request: ChatRequest, asked: Reasoning, name: str) -> Object | None:
    """None where there is no word for it."""
    level = _level(asked)
    if level is None:
        return None
    if name == "nova" and "nova-2" in request.model:
        bound = request.max_tokens is not None or request.temperature is not None or request.top_p is not None
        effort = "medium" if level == "high" and bound else level
        said = {"type": "disabled"} if level == "none" else {"type": "enabled", "maxReasoningEffort": effort}
        return {"reasoningConfig": said}
    if name == "gpt-oss":
        return {"reasoning_effort": "low" if level == "none" else level}
    if name == "openai":
        return {"reasoning": {"effort": asked.effort or level}}
    if name == "qwen" and level != "none":
        return {"reasoning_config": "low" if level == "low" else "high"}
    return None
