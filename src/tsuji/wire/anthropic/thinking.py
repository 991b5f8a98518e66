"""Reasoning to `thinking` and `output_config.effort`.

What this dialect's own client said goes out as it was said. Other dialects' forms are fitted to the model:

| asked | a model with adaptive thinking | one with a budget |
|---|---|---|
| effort "none", disabled | `disabled` (left out where the model cannot stop thinking, effort low) | `disabled` |
| effort "auto" | nothing | nothing |
| effort minimal .. max | `adaptive`, and the nearest effort not above it | a budget from BUDGETS, effort if taken |
| a budget | `adaptive`, effort by the budget | the budget |
| enabled, adaptive | `adaptive` | the budget of "medium" |

An effort is a hint: it is left out, and noted in losses.dropped, where it would contradict a demand (a forced tool, a
sampling setting, too small a max_tokens, an unfinished tool loop whose thinking is not there to give back).
"""

from typing import Any

from tsuji.core.parts import Message, Thinking, ToolCall
from tsuji.core.request import ChatRequest, Reasoning

from ..dialect import Losses
from .claude import Thinks, thinks
from .fields import NAME, Object

DEFAULT_MAX_TOKENS = 4096
MIN_BUDGET = 1024

BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24576, "xhigh": 32768, "max": 32768}
"""Effort -> tokens to think: as Google publishes for the same purpose
(https://ai.google.dev/gemini-api/docs/openai#thinking), but that "low" must be above the least budget here, 1024."""

_RANKS = ("minimal", "low", "medium", "high", "xhigh", "max")
_DISPLAYS = {"omitted": "omitted", False: "omitted"}


class Plan:
    """What is to be sent. room: tokens that a default max_tokens must have beyond the answer's."""

    __slots__ = ("effort", "room", "thinking")

    def __init__(self, thinking: Object | None = None, effort: str | None = None, room: int = 0) -> None:
        self.thinking = thinking
        self.effort = effort
        self.room = room


NOTHING = Plan()


def plan(request: ChatRequest, losses: Losses) -> Plan:
    how = request.reasoning
    if how is None:
        return NOTHING
    own = how.ext.get(NAME) if how.ext else None
    if own is not None and "~type" in own:
        return _verbatim(how, own)
    losses.ext(how.ext, "reasoning.")
    model = thinks(request.model)
    if how.effort == "none" or how.enabled is False or how.budget == 0:
        return _off(model)
    if how.effort == "auto" or how == Reasoning():
        return NOTHING
    if not _possible(request, how, model, losses.dialect):
        losses.note("reasoning_effort")
        return NOTHING
    return _adaptive(how, model) if model.adaptive else _budgeted(request, how, model, losses)


def _verbatim(how: Reasoning, own: dict[str, Any]) -> Plan:
    kind = own["~type"]
    if "thinking" in own or kind is None:
        return Plan(own.get("thinking"), how.effort)
    thinking: Object = {"type": kind}
    if how.budget is not None:
        thinking["budget_tokens"] = how.budget
    if how.show is not None:
        thinking["display"] = how.show
    return Plan(thinking, how.effort)


def _off(model: Thinks) -> Plan:
    if model.always:
        return Plan(effort=model.efforts[0])
    return Plan({"type": "disabled"})


def _possible(request: ChatRequest, how: Reasoning, model: Thinks, dialect: str) -> bool:
    if not (model.adaptive or model.budget):
        return False
    if how.effort is None:
        return True
    choice = request.tool_choice
    if choice is not None and choice.mode in ("required", "named"):
        return False
    if not model.omits and (request.temperature not in (None, 1) or request.top_k is not None):
        return False
    return model.adaptive or not _loop_without_thinking(request.messages, dialect)


def _loop_without_thinking(messages: tuple[Message, ...], dialect: str) -> bool:
    """With a budget, the turn whose tool calls are being answered must begin with its signed thinking.

    dialect: that Claude is asked in: on other platforms its signatures hold as well, and go by that dialect's name.
    """
    for message in reversed(messages):
        if message.role == "assistant":
            calls = any(type(p) is ToolCall for p in message.content)
            return calls and not any(type(p) is Thinking and p.origin in (NAME, dialect) for p in message.content)
    return False


def _display(how: Reasoning, model: Thinks) -> str | None:
    if how.show is None:
        return "summarized" if model.omits else None
    return _DISPLAYS.get(how.show, "summarized")


def _adaptive(how: Reasoning, model: Thinks) -> Plan:
    thinking: Object = {"type": "adaptive"}
    display = _display(how, model)
    if display is not None:
        thinking["display"] = display
    effort = how.effort
    if effort is None and how.budget is not None and how.budget > 0:
        budget = how.budget
        effort = next((e for e in _RANKS if BUDGETS[e] >= budget), "max")
    return Plan(thinking, _nearest(effort, model.efforts))


def _nearest(effort: str | None, efforts: tuple[str, ...]) -> str | None:
    """The highest of `efforts` that is not above `effort`, else the lowest."""
    if effort is None or not efforts:
        return None
    rank = _RANKS.index(effort)
    below = [e for e in efforts if _RANKS.index(e) <= rank]
    return below[-1] if below else efforts[0]


def _budgeted(request: ChatRequest, how: Reasoning, model: Thinks, losses: Losses) -> Plan:
    wanted = how.budget if how.budget is not None and how.budget > 0 else BUDGETS[how.effort or "medium"]
    budget = max(wanted, MIN_BUDGET)
    room = budget
    if request.max_tokens is not None:
        budget, room = min(budget, request.max_tokens - MIN_BUDGET), 0
        if budget < MIN_BUDGET:
            losses.note("reasoning_effort")
            return NOTHING
    thinking: Object = {"type": "enabled", "budget_tokens": budget}
    if how.show is not None:
        thinking["display"] = _display(how, model)
    return Plan(thinking, _nearest(how.effort, model.efforts), room)
