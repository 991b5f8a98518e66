"""What a file says of choosing among targets, in memory."""

from pathlib import Path

import msgspec
import pytest

from tsuji.config import check_config, load_config
from tsuji.core.errors import ConfigError
from tsuji.routing.learned.train import Outcome, train
from tsuji.routing.rules import Affinity, Allowance, Sticky

LIMITS = "{ rpm = 5, concurrent = 2 }"
FILE = """
[routes.fast]
strategy = "weighted"
require = ["eu", "no_training"]
sticky = { by = "user" }
targets = [
  { model = "openai:gpt-5-mini", weight = 3, tags = ["eu"], data = ["no_training"], limits = LIMITS },
  { model = "local:default", tags = ["eu"], context = 4096, capabilities = ["tools"] },
]

[routes.near]
strategy = "least_busy"
affinity = { prefix = 1000, load = 1.5 }
targets = ["openai:gpt-5-mini", "local:default"]
"""


def test_tables_become_what_routing_reads(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(FILE.replace("LIMITS", LIMITS))
    assert check_config(file) == []
    fast, near = [load_config(file).route(name) for name in ("fast", "near")]
    assert (fast.strategy, fast.require, fast.sticky) == ("weighted", ("eu", "no_training"), Sticky("user", 3600.0))
    hosted, here = fast.targets
    assert (hosted.weight, hosted.tags, hosted.data) == (3, ("eu",), ("no_training",))
    assert (hosted.allowance, hosted.capabilities) == (Allowance(rpm=5, concurrent=2), None)
    assert (here.context, here.capabilities, here.allowance) == (4096, frozenset(["tools"]), None)
    assert (near.strategy, near.affinity) == ("least_busy", Affinity(1000, 1.5))


def test_what_has_no_effect_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(
        '[routes.one]\ntargets = ["openai:gpt-5-mini", "local:default"]\naffinity = {}\n'
        '[routes.two]\nstrategy = "latency"\ntargets = ["openai:gpt-5-mini"]\naffinity = {}\nsticky = { by = "user" }\n'
        '[routes.three]\nstrategy = "cost"\ntargets = [{ model = "openai:gpt-5-mini", weight = 2 }]\n'
    )
    assert [(p.severity, p.key) for p in check_config(file)] == [
        ("note", "routes.one.affinity"),
        ("note", "routes.two.sticky"),
        ("note", "routes.three.targets[0].weight"),
    ]


def policy_file(folder: Path, *models: str) -> Path:
    file = folder / "policy.json"
    rows = [
        Outcome(f"word {at} " * (1 + at % 7), "", "", dict.fromkeys(models, 0.5), dict.fromkeys(models, 1.0))
        for at in range(30)
    ]
    file.write_bytes(msgspec.json.encode(train(rows, "d")))
    return file


LEARNED = """
[routes.fast]
strategy = "learned"
policy = "policy.json"
targets = ["openai:gpt-5-mini", "local:default"]
"""


def test_a_policy_is_read_with_its_route(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(LEARNED)
    policy = policy_file(tmp_path, "gpt-5-mini", "another", "local:default")
    assert [(p.severity, p.key) for p in check_config(file)] == [("note", "routes.fast.policy")]
    config = load_config(file)
    rule = config.route("fast").learned
    assert rule is not None
    assert (rule.models, rule.tolerance, rule.max_cost) == ({"openai:gpt-5-mini": 0, "local:default": 1}, 0.02, None)
    assert policy in config.files()
    file.write_text(LEARNED + "max_cost = 0.01\nexplore = 0\n")
    rule = load_config(file).route("fast").learned
    assert rule is not None
    assert (rule.tolerance, rule.max_cost, rule.explore) == (0.0, 0.01, 0.0)


def test_a_policy_that_cannot_serve_the_route_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    for text, said in (
        (LEARNED, "cannot be read"),
        (LEARNED.replace('policy = "policy.json"\n', ""), "needs policy = FILE"),
    ):
        file.write_text(text)
        (problem,) = check_config(file)
        assert problem.severity == "error"
        assert said in problem.message
    policy_file(tmp_path, "one", "two")
    file.write_text(LEARNED)
    (problem,) = check_config(file)
    assert (problem.severity, "knows none of the route's targets, but one, two" in problem.message) == ("error", True)
    (tmp_path / "policy.json").write_text("{}")
    with pytest.raises(ConfigError, match="is no policy"):
        load_config(file)
    file.write_text('[routes.fast]\ntolerance = 0.1\ntargets = ["local:default"]\n')
    assert [(p.severity, p.key) for p in check_config(file)] == [("note", "routes.fast.tolerance")]
