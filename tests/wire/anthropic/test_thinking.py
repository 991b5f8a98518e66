"""Reasoning as other dialects ask for it, fitted to the model; and what the model's name says."""

import json
from typing import Any

import pytest

from tsuji.core.errors import UnsupportedParameterError
from tsuji.core.parts import Message, Text, Thinking, ToolCall
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.core.tools import Tool, ToolChoice
from tsuji.wire.anthropic import DIALECT
from tsuji.wire.anthropic.claude import OTHER, thinks
from tsuji.wire.dialect import NO_QUIRKS, Losses

BUDGET, ADAPTIVE, NEW, ALWAYS = "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-8", "claude-fable-5-1"
SHOWN = {"type": "adaptive", "display": "summarized"}


def thinking(request: ChatRequest, losses: Losses | None = None) -> dict[str, Any]:
    body = json.loads(DIALECT.render_request(request, NO_QUIRKS, losses or Losses("anthropic")).body)
    return {k: v for k, v in body.items() if k in ("thinking", "output_config", "max_tokens")}


CASES: list[tuple[str, Reasoning, dict[str, Any]]] = [
    (BUDGET, Reasoning(effort="minimal"), {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 5120}),
    (BUDGET, Reasoning(effort="high"), {"thinking": {"type": "enabled", "budget_tokens": 24576}, "max_tokens": 28672}),
    (BUDGET, Reasoning(budget=3000), {"thinking": {"type": "enabled", "budget_tokens": 3000}, "max_tokens": 7096}),
    (BUDGET, Reasoning(budget=10), {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 5120}),
    (BUDGET, Reasoning(enabled=True), {"thinking": {"type": "enabled", "budget_tokens": 8192}, "max_tokens": 12288}),
    (BUDGET, Reasoning(effort="none"), {"thinking": {"type": "disabled"}, "max_tokens": 4096}),
    (BUDGET, Reasoning(effort="auto"), {"max_tokens": 4096}),
    (
        BUDGET,
        Reasoning(effort="low", show=False),
        {"thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}, "max_tokens": 6144},
    ),
    (
        "claude-opus-4-5-20251101",
        Reasoning(effort="max"),
        {
            "thinking": {"type": "enabled", "budget_tokens": 32768},
            "output_config": {"effort": "high"},
            "max_tokens": 36864,
        },
    ),
    ("glm-4.7", Reasoning(effort="low"), {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 6144}),
    (ADAPTIVE, Reasoning(effort="minimal"), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    (ADAPTIVE, Reasoning(effort="xhigh"), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    (ADAPTIVE, Reasoning(effort="max"), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
    (NEW, Reasoning(effort="xhigh"), {"thinking": SHOWN, "output_config": {"effort": "xhigh"}}),
    (NEW, Reasoning(budget=3000), {"thinking": SHOWN, "output_config": {"effort": "medium"}}),
    (NEW, Reasoning(budget=99999), {"thinking": SHOWN, "output_config": {"effort": "max"}}),
    (NEW, Reasoning(adaptive=True), {"thinking": SHOWN}),
    (NEW, Reasoning(adaptive=True, show="detailed"), {"thinking": SHOWN}),
    (NEW, Reasoning(enabled=False), {"thinking": {"type": "disabled"}}),
    (NEW, Reasoning(budget=0), {"thinking": {"type": "disabled"}}),
    (ALWAYS, Reasoning(effort="none"), {"output_config": {"effort": "low"}}),
]


@pytest.mark.parametrize(("model", "how", "expected"), CASES)
def test_reasoning_fits_the_model(model: str, how: Reasoning, expected: dict[str, Any]) -> None:
    assert thinking(ChatRequest(model, reasoning=how)) == {"max_tokens": 4096, **expected}


def test_a_budget_leaves_room_for_the_answer() -> None:
    request = ChatRequest(BUDGET, reasoning=Reasoning(effort="high"), max_tokens=4000)
    assert thinking(request)["thinking"] == {"type": "enabled", "budget_tokens": 2976}


LOOP = (
    Message("user", (Text("q"),)),
    Message("assistant", (Thinking("hm", origin="openai"), ToolCall("a", "f"))),
)
HINTS: list[ChatRequest] = [
    ChatRequest(BUDGET, max_tokens=2000),
    ChatRequest(BUDGET, temperature=0.2),
    ChatRequest(BUDGET, top_k=3),
    ChatRequest(BUDGET, tools=(Tool("f"),), tool_choice=ToolChoice("required")),
    ChatRequest(NEW, tools=(Tool("f"),), tool_choice=ToolChoice("named", ("f",))),
    ChatRequest(BUDGET, LOOP),
    ChatRequest("claude-3-5-haiku-latest"),
]


@pytest.mark.parametrize("request_", HINTS)
def test_an_effort_gives_way_to_a_demand_and_is_noted(request_: ChatRequest) -> None:
    losses = Losses("anthropic")
    fields = {f: getattr(request_, f) for f in request_.__struct_fields__}
    found = thinking(ChatRequest(**{**fields, "reasoning": Reasoning(effort="high")}), losses)
    assert "thinking" not in found
    assert losses.dropped[0] == "reasoning_effort"


def test_a_loop_with_its_own_thinking_goes_on_thinking() -> None:
    turn = Message("assistant", (Thinking("hm", signature="s", origin="anthropic"), ToolCall("a", "f")))
    request = ChatRequest(BUDGET, (*LOOP[:1], turn), reasoning=Reasoning(effort="low"))
    assert thinking(request)["thinking"] == {"type": "enabled", "budget_tokens": 2048}


def test_another_dialect_s_own_field_is_refused() -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        thinking(ChatRequest(NEW, reasoning=Reasoning(effort="low", ext={"gemini": {"thinkingLevel": "ODD"}})))
    assert caught.value.param == "reasoning.thinkingLevel"


@pytest.mark.parametrize(
    ("model", "adaptive", "budget", "always", "system_turns", "efforts"),
    [
        ("claude-3-5-sonnet-20241022", False, False, False, False, 0),
        ("claude-3-7-sonnet-20250219", False, True, False, False, 0),
        ("claude-3-haiku-20240307", False, False, False, False, 0),
        ("claude-sonnet-4-20250514", False, True, False, False, 0),
        ("claude-opus-4@20250514", False, True, False, False, 0),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", False, True, False, False, 0),
        ("anthropic/claude-opus-4.5", False, True, False, False, 3),
        ("claude-sonnet-4-6", True, False, False, False, 4),
        ("claude-opus-4-7-20260416", True, False, False, False, 5),
        ("claude-opus-4-8", True, False, False, True, 5),
        ("claude-opus-5", True, False, False, True, 5),
        ("claude-sonnet-5-5", True, False, True, True, 5),
        ("claude-haiku-5-5", True, False, False, True, 5),
        ("claude-mythos-preview", True, False, True, False, 5),
        ("claude-fable-5", True, False, True, True, 5),
        ("claude-latest", True, False, False, True, 5),
    ],
)
def test_what_a_name_says(
    model: str, adaptive: bool, budget: bool, always: bool, system_turns: bool, efforts: int
) -> None:
    found = thinks(model)
    assert (found.adaptive, found.budget, found.always) == (adaptive, budget, always)
    assert (found.system_turns, len(found.efforts)) == (system_turns, efforts)


def test_other_makers_models() -> None:
    assert thinks("kimi-k2") is OTHER
