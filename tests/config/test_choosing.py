"""What a file says of choosing among targets, in memory."""

from pathlib import Path

from tsuji.config import check_config, load_config
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
