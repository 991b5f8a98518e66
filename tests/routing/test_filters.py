"""Filters: what removes a target, what does not, and what is said where none is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.errors import (
    PermissionDeniedError,
    RateLimitError,
    TsujiError,
    UnsupportedParameterError,
)
from tsuji.routing import Route, Target
from tsuji.routing.choose import choose
from tsuji.routing.filters import filtered
from tsuji.routing.needs import NOTHING, Needs
from tsuji.routing.rules import Allowance

from .world import PATIENT, World, names, route

CAPABILITIES = ("tools", "images", "json_schema", "thinking")
WORDS = ("eu", "jp", "no_training", "local_only")


def left(found: Route, needs: Needs, world: World) -> list[str]:
    return names(filtered(found, needs, world, world.health, 0.0)[0])


def chosen(found: Route, needs: Needs, world: World, now: float = 0.0) -> list[str]:
    return names(choose(found, needs, world, world.health, now, lambda: 0.5).candidates)


targets = st.lists(
    st.builds(
        Target,
        st.sampled_from(["local", "far"]),
        st.sampled_from("abcdefgh"),
        tags=st.sets(st.sampled_from(["eu", "jp"])).map(tuple),
        data=st.sampled_from([(), ("no_training",)]),
        capabilities=st.none() | st.frozensets(st.sampled_from(CAPABILITIES)),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda target: target.model,
)
needs = st.builds(
    Needs,
    st.none() | st.integers(0, 300),
    st.none() | st.integers(0, 300),
    st.frozensets(st.sampled_from(CAPABILITIES)),
    st.sets(st.sampled_from(WORDS)).map(tuple),
)


@PATIENT
@given(targets, needs, needs, st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 500)))
def test_a_need_more_never_adds_a_candidate(
    some: list[Target], one: Needs, other: Needs, windows: dict[str, int]
) -> None:
    world, found = World(windows, local=("local",)), route("priority", *some)
    both = Needs(
        max(one.tokens or 0, other.tokens or 0),
        max(one.output or 0, other.output or 0),
        one.capabilities | other.capabilities,
        one.require + other.require,
    )
    assert set(left(found, both, world)) <= set(left(found, one, world)) & set(left(found, other, world))


@PATIENT
@given(targets, needs, st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 500)))
def test_every_target_is_left_or_removed_with_a_reason_and_the_order_stays(
    some: list[Target], need: Needs, windows: dict[str, int]
) -> None:
    world, found = World(windows, local=("local",)), route("priority", *some)
    kept, removed, _ = filtered(found, need, world, world.health, 0.0)
    assert names(kept) == [one.model for one in some if one in kept]
    assert sorted(names(kept) + names(removed)) == sorted(names(some))
    assert all(one.filter and one.reason for one in removed)


@PATIENT
@given(targets, needs, st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 500)))
def test_a_choice_is_made_of_what_is_left_or_is_the_largest_window_or_an_error_that_names_the_route(
    some: list[Target], need: Needs, windows: dict[str, int]
) -> None:
    world, found = World(windows, local=("local",)), route("priority", *some)
    kept, removed, _ = filtered(found, need, world, world.health, 0.0)
    try:
        made = chosen(found, need, world)
    except TsujiError as error:
        assert not kept
        assert not [one for one in removed if one.filter == "context"]
        assert "'fast'" in error.message
        return
    if kept:
        assert made == names(kept)
    else:
        assert windows[made[0]] == max(windows[one.target.model] for one in removed if one.filter == "context")


def test_what_is_not_known_of_windows_and_capabilities_removes_nothing() -> None:
    found = route("priority", Target("p", "unknown"), Target("p", "known", capabilities=frozenset(["tools"])))
    world = World({"known": 1000})
    assert left(found, Needs(tokens=5000, capabilities=frozenset(["images"])), world) == ["unknown"]


def test_a_promise_that_nobody_made_is_none() -> None:
    found = route(
        "priority", Target("p", "silent"), Target("p", "bound", data=("no_training",)), Target("local", "here")
    )
    world = World(local=("local",))
    assert left(found, Needs(require=("no_training",)), world) == ["bound", "here"]
    assert left(found, Needs(require=("local_only",)), world) == ["here"]
    assert left(found, Needs(require=("eu",)), world) == []


def test_the_answer_needs_room_in_the_window_too() -> None:
    found, world = route("priority", Target("p", "small"), Target("p", "large")), World({"small": 1000, "large": 9000})
    assert left(found, Needs(tokens=900, output=100), world) == ["small", "large"]
    assert left(found, Needs(tokens=900, output=101), world) == ["large"]


@pytest.mark.parametrize(
    ("needs", "error", "fault"),
    [
        (Needs(capabilities=frozenset(["tools"])), UnsupportedParameterError, "caller"),
        (Needs(require=("eu",)), PermissionDeniedError, "caller"),
    ],
)
def test_where_nothing_is_left_the_error_says_why(needs: Needs, error: type[TsujiError], fault: str) -> None:
    world = World()
    with pytest.raises(error) as caught:
        chosen(route("priority", Target("p", "a", capabilities=frozenset())), needs, world)
    assert caught.value.fault == fault
    assert "p:a" in caught.value.message


def test_a_route_that_requires_what_no_target_is_blames_the_gateway() -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        chosen(route("priority", Target("p", "a"), require=("local_only",)), NOTHING, World())
    assert caught.value.fault == "gateway"


def test_a_budget_that_is_spent_removes_its_target_alone() -> None:
    found = route("priority", Target("p", "dear"), Target("p", "cheap"))
    assert chosen(found, NOTHING, World(spent={"dear": "the budget of p is spent"})) == ["cheap"]
    # Who counts exactly has the last word.
    assert chosen(found, NOTHING, World(spent=dict.fromkeys(("dear", "cheap"), "spent"))) == ["dear", "cheap"]


# Limits of targets.


def asked(world: World, target: Target, now: float, tokens: int = 0) -> None:
    world.health.of(target).started(now, tokens)


def ended(world: World, target: Target, now: float) -> None:
    world.health.of(target).succeeded(now)


def test_a_target_at_its_limit_is_passed_over_until_it_has_room() -> None:
    first, second = Target("p", "a", allowance=Allowance(rpm=2)), Target("p", "b")
    found, world = route("priority", first, second), World()
    for at in (0.0, 1.0):
        assert chosen(found, NOTHING, world, at)[0] == "a"
        asked(world, first, at)
    assert chosen(found, NOTHING, world, 2.0) == ["b"]
    assert chosen(found, NOTHING, world, 59.0) == ["b"]
    assert chosen(found, NOTHING, world, 70.0) == ["a", "b"]


def test_where_all_are_at_their_limits_it_is_said_when_there_is_room() -> None:
    target = Target("p", "a", allowance=Allowance(rpm=1))
    found, world = route("priority", target), World()
    chosen(found, NOTHING, world, 1.0)
    asked(world, target, 1.0)
    with pytest.raises(RateLimitError) as caught:
        chosen(found, NOTHING, world, 2.0)
    assert caught.value.fault == "gateway"
    wait = caught.value.retry_after
    assert wait is not None
    assert chosen(found, NOTHING, world, 2.0 + wait + 0.01) == ["a"]


def test_concurrency_counts_what_is_under_way() -> None:
    target = Target("p", "a", allowance=Allowance(concurrent=1))
    found, world = route("priority", target, Target("p", "b")), World()
    asked(world, target, 0.0)
    assert chosen(found, NOTHING, world, 0.0) == ["b"]
    ended(world, target, 1.0)
    assert chosen(found, NOTHING, world, 1.0) == ["a", "b"]


def test_a_worker_keeps_its_share_and_at_least_one() -> None:
    target = Target("p", "a", allowance=Allowance(rpm=4))
    found, world = route("priority", target, Target("p", "b")), World(share=0.25)
    assert chosen(found, NOTHING, world)[0] == "a"
    asked(world, target, 0.0)
    assert chosen(found, NOTHING, world)[0] == "b"


@PATIENT
@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 400)), min_size=1, max_size=60), st.integers(1, 6))
def test_no_minute_sees_more_than_the_allowance(steps: list[tuple[float, int]], rpm: int) -> None:
    target = Target("p", "a", allowance=Allowance(rpm=rpm, tpm=1000))
    found, world = route("priority", target, Target("p", "b")), World()
    now, sent = 0.0, list[tuple[float, int]]()
    for gap, tokens in steps:
        now += gap
        if chosen(found, Needs(tokens=tokens), world, now)[0] == "a":
            asked(world, target, now, tokens)
            sent.append((now, tokens))
    for end, _ in sent:
        window = [tokens for at, tokens in sent if end - 60 < at <= end]
        assert len(window) <= rpm
        assert sum(window) <= 1000
