"""What a file says of experiments, and what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest

import tsuji
from tests import answers
from tsuji.config import Config, ProviderConfig, check_config, load_config
from tsuji.routing import Route, Target
from tsuji.routing.experiment import Arm, Experiment, assign

GOOD = """
[routes.chat]
strategy = "experiment"
targets = ["openai:a", "openai:b", "anthropic:c"]
[routes.chat.experiment]
unit = "user"
window = 3600
metrics = ["feedback", "error", "judge"]
arms = [
  { name = "one", target = "openai:a", share = 0.9 },
  { name = "two", target = "openai:b", share = 0.1 },
  { name = "dark", target = "anthropic:c", share = 0.05, shadow = true },
]
feedback = { low = 1, high = 5, values = { good = 5.0, bad = 1.0 } }
guardrails = [{ metric = "error", worse_by = 0.02 }]
judge = { model = "openai:a", share = 0.2 }
"""


def problems(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    file = tmp_path / "tsuji.toml"
    file.write_text(text)
    return [(one.key, one.message) for one in check_config(file) if one.severity != "warning"]


def test_a_good_file(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == []
    file = tmp_path / "tsuji.toml"
    experiment = load_config(file).routes["chat"].experiment
    assert experiment is not None
    assert (experiment.name, experiment.unit, experiment.window, experiment.live) == ("chat", "user", 3600, (0, 1))
    assert [arm.target for arm in experiment.arms] == [0, 1, 2]
    assert experiment.bounds("feedback") == (1.0, 5.0)


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ('target = "openai:b"', 'target = "openai:z"', "arms[1].target", "is not among the route's targets"),
        ('name = "two"', 'name = "one"', "arms[1].name", "a name of its own"),
        ("share = 0.9", "share = 0.9, shadow = true", "arms[0]", "the control, and cannot be a shadow"),
        ("share = 0.9", "share = 0", "arms[0].share", "must be above 0"),
        ("share = 0.05", "share = 2", "arms[2].share", "1 at most"),
        ("worse_by = 0.02", "worse_by = 0.02, limit = 1", "guardrails[0]", "one of worse_by and limit"),
        ('metric = "error"', 'metric = "cost"', "guardrails[0]", "not among the experiment's metrics"),
        ("low = 1", "low = 5", "feedback", "low must be below high"),
        ('judge = { model = "openai:a"', 'judge = { model = "nobody:a"', "judge.model", "no provider"),
        ("window = 3600", "window = 3600\nbandit = {}", "bandit", "no user could stay in its arm"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(tmp_path: Path, old: str, new: str, key: str, said: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(where == f"routes.chat.experiment.{key}" and said in message for where, message in found), found


def test_the_strategy_and_its_table_go_together(tmp_path: Path) -> None:
    alone = '[routes.chat]\nstrategy = "experiment"\ntargets = ["openai:a"]\n'
    assert "needs a table" in problems(tmp_path, alone)[0][1]
    cached = GOOD.replace("[routes.chat.experiment]", "[routes.chat.cache]\n[routes.chat.experiment]")
    assert any("answers of one arm" in message for _, message in problems(tmp_path, cached))
    twice = GOOD + GOOD.replace("routes.chat", "routes.talk").replace('unit = "user"', 'unit = "user"\nname = "chat"')
    assert any("another experiment is called" in message for _, message in problems(tmp_path, twice))


def test_the_library_gives_a_call_its_arm(scripted: Any) -> None:
    experiment = Experiment("june", (Arm("one", 0), Arm("two", 1)), unit="user", window=60)
    route = Route("chat", (Target("a", "m"), Target("b", "m")), strategy="experiment", experiment=experiment)
    providers = {
        name: ProviderConfig(
            dialect="openai", base_url=scripted(lambda _: answers.chat("openai")).url + "/v1", api_key="k"
        )
        for name in "ab"
    }
    messages: Any = [{"role": "user", "content": "hi"}]
    with tsuji.Client(Config(providers=providers, routes={"chat": route})) as client:
        for number in range(6):
            user = f"user{number}"
            trace = client.completion("chat", messages, user=user).tsuji
            arm = assign(experiment, user, 0.0, lambda: 0.5).arm
            assert (trace.experiment, trace.arm, trace.target) == ("june", ("one", "two")[arm], ("a:m", "b:m")[arm])
        trace = client.completion("chat", messages).tsuji
        assert (trace.experiment, trace.arm, trace.target) == (None, None, "a:m")
