"""Limits that are learned from a target, and the watch that keeps them."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.timeouts import Timeouts
from tsuji.routing import Asked, Limits, Target, TargetHealth, Watch
from tsuji.routing.limits import ENDING, FIRST, IDLE, NO_LIMITS, RATE, WINDOW, limits

STREAM, WHOLE = Asked(), Asked(stream=False)


def known(*, first: float = 0.0, whole: float = 0.0, gap: float = 0.0, times: int = 40) -> TargetHealth:
    health = TargetHealth(Target("a", "m"))
    for _ in range(times):
        if first:
            health.heard(first, 0.0)
        if whole:
            health.whole.add(whole)
        if gap:
            health.gaps.add(gap)
    return health


def of(health: TargetHealth, asked: Asked = STREAM, timeouts: Timeouts | None = None, *, local: bool = False) -> Limits:
    return limits(health, asked, timeouts or Timeouts(), local=local)


def test_an_unknown_target_has_time_to_begin_but_less_than_15_seconds() -> None:
    assert of(known()) == Limits(FIRST, IDLE, RATE)
    assert FIRST < 15


def test_who_thinks_or_reads_much_has_longer() -> None:
    assert of(known(), Asked(thinking=True)).first == 60.0
    assert of(known(), Asked(prompt=100_000)).first == FIRST + 50
    assert of(known(first=0.5), Asked(thinking=True)).first == 60.0
    unasked = TargetHealth(Target("a", "m", thinks=True))
    assert of(unasked).first == 60.0
    assert of(unasked, Asked(thinking=False)).first == FIRST


def test_a_model_on_this_machine_is_not_hurried() -> None:
    assert of(known(), local=True) == Limits(None, IDLE, None)
    assert of(known(), WHOLE, local=True).first is None
    assert of(known(first=2.0), local=True).first == pytest.approx(6.0, rel=0.1)


def test_a_known_target_is_left_sooner_and_a_slow_one_later() -> None:
    assert of(known(first=0.3)).first == 3.0
    assert of(known(first=30.0)).first == pytest.approx(90.0, rel=0.1)


def test_each_try_that_was_cut_off_gives_the_next_one_longer() -> None:
    """A slow target that no one knows is not cut off for ever: what it was given counts as what it took."""
    health, given = TargetHealth(Target("a", "m")), []
    for _ in range(4):
        first = of(health).first
        assert first is not None
        given.append(first)
        health.first.add(first)
    assert given == sorted(given)
    assert given[-1] > 60


def test_what_the_route_says_goes_before_a_guess() -> None:
    assert of(known(), timeouts=Timeouts(first_token=2.0)).first is None
    assert of(known(), timeouts=Timeouts(first_byte=120.0)).first == 120.0
    assert of(known(), WHOLE, Timeouts(first_byte=5.0)).first is None


def test_a_whole_answer_has_as_long_as_its_length_may_take() -> None:
    assert of(known(), WHOLE).first == 60.0
    assert of(known(), Asked(stream=False, answer=64)).first == 10.0
    assert of(known(), Asked(stream=False, answer=100_000)).first == 60.0
    assert of(known(), Asked(stream=False, thinking=True)).first == 180.0
    assert of(known(whole=40.0), WHOLE).first == pytest.approx(120.0, rel=0.1)


def test_the_idle_limit_is_learned_from_the_targets_own_gaps() -> None:
    assert of(known(gap=0.1)).idle == 5.0
    assert of(known(gap=4.0)).idle == pytest.approx(24.0, rel=0.1)


def watch(first: float | None = FIRST, idle: float | None = IDLE, rate: float | None = RATE, **given: float) -> Watch:
    return Watch(Timeouts(**given), Limits(first, idle, rate), 100.0, "a:m", stream=True)


def kind(one: Watch, now: float) -> str:
    error = one.overdue(now)
    return "" if error is None else error.timeout


def test_signs_of_life_are_no_content() -> None:
    one = watch()
    one.head(100.1)
    one.heard(105.0, 0)
    assert one.due == 110.0
    assert kind(one, 109.9) == ""
    assert kind(one, 110.0) == "first_token"


def test_silence_after_a_quick_stream_is_noticed_soon() -> None:
    one = watch()
    for at in range(20):
        one.heard(101.0 + at * 0.05)
    assert one.longest == pytest.approx(0.05)
    assert one.due == pytest.approx(101.95 + 5.0)
    assert kind(one, one.due) == "idle"


def test_a_stream_with_pauses_of_its_own_is_given_them() -> None:
    one = watch()
    for at in range(12):
        one.heard(101.0 + at * 2.0)
    assert one.due - one.last > 10.0


def test_a_drip_falls_below_the_floor() -> None:
    one = watch(idle=None)
    one.heard(101.0)
    one.heard(111.0)
    assert one.due == 101.0 + WINDOW
    assert kind(one, one.due) == "rate"


@given(st.lists(st.floats(0.01, 2.4), min_size=1, max_size=200))
def test_a_stream_above_the_floor_is_never_stopped(gaps: list[float]) -> None:
    one, now = watch(idle=None), 101.0
    one.heard(now)
    for gap in gaps:
        now += gap
        assert kind(one, now) == ""
        one.heard(now)


def test_what_can_no_longer_be_continued_is_not_given_up() -> None:
    one = watch()
    one.heard(101.0)
    one.fixed()
    assert one.due == inf
    explicit = watch(rate=None)
    assert explicit.due == 110.0
    said = Watch(Timeouts(rate=1.0), NO_LIMITS, 0.0, "a:m", stream=True)
    said.heard(1.0)
    said.fixed()
    assert kind(said, said.due) == "rate"


def test_explicit_limits_hold_for_the_last_target_as_well() -> None:
    one = Watch(Timeouts(first_token=2.0), NO_LIMITS, 0.0, "a:m", stream=True)
    assert kind(one, 2.0) == "first_token"
    assert Watch(Timeouts(), NO_LIMITS, 0.0, "a:m", stream=True).due == inf


def test_a_finished_answer_is_over_soon_and_is_no_failure() -> None:
    one = watch()
    one.heard(101.0)
    one.finished(101.0, usage=False)
    assert one.due == 101.0 + ENDING
    one.finished(101.1, usage=True)
    assert one.due < 101.1 + ENDING
    assert one.overdue(200.0) is None
    assert one.ending


def test_the_readers_own_time_does_not_count() -> None:
    one = watch()
    one.heard(101.0)
    due = one.due
    one.rest(500.0)
    assert one.due == due + 500.0
    assert kind(one, 600.9) == ""
    one.heard(601.0)
    assert one.longest == 0.0


def test_a_whole_answer_that_shows_life_is_waited_for() -> None:
    one = Watch(Timeouts(), Limits(60.0, IDLE, RATE), 0.0, "a:m", stream=False)
    assert one.due == 60.0
    one.head(1.0)
    assert one.due == 1.0 + FIRST
    one.alive(2.0)
    assert one.due == inf
    one.heard(300.0)
    assert one.due == 300.0 + IDLE


def test_the_error_says_what_was_slow_and_what_to_set() -> None:
    error = watch().overdue(111.0)
    assert error is not None
    assert "a:m had not begun its answer after 11.0 s" in error.message
    assert "retry.limits" in error.message
