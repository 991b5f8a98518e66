"""Efforts, budgets and levels."""

from typing import Any

import pytest

from tests.wire.gemini.wires import ask, parse, render, says
from tsuji.core.request import EFFORTS, Reasoning


def thinking(model: str, **said: Any) -> dict[str, Any] | None:
    return render(ask(model=model, reasoning=Reasoning(**said))).get("generationConfig", {}).get("thinkingConfig")


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-flash", "minimal", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-2.5-flash", "max", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("models/gemini-2.5-pro", "xhigh", {"thinkingBudget": 32768, "includeThoughts": True}),
        ("gemini-2.5-flash", "auto", {"includeThoughts": True}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash-preview", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-3-pro-preview", "none", {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3.1-pro", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-flash-latest", "high", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-2.0-flash", "high", None),
        ("gemma-3-27b-it", "high", None),
    ],
)
def test_effort(model: str, effort: str, expected: dict[str, Any] | None) -> None:
    assert thinking(model, effort=effort) == expected


@pytest.mark.parametrize(
    ("model", "budget", "expected"),
    [
        ("gemini-2.5-flash", 5000, {"thinkingBudget": 5000, "includeThoughts": True}),
        ("gemini-2.5-flash", 99999, {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-flash-lite", 100, {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-2.5-flash", 0, {"thinkingBudget": 0}),
        ("gemini-3-flash", 1024, {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3-flash", 4096, {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-3-flash", 20000, {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_budget(model: str, budget: int, expected: dict[str, Any]) -> None:
    assert thinking(model, budget=budget) == expected


def test_switches() -> None:
    assert thinking("gemini-2.5-flash", enabled=False) == {"thinkingBudget": 0}
    assert thinking("gemini-2.5-flash", enabled=True) == {"includeThoughts": True}
    assert thinking("gemini-3-flash", adaptive=True) == {"includeThoughts": True}
    assert thinking("gemini-3-flash", effort="low", show=False) == {"thinkingLevel": "LOW", "includeThoughts": False}
    assert thinking("gemini-3-flash", show="omitted") == {"includeThoughts": False}
    assert thinking("gemini-3-flash", show="auto") == {"includeThoughts": True}
    assert thinking("gemini-3-flash") is None


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("model", ["gemini-2.5-pro", "gemini-2.5-flash-lite", "gemini-3-pro", "gemini-4-flash", "x"])
def test_effort_never_refuses(model: str, effort: str) -> None:
    assert render(ask(model=model, reasoning=Reasoning(effort=effort)))["contents"]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("config", "meant"),
    [
        ({"thinkingBudget": 0}, Reasoning(effort="none", budget=0)),
        ({"thinkingBudget": -1}, Reasoning(effort="auto")),
        ({"thinkingBudget": 300}, Reasoning(budget=300)),
        ({"thinkingLevel": "HIGH", "includeThoughts": True}, Reasoning(effort="high", show=True)),
        ({"thinking_level": "low"}, Reasoning(effort="low")),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, Reasoning()),
        ({"includeThoughts": False}, Reasoning(show=False)),
        ({}, Reasoning()),
    ],
)
def test_config_is_understood_and_comes_back(config: dict[str, Any], meant: Reasoning) -> None:
    body = {**says({"text": "hi"}), "generationConfig": {"thinkingConfig": config}}
    request = parse(body, "gemini-2.5-pro")
    assert request.reasoning is not None
    found = (request.reasoning.effort, request.reasoning.budget, request.reasoning.show)
    assert found == (meant.effort, meant.budget, meant.show)
    assert render(request) == body
