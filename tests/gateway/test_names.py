"""A field that a target cannot say is called what the client calls it: in the refusal, and where it is dropped."""

from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tsuji.wire import DIALECTS, dialect

TOOL = {"name": "f", "input_schema": {"type": "object"}}
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("anthropic", {"stop_sequences": ["x"]}, "responses", "stop_sequences"),
    (
        "anthropic",
        {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        "gemini",
        "tool_choice.disable_parallel_tool_use",
    ),
    ("anthropic", {"stop": ["x"]}, "openai", "stop"),  # no field of its own: it is called what it was called
    ("gemini", {"generationConfig": {"topK": 3}}, "openai", "generationConfig.topK"),
    ("gemini", {"generationConfig": {"candidateCount": 2}}, "anthropic", "generationConfig.candidateCount"),
    ("gemini", {"generationConfig": {"seed": 2}}, "anthropic", "generationConfig.seed"),
    ("gemini", {"generationConfig": {"stopSequences": ["x"]}}, "responses", "generationConfig.stopSequences"),
    ("gemini", {"generationConfig": {"responseMimeType": "application/json"}}, "anthropic",
     "generationConfig.responseMimeType"),
    ("ollama", {"options": {"top_k": 3}}, "openai", "options.top_k"),
    ("ollama", {"options": {"mirostat": 1}}, "openai", "options.mirostat"),
    ("ollama", {"format": "json"}, "anthropic", "format"),
    ("responses", {"text": {"format": {"type": "json_object"}}}, "anthropic", "text.format"),
    ("responses", {"text": {"verbosity": "low"}}, "anthropic", "text.verbosity"),
    ("responses", {"previous_response_id": "r"}, "gemini", "previous_response_id"),
    ("openai", {"stop": ["x"]}, "responses", "stop"),
]  # fmt: skip
each = pytest.mark.parametrize(
    ("client", "more", "upstream", "named"), CASES, ids=lambda v: v if type(v) is str else ""
)


@each
def test_a_refusal(client: str, more: dict[str, Any], upstream: str, named: str, behind: Any) -> None:
    gateway, provider = behind(upstream, answers.chat(upstream))
    path, body = asking.chat(client)
    answer = gateway.ask(path, body | more)
    assert answer.status == 400
    assert f"cannot say '{named}'" in asking.error(client, answer.body)[1]
    if client in ("openai", "responses"):
        assert answer.json()["error"]["param"] == named
    assert not provider.requests


@each
def test_what_is_dropped(client: str, more: dict[str, Any], upstream: str, named: str, behind: Any) -> None:
    gateway, _ = behind(upstream, answers.chat(upstream), drop_params=True)
    path, body = asking.chat(client)
    answer = gateway.ask(path, body | more)
    assert answer.status == 200
    assert named in answer.headers["x-tsuji-dropped"].split(", ")


@pytest.mark.parametrize("name", DIALECTS)
def test_names_are_of_fields_that_there_are(name: str) -> None:
    spoken = dialect(name)
    for core, path in spoken.names.items():
        assert path in spoken.fields or path.partition(".")[0] in spoken.fields
        assert core != path
