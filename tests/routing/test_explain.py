"""The record of a choice and its attempts: whole, as JSON, and short enough for a header."""

import json
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from tests.routing.world import PATIENT, World, route
from tsuji.core.errors import UpstreamUnavailableError
from tsuji.routing import Routing, Target
from tsuji.routing.choice import Candidate, Choice, Removed
from tsuji.routing.choose import choose
from tsuji.routing.explain import MOST, explained, line
from tsuji.routing.needs import Needs


def test_it_tells_of_candidates_removals_needs_draw_and_attempts() -> None:
    world = World(costs={"a": 1, "b": 2})
    found = route("cost", Target("p", "b"), Target("p", "a"), Target("p", "c", capabilities=frozenset()), require=())
    choice = choose(found, Needs(100, 50, frozenset(["tools"])), world, world.health, 1.0, lambda: 0.25)
    routing = Routing(found, 1.0, world.health, choice)
    routing.next(1.0)
    routing.failed(UpstreamUnavailableError("down"), 1.5)
    routing.next(1.5)
    routing.succeeded(2.25)
    record = json.loads(line(explained(found, choice, routing.attempts, 1.0)))
    assert record["needs"] == {"tokens": 100, "output": 50, "capabilities": ["tools"]}
    assert record["candidates"][0] == {"target": "p:a", "score": 1.5e-07, "reason": "dollars expected"}
    assert record["removed"] == [{"target": "p:c", "filter": "capability", "reason": "has no tools"}]
    first, second = record["attempts"]
    assert first == {
        "target": "p:a",
        "reason": "first choice",
        "began": 0.0,
        "ended": 500.0,
        "error": "upstream_unavailable",
    }
    assert (second["target"], second["began"], second["ended"]) == ("p:b", 500.0, 1250.0)


def test_an_infinite_score_is_none() -> None:
    target = Target("p", "a")
    choice = Choice("weighted", (Candidate(target, inf, "by hash"),), draw=0.123456789)
    record = explained(route("weighted", target), choice)
    assert (record.candidates[0].score, record.draw) == (None, 0.123457)
    assert "Infinity" not in line(record).decode()


@PATIENT
@given(
    st.lists(st.text(max_size=300), min_size=1, max_size=30, unique=True),
    st.integers(0, 30),
    st.text(max_size=200),
    st.integers(600, MOST),
)
def test_a_line_is_short_printable_ascii_and_json(models: list[str], gone: int, note: str, most: int) -> None:
    targets = [Target("p", model) for model in models]
    choice = Choice(
        "weighted",
        tuple([Candidate(target, 0.5, "by weight") for target in targets]),
        tuple([Removed(target, "require", "is not 'eu'") for target in targets[:gone]]),
        note=note,
    )
    whole = explained(route("weighted", *targets), choice)
    out = line(whole, most)
    assert len(out) <= most
    assert all(32 <= byte < 127 for byte in out)
    record = json.loads(out)
    assert record["route"] == "fast"
    if not record.get("cut"):
        assert [one["target"] for one in record["candidates"]] == [target.name for target in targets]
