"""Strategies: shares by weight, stickiness, latency, load and cost; and what stands first for the sake of caches."""

from collections import Counter
from itertools import pairwise
from math import ceil, sqrt
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsuji.core.errors import RateLimitError
from tsuji.routing import Route, Target
from tsuji.routing.choice import Choice
from tsuji.routing.choose import choose
from tsuji.routing.hashing import bounded, hashed, ranked
from tsuji.routing.needs import NOTHING, Needs
from tsuji.routing.retry import Circuit
from tsuji.routing.rules import Affinity, Sticky

from .world import PATIENT, World, names, route


def one(found: Route, needs: Needs, world: World, chance: Random, now: float = 0.0) -> Choice:
    return choose(found, needs, world, world.health, now, chance.random)


def within(count: int, of: int, share: float) -> bool:
    """Within five standard deviations of a binomial count: by chance once in two million."""
    return abs(count - of * share) <= 5 * sqrt(of * share * (1 - share)) + 1


weights = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@settings(PATIENT, max_examples=15)
@given(weights, st.integers(0, 2**32))
def test_shares_are_as_the_weights_say(some: list[int], seed: int) -> None:
    found = route("weighted", *[Target("p", str(at), weight=weight) for at, weight in enumerate(some)])
    world, chance, count = World(), Random(seed), 2000
    first = Counter(names(one(found, NOTHING, world, chance).candidates)[0] for _ in range(count))
    for at, weight in enumerate(some):
        assert within(first[str(at)], count, weight / sum(some))


def test_who_comes_next_is_drawn_by_weight_as_well() -> None:
    found = route("weighted", *[Target("p", name, weight=weight) for name, weight in (("a", 8), ("b", 1), ("c", 1))])
    world, chance, count = World(), Random(5), 2000
    orders = [names(one(found, NOTHING, world, chance).candidates) for _ in range(count)]
    after_a = [order[1] for order in orders if order[0] == "a"]
    assert within(after_a.count("b"), len(after_a), 0.5)


def test_a_weight_of_0_is_for_when_all_others_have_failed() -> None:
    found = route("weighted", Target("p", "spare", weight=0), Target("p", "a"), Target("p", "b"))
    chance = Random(1)
    assert {names(one(found, NOTHING, World(), chance).candidates)[-1] for _ in range(50)} == {"spare"}
    sticky = route("weighted", Target("p", "spare", weight=0), Target("p", "a"), sticky=Sticky("user"))
    assert names(one(sticky, Needs(user="ann"), World(), chance).candidates) == ["a", "spare"]


@settings(PATIENT, max_examples=15)
@given(weights, st.integers(0, 2**32))
def test_units_are_shared_out_as_the_weights_say_and_stay_where_they_are(some: list[int], salt: int) -> None:
    targets = [Target("p", str(at), weight=weight) for at, weight in enumerate(some)]
    found = route("weighted", *targets, sticky=Sticky("user"))
    count, chance = 1500, Random(0)
    owners = [names(one(found, Needs(user=f"{salt}-{at}"), World(), chance).candidates)[0] for at in range(count)]
    again = [names(one(found, Needs(user=f"{salt}-{at}"), World(), chance).candidates)[0] for at in range(100)]
    assert again == owners[:100]
    for at, weight in enumerate(some):
        assert within(owners.count(str(at)), count, weight / sum(some))


@PATIENT
@given(st.integers(2, 6), st.integers(0, 5), st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=50))
def test_a_target_that_goes_moves_nobody_else(size: int, gone: int, units: list[int]) -> None:
    targets = [Target("p", str(at), weight=1 + at) for at in range(size)]
    rest = [target for target in targets if target.model != str(gone % size)]
    for unit in units:
        before = names([target for _, target in ranked(unit, targets)])
        after = names([target for _, target in ranked(unit, rest)])
        assert after == [name for name in before if name != str(gone % size)]


def test_without_a_name_requests_are_drawn_though_the_route_is_sticky() -> None:
    found, chance = route("weighted", Target("p", "a"), Target("p", "b"), sticky=Sticky("session")), Random(2)
    assert len({names(one(found, Needs(user="ann"), World(), chance).candidates)[0] for _ in range(50)}) == 2


# Prefixes.


@PATIENT
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5)), min_size=1, max_size=8),
    st.floats(1.0, 3.0),
    st.integers(1, 2**63),
)
def test_no_target_is_given_more_than_its_bound(loads: list[tuple[int, int]], load: float, prefix: int) -> None:
    targets = [Target("p", str(at), weight=weight) for at, (_, weight) in enumerate(loads)]
    order = [target for _, target in ranked(prefix, targets)]
    in_flight = [loads[int(target.model)][0] for target in order]
    at = bounded(order, in_flight, load)
    total, whole = sum(in_flight) + 1, sum(target.weight for target in order)
    bound = [ceil(load * total * target.weight / whole) for target in order]
    assert in_flight[at] + 1 <= bound[at]
    assert all(in_flight[before] + 1 > bound[before] for before in range(at))


def test_prompts_that_begin_alike_go_to_one_target_until_it_has_its_load() -> None:
    targets = [Target("p", name) for name in "abcd"]
    found, world, chance = route("least_busy", *targets, affinity=Affinity(load=1.5)), World(), Random(3)
    owner = one(found, Needs(prefix=77), world, chance).candidates[0].target
    for _ in range(5):
        assert one(found, Needs(prefix=77), world, chance).candidates[0].target is owner
    assert len({one(found, Needs(prefix=at), world, chance).candidates[0].target for at in range(1, 60)}) == 4
    given = Counter[str]()
    for _ in range(40):  # all at once: none ends
        target = one(found, Needs(prefix=77), world, chance).candidates[0].target
        world.health.of(target).started(0.0)
        given[target.model] += 1
        assert given[target.model] <= ceil(1.5 * given.total() / 4)
    assert len(given) > 1
    assert given[owner.model] == max(given.values())


def test_a_strategy_with_a_first_target_of_its_own_has_no_prefixes() -> None:
    world, chance = World(costs={"cheap": 1, "dear": 2}), Random(0)
    found = route("cost", Target("p", "dear"), Target("p", "cheap"), affinity=Affinity())
    assert {names(one(found, Needs(prefix=at), world, chance).candidates)[0] for at in range(1, 20)} == {"cheap"}


# Where the last one went.


def failed(world: World, target: Target, now: float) -> None:
    health = world.health.of(target)
    health.started(now)
    health.failed(RateLimitError("slow down", retry_after=20.0), now, Circuit(), 0.5)


def test_a_conversation_stays_though_another_target_has_become_better() -> None:
    cheap, dear = Target("p", "cheap"), Target("p", "dear")
    world, chance = World(costs={"cheap": 1, "dear": 5}), Random(0)
    found = route("cost", cheap, dear, sticky=Sticky("conversation", ttl=60))
    talk = Needs(tokens=10, conversation="c1")
    failed(world, cheap, 0.0)
    choice = one(found, talk, world, chance, 1.0)
    assert (names(choice.candidates), choice.candidates[1].reason[:12]) == (["dear", "cheap"], "rate-limited")
    assert names(one(found, talk, world, chance, 30.0).candidates) == ["dear", "cheap"]
    assert "stays" in one(found, talk, world, chance, 31.0).note
    assert names(one(found, Needs(tokens=10, conversation="c2"), world, chance, 31.0).candidates)[0] == "cheap"
    assert names(one(found, talk, world, chance, 92.0).candidates)[0] == "cheap"  # its time was over


def test_a_conversation_leaves_a_target_that_is_ill_or_may_not_serve_it() -> None:
    a, b = Target("p", "a", capabilities=frozenset()), Target("p", "b")
    world, chance = World(), Random(0)
    found = route("priority", a, b, sticky=Sticky("user"))
    assert names(one(found, Needs(user="ann"), world, chance).candidates)[0] == "a"
    tools = Needs(user="ann", capabilities=frozenset(["tools"]))
    assert names(one(found, tools, world, chance).candidates) == ["b"]
    failed(world, b, 1.0)
    assert names(one(found, Needs(user="ann"), world, chance, 2.0).candidates) == ["a", "b"]


# Latency, load, cost.


def measured(world: World, target: Target, first: float, rate: float, now: float = 0.0) -> None:
    health = world.health.of(target)
    health.heard(first, now)
    health.rate.add(rate, now)


def test_the_faster_of_two_is_first_by_the_time_of_the_whole_answer() -> None:
    quick, steady = Target("p", "quick to begin"), Target("p", "quick to end")
    found, world, chance = route("latency", quick, steady), World(), Random(0)
    measured(world, quick, 0.2, 20)
    measured(world, steady, 1.0, 100)
    assert names(one(found, Needs(output=4), world, chance).candidates)[0] == "quick to begin"
    assert names(one(found, Needs(output=250), world, chance).candidates)[0] == "quick to end"


def test_requests_under_way_count_and_the_slowest_is_never_first_but_is_asked_again() -> None:
    targets = [Target("p", name) for name in "abc"]
    found, world, chance = route("latency", *targets), World(), Random(4)
    for target, first in zip(targets, (0.1, 0.2, 5.0), strict=True):
        measured(world, target, first, 100)
    drawn = Counter(names(one(found, Needs(output=1), world, chance).candidates)[0] for _ in range(300))
    assert set(drawn) == {"a", "b"}
    assert within(drawn["a"], 300, 2 / 3)  # in two of three pairs
    for _ in range(3):
        world.health.of(targets[0]).started(0.0)
    drawn = Counter(names(one(found, Needs(output=1), world, chance).candidates)[0] for _ in range(300))
    assert within(drawn["b"], 300, 2 / 3)
    for target in targets[:2]:
        measured(world, target, 0.2, 100, 300.0)
    later = [names(one(found, Needs(output=1), world, chance, 300.0).candidates)[0] for _ in range(50)]
    assert "c" in later


def test_whole_answers_are_measured_too_and_the_slower_target_is_asked_again() -> None:
    slow, fast = Target("p", "slow"), Target("p", "fast")
    found, world, chance = route("latency", slow, fast), World(), Random(0)
    for target, seconds in ((slow, 8.0), (fast, 1.0)):
        world.health.of(target).whole.add(seconds)

    def asked(now: float) -> str:
        target = one(found, NOTHING, world, chance, now).candidates[0].target
        world.health.of(target).started(now)
        world.health.of(target).succeeded(now)
        return target.model

    first = [asked(float(now)) for now in range(200)]
    assert first[0] == "fast"
    assert 1 <= first.count("slow") <= 5


def test_a_target_that_nobody_has_measured_gets_one_request_at_a_time() -> None:
    known, new = Target("p", "known"), Target("p", "new")
    found, world, chance = route("latency", known, new), World(), Random(0)
    measured(world, known, 0.1, 100)
    assert names(one(found, NOTHING, world, chance).candidates)[0] == "new"
    world.health.of(new).started(0.0)
    assert names(one(found, NOTHING, world, chance).candidates)[0] == "known"


@PATIENT
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), min_size=1, max_size=6), st.integers(0, 99))
def test_the_least_busy_is_first_for_its_weight(busy: list[tuple[int, int]], seed: int) -> None:
    targets = [Target("p", str(at), weight=weight) for at, (_, weight) in enumerate(busy)]
    world = World()
    for target, (count, _) in zip(targets, busy, strict=True):
        for _ in range(count):
            world.health.of(target).started(0.0)
    choice = one(route("least_busy", *targets), NOTHING, world, Random(seed))
    scores = [(busy[int(name)][0] + 1) / busy[int(name)][1] for name in names(choice.candidates)]
    assert all(before <= after for before, after in pairwise(scores))


def test_equally_busy_ones_share() -> None:
    found, world, chance = route("least_busy", *[Target("p", name) for name in "abc"]), World(), Random(0)
    first = Counter(names(one(found, NOTHING, world, chance).candidates)[0] for _ in range(900))
    assert all(within(first[name], 900, 1 / 3) for name in "abc")


def test_the_cheapest_that_meets_the_needs_and_is_well() -> None:
    cheap, middle, dear = Target("p", "cheap", capabilities=frozenset()), Target("p", "middle"), Target("p", "dear")
    world, chance = World(costs={"cheap": 1, "middle": 2, "dear": 9}), Random(0)
    found = route("cost", dear, Target("p", "unpriced"), middle, cheap)
    assert names(one(found, NOTHING, world, chance).candidates) == ["cheap", "middle", "dear", "unpriced"]
    tools = Needs(tokens=1000, capabilities=frozenset(["tools"]))
    choice = one(found, tools, world, chance)
    assert names(choice.candidates) == ["middle", "dear", "unpriced"]
    assert choice.candidates[0].score == pytest.approx(2 * 1256e-9)
    failed(world, middle, 0.0)
    assert names(one(found, tools, world, chance, 1.0).candidates) == ["dear", "unpriced", "middle"]


def test_where_none_is_well_the_strategy_orders_them_all_the_same() -> None:
    a, b = Target("p", "a"), Target("p", "b")
    world = World(costs={"a": 2, "b": 1})
    failed(world, a, 0.0)
    failed(world, b, 0.0)
    assert names(one(route("cost", a, b), NOTHING, world, Random(0), 1.0).candidates) == ["b", "a"]


@PATIENT
@given(st.integers(0, 2**32), st.sampled_from(["priority", "weighted", "latency", "least_busy", "cost"]))
def test_the_same_draws_make_the_same_choice(seed: int, strategy: str) -> None:
    found = route(strategy, *[Target("p", name, weight=2) for name in "abcd"])
    world = World(costs={"a": 3})
    first, second = [one(found, NOTHING, world, Random(seed)) for _ in range(2)]
    assert first == second
    assert sorted(names(first.candidates)) == list("abcd")


def test_a_hash_is_the_same_in_every_process() -> None:
    assert hashed(b"tsuji") == 0x9998C753F332CF9B
