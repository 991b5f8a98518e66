"""How much to think, in each provider's way of saying it."""

from typing import Any

import pytest

from tsuji.core.parts import Message, Text
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.wire.dialect import NO_QUIRKS

from .wire import parse, render

HI = [{"role": "user", "content": "hi"}]
FIELDS = ("reasoning_effort", "reasoning", "thinking", "enable_thinking")


def write(asked: Reasoning, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
    body = render(ChatRequest("m", (Message("user", (Text("hi"),)),), reasoning=asked), quirks)
    return {name: body[name] for name in FIELDS if name in body}


SAID: list[tuple[dict[str, Any], Reasoning]] = [
    ({"reasoning_effort": "low"}, Reasoning("low")),
    ({"reasoning_effort": "none"}, Reasoning("none")),
    ({"reasoning_effort": "default"}, Reasoning("auto")),
    ({"reasoning": {"effort": "high", "exclude": True}}, Reasoning("high", show=False)),
    ({"reasoning": {"max_tokens": 2000}}, Reasoning(budget=2000)),
    ({"reasoning": {"enabled": True, "odd": 1}}, Reasoning(enabled=True)),
    ({"thinking": {"type": "disabled"}}, Reasoning(enabled=False)),
    ({"thinking": {"type": "enabled", "clear_thinking": False}}, Reasoning(enabled=True)),
    ({"thinking": {"type": "enabled", "budget_tokens": 9}, "reasoning_effort": "max"}, Reasoning("max", 9, True)),
    ({"enable_thinking": False}, Reasoning(enabled=False)),
    ({"prompt_mode": "reasoning"}, Reasoning(enabled=True)),
]


@pytest.mark.parametrize(("wire", "core"), SAID, ids=[str(wire) for wire, _ in SAID])
def test_what_was_said_comes_back(wire: dict[str, Any], core: Reasoning) -> None:
    request = parse({"model": "m", "messages": HI, **wire})
    found = request.reasoning
    assert found is not None
    assert (found.effort, found.budget, found.enabled, found.show) == (
        core.effort,
        core.budget,
        core.enabled,
        core.show,
    )
    assert render(request) == {"model": "m", "messages": HI, **wire}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Reasoning("high"), "high"),
        (Reasoning("max"), "max"),
        (Reasoning("auto"), None),
        (Reasoning(enabled=False), "none"),
        (Reasoning(enabled=True), "medium"),
        (Reasoning(enabled=True, adaptive=True), None),
        (Reasoning("low", adaptive=True), "low"),
        (Reasoning(budget=0), "none"),
        (Reasoning(budget=1024), "low"),
        (Reasoning(budget=8192), "medium"),
        (Reasoning(budget=31999), "high"),
        (Reasoning(show=True), None),
    ],
)
def test_efforts_of_other_dialects(asked: Reasoning, expected: str | None) -> None:
    assert write(asked) == ({} if expected is None else {"reasoning_effort": expected})


@pytest.mark.parametrize(
    ("target", "asked", "expected"),
    [
        ("reasoning", Reasoning("high"), {"effort": "high"}),
        ("reasoning", Reasoning(budget=5000, show="omitted"), {"max_tokens": 5000, "exclude": True}),
        ("reasoning", Reasoning(enabled=True, adaptive=True), {"enabled": True}),
        ("reasoning", Reasoning(enabled=False, budget=5), {"effort": "none"}),
        ("thinking", Reasoning("none"), {"type": "disabled"}),
        ("thinking", Reasoning(budget=5000), {"type": "enabled"}),
        ("thinking", Reasoning(enabled=True, adaptive=True), {"type": "enabled"}),
        ("thinking", Reasoning("auto"), None),
        ("enable_thinking", Reasoning("low"), True),
        ("enable_thinking", Reasoning(enabled=False), False),
    ],
)
def test_a_rename_gives_the_shape_of_the_provider(target: str, asked: Reasoning, expected: Any) -> None:
    found = write(asked, Quirks(rename={"reasoning_effort": target}))
    assert found == ({} if expected is None else {target: expected})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Reasoning("none"), {"thinking": {"type": "disabled"}}),
        (Reasoning(enabled=False), {"thinking": {"type": "disabled"}}),
        (Reasoning("max"), {"reasoning_effort": "max"}),
        (Reasoning(budget=5000), {"reasoning_effort": "medium"}),
        (Reasoning("auto"), {}),
    ],
)
def test_a_field_of_its_own_turns_thinking_off(asked: Reasoning, expected: Any) -> None:
    assert write(asked, Quirks(thinking_off="thinking")) == expected


def test_a_clients_effort_takes_the_providers_shape() -> None:
    quirks = Quirks(rename={"reasoning_effort": "thinking"})
    request = parse({"model": "m", "messages": HI, "reasoning_effort": "none"})
    assert render(request, quirks) == {"model": "m", "messages": HI, "thinking": {"type": "disabled"}}
