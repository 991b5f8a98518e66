"""Lists of models by what they do: prefill.toml, thinking.toml."""

import tomllib
from pathlib import Path

import pytest

from tsuji import catalog

LISTS = Path(catalog.__file__).parent


@pytest.mark.parametrize("name", ["prefill", "thinking"])
def test_they_name_providers_of_the_catalogue(name: str) -> None:
    listed = tomllib.loads((LISTS / f"{name}.toml").read_text())
    assert listed
    assert set(listed) <= set(catalog.provider_ids())


@pytest.mark.parametrize(
    ("provider", "model", "prefills", "thinks"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929", True, False),
        ("anthropic", "claude-opus-4-6", False, False),
        ("anthropic", "claude-opus-4-7", False, False),
        ("anthropic", "claude-opus-4-20250514", True, False),
        ("bedrock", "us.anthropic.claude-3-5-haiku-20241022-v1:0", True, False),
        ("bedrock", "us.anthropic.claude-opus-4-6-v1", False, False),
        ("openai", "o3", False, True),
        ("openai", "gpt-5", False, True),
        ("openai", "gpt-5.1", False, False),
        ("openai", "gpt-4o-mini", False, False),
        ("gemini", "gemini-2.5-flash", False, True),
        ("gemini", "gemini-2.5-flash-lite", False, False),
        ("local", "default", True, False),
        ("nobody", "o3", False, False),
    ],
)
def test_what_is_known(provider: str, model: str, prefills: bool, thinks: bool) -> None:
    assert (catalog.prefills(provider, model), catalog.thinks(provider, model)) == (prefills, thinks)
