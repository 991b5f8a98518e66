"""The strategy "learned": what it takes, what it says of it, and when it steps back."""

from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest

from tsuji.routing import Route, Target
from tsuji.routing.choice import Choice
from tsuji.routing.choose import choose
from tsuji.routing.explain import explained
from tsuji.routing.learned.policy import Group, Policy
from tsuji.routing.learned.rule import Rule, known
from tsuji.routing.learned.train import train
from tsuji.routing.needs import Needs
from tsuji.routing.rules import Sticky

from .test_learned import outcomes
from .world import World, names

SUM = Needs(prompt="What is 12 + 84 * 3?", task="sum")
STORY = Needs(prompt="Tell me of the history of town 12, please.", task="text")
TARGETS = (Target("p", "dear"), Target("q", "cheap"), Target("p", "org/Cheap at sums"))


@pytest.fixture(scope="module")
def policy() -> Policy:
    return train(outcomes(600), "d")


def learned(policy: Policy, *targets: Target, **more: Any) -> Route:
    targets = targets or TARGETS
    sticky = more.pop("sticky", None)
    return Route("fast", targets, "learned", sticky=sticky, learned=Rule(*known(policy, targets), **more))


def one(route: Route, needs: Needs, world: World | None = None, chance: Random | None = None) -> Choice:
    world = world or World()
    return choose(route, needs, world, world.health, 0.0, (chance or Random(0)).random)


def test_the_cheapest_within_the_tolerance_of_the_best(policy: Policy) -> None:
    route = learned(policy, tolerance=0.1, explore=0.0)
    assert names(one(route, SUM).candidates)[0] == "org/Cheap at sums"
    assert names(one(route, STORY).candidates)[0] == "dear"
    assert names(one(learned(policy, tolerance=1.0, explore=0.0), STORY).candidates)[0] != "dear"
    reason = one(route, STORY).candidates[0].reason
    assert "predicted, within 0.1 of the best" in reason


def test_the_best_that_costs_no_more(policy: Policy) -> None:
    within = learned(policy, tolerance=0.0, max_cost=2.0, explore=0.0)
    choice = one(within, STORY)
    assert names(choice.candidates) == ["cheap", "org/Cheap at sums", "dear"]
    assert choice.candidates[-1].reason.endswith("above $2")
    nothing = one(learned(policy, tolerance=0.0, max_cost=0.001, explore=0.0), STORY)
    assert names(nothing.candidates)[0] != "dear"
    assert "none is expected to cost $0.001 or less" in nothing.note


def test_out_of_its_depth_the_routes_order_holds_and_it_says_so(policy: Policy) -> None:
    route = learned(policy, *TARGETS[::-1])
    for needs, why in (
        (Needs(), "no text to go by"),
        (Needs(prompt="def f(x):\n    return {x: [1], 'y': (2;)}\n" * 300), "unlike those of its training"),
    ):
        choice = one(route, needs)
        assert names(choice.candidates) == names(TARGETS[::-1])
        assert why in choice.note
    strangers = learned(policy, Target("p", "one"), Target("p", "two"))
    choice = one(strangers, SUM)
    assert names(choice.candidates) == ["one", "two"]
    assert "knows none of these targets" in choice.note


def test_targets_that_it_does_not_know_come_last(policy: Policy) -> None:
    choice = one(learned(policy, Target("p", "new"), *TARGETS, tolerance=0.1, explore=0.0), STORY)
    assert names(choice.candidates)[0] == "dear"
    assert (names(choice.candidates)[-1], choice.candidates[-1].reason) == ("new", "the policy does not know it")


def test_it_explores_within_the_tolerance_only(policy: Policy) -> None:
    route, world, chance = learned(policy, tolerance=0.1, explore=0.2), World(), Random(1)
    firsts = Counter(names(one(route, STORY, world, chance).candidates)[0] for _ in range(200))
    assert firsts == {"dear": 200}
    group = route.learned.group if route.learned is not None else None
    assert group is not None
    alike = msgspec.structs.replace(group, weights=[[0.0] * 3] * len(group.weights), by_task=[[0.0] * 3] * 2)
    alike = msgspec.structs.replace(alike, quality=[0.2, 0.89, 0.9])
    places = {"p:dear": 2, "q:cheap": 0, "p:org/Cheap at sums": 1}
    near = Route("fast", TARGETS, "learned", learned=Rule(alike, places, explore=0.2))
    choices = [one(near, STORY, world, chance) for _ in range(400)]
    firsts = Counter(names(choice.candidates)[0] for choice in choices)
    assert set(firsts) == {"org/Cheap at sums", "dear"}
    assert 45 <= firsts["dear"] <= 120
    told = {choice.note for choice in choices if names(choice.candidates)[0] == "dear"}
    assert told == {"explores within the tolerance"}


def test_without_certainty_the_means_decide(policy: Policy) -> None:
    group = msgspec.structs.replace(policy.groups[0], learned=False)
    route = learned(msgspec.structs.replace(policy, groups=[group]), tolerance=0.1, explore=0.0)
    for needs in (SUM, STORY):
        choice = one(route, needs)
        assert names(choice.candidates)[0] == "dear"
        assert "by the models' means" in choice.note


def test_a_conversation_stays_where_it_is(policy: Policy) -> None:
    route, world = learned(policy, tolerance=0.1, explore=0.0, sticky=Sticky("conversation")), World()
    first = one(route, msgspec.structs.replace(STORY, conversation="c"), world)
    later = one(route, msgspec.structs.replace(SUM, conversation="c"), world)
    assert names(first.candidates)[0] == names(later.candidates)[0] == "dear"
    assert later.candidates[0].predicted is not None


def test_it_is_explained(policy: Policy) -> None:
    route = learned(policy, tolerance=0.1, explore=0.0)
    record = explained(route, one(route, SUM))
    assert (record.strategy, record.needs["task"]) == ("learned", "sum")
    assert record.candidates[0].score == pytest.approx(1.0, abs=0.3)
    assert SUM.prompt not in msgspec.json.encode(record).decode()


def test_of_several_groups_the_one_that_knows_most(policy: Policy) -> None:
    (group,) = policy.groups
    few: Group = msgspec.structs.replace(group, models=["dear", "x", "y"], prompts=9999)
    found, places = known(msgspec.structs.replace(policy, groups=[few, group]), TARGETS[:2])
    assert (found.models, places) == (["cheap", "dear"], {"p:dear": 1, "q:cheap": 0})
    assert len(found.weights[0]) == 2
