"""`tsuji explain`: where a request would go, and why; nothing is sent."""

import json
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.routing.test_learned import outcomes
from tsuji.routing.learned.train import train

FILE = """
[routes.fast]
strategy = "cost"
targets = [
  { model = "openai:gpt-5", data = ["no_training"], price = { input = 9, output = 9 } },
  { model = "openai:gpt-5-mini", tags = ["eu"], price = { input = 1, output = 1 } },
  { model = "local:default", capabilities = [], context = 4096 },
]
"""
BODY = {
    "model": "fast",
    "messages": [{"role": "user", "content": "x" * 4000}],
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "max_tokens": 50,
}


@pytest.fixture
def body(tmp_path: Path) -> str:
    (tmp_path / "tsuji.toml").write_text(FILE)
    (tmp_path / "body.json").write_text(json.dumps(BODY))
    return "body.json"


def test_what_would_be_done_and_why(tsuji: Run, body: str) -> None:
    shown = tsuji("explain", body, "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    record = json.loads(shown.stdout)
    assert (record["route"], record["strategy"]) == ("fast", "cost")
    assert record["needs"]["capabilities"] == ["tools"]
    assert 1000 <= record["needs"]["tokens"] <= 1050
    cheap, dear = record["candidates"]
    assert (cheap["target"], dear["target"]) == ("openai:gpt-5-mini", "openai:gpt-5")
    assert dear["score"] == pytest.approx(9 * cheap["score"])
    assert record["removed"] == [{"target": "local:default", "filter": "capability", "reason": "has no tools"}]
    facts = record["targets"]
    assert (facts["openai:gpt-5"]["key"], facts["openai:gpt-5"]["capabilities"]) == ("missing", None)
    assert (facts["local:default"]["context"], facts["local:default"]["cost"]) == (4096, 0)


def test_it_is_told_in_tables(tsuji: Run, body: str) -> None:
    shown = tsuji("explain", body, "--require", "eu", env={"OPENAI_API_KEY": "sk-canary"})
    assert shown.returncode == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0] == ["route", "fast,", "strategy", "cost"]
    assert ["openai:gpt-5", "require", "is", "not", "'eu'"] in lines
    assert any(line[:2] == ["1", "openai:gpt-5-mini"] for line in lines)
    assert "sk-canary" not in shown.stdout


def test_where_nothing_is_left_the_reasons_are_shown_and_the_error(tsuji: Run, body: str) -> None:
    shown = tsuji("explain", body, "--require", "jp", "--json")
    assert shown.returncode == 1
    record = json.loads(shown.stdout)
    assert (record["error"]["kind"], record["error"]["fault"]) == ("permission_denied", "caller")
    assert {one["filter"] for one in record["removed"]} == {"require"}


def test_a_model_that_is_no_route_and_another_dialect(tsuji: Run, body: str) -> None:
    asked = json.dumps({"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], "model": "fast"})
    shown = tsuji("explain", "-", "--dialect", "anthropic", "--route", "openai:gpt-5", "--json", input=asked)
    assert [one["target"] for one in json.loads(shown.stdout)["candidates"]] == ["openai:gpt-5"]
    assert tsuji("explain", "-", "--route", "nowhere", input=json.dumps(BODY)).returncode != 0
    assert "cannot be read" in tsuji("explain", "none.json").stderr
    assert "not JSON" in tsuji("explain", "-", input="nonsense").stderr


def test_what_a_learned_policy_predicts_is_shown(tsuji: Run, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_bytes(msgspec.json.encode(train(outcomes(150), "d")))
    (tmp_path / "tsuji.toml").write_text(
        '[routes.fast]\nstrategy = "learned"\npolicy = "policy.json"\ntolerance = 0.1\nexplore = 0\n'
        'targets = ["openai:dear", "openai:cheap", "mistral:new"]\n'
    )
    asked = [{"role": "user", "content": "Tell me of the history of town 12, please."}]
    (tmp_path / "body.json").write_text(json.dumps({"model": "fast", "messages": asked}))
    shown = tsuji("explain", "body.json", "--route", "fast", "--task", "text")
    assert shown.returncode == 0, shown.stderr
    for said in ("strategy learned", "task: text", "predicted, within 0.1 of", "the policy does not know it"):
        assert said in " ".join(shown.stdout.split())
