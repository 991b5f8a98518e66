"""The laws of the routing machine, one by one."""

import pytest

from tsuji.core.errors import (
    ContentFilterError,
    ContextLengthExceededError,
    InternalError,
    InvalidRequestError,
    ModelNotFoundError,
    RateLimitError,
    StreamInterruptedError,
    TsujiError,
    UnsupportedParameterError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from tsuji.core.timeouts import Timeouts
from tsuji.routing import (
    Asked,
    Attempt,
    Candidate,
    Choice,
    Circuit,
    Fail,
    Health,
    Hedge,
    Removed,
    Retry,
    Route,
    Routing,
    Target,
    Try,
    Wait,
)
from tsuji.routing.limits import NO_LIMITS

ROUTE = Route("fast", (Target("a", "one"), Target("b", "two", timeouts=Timeouts(connect=1))), timeouts=Timeouts(idle=7))


def tried(routing: Routing, now: float) -> Try:
    action = routing.next(now)
    assert isinstance(action, Try), action
    return action


def waited(routing: Routing, now: float) -> float:
    """Seconds of the wait that is the next action."""
    action = routing.next(now)
    assert isinstance(action, Wait), action
    return action.until - now


def failed(routing: Routing, now: float) -> Fail:
    action = routing.next(now)
    assert isinstance(action, Fail), action
    return action


def test_targets_are_tried_in_order_with_their_own_timeouts() -> None:
    routing = Routing(ROUTE, 0.0)
    first = tried(routing, 0.0)
    assert (first.target.name, first.number, first.timeouts) == ("a:one", 1, Timeouts(idle=7))
    routing.failed(UpstreamConnectionError("refused"), 1.0)
    second = tried(routing, 1.5)
    assert (second.target.name, second.number) == ("b:two", 2)
    assert second.timeouts == Timeouts(connect=1, total=598.5)  # what is left of the request's 600 s
    assert second.reason == "after upstream_connection"
    routing.succeeded(2.0)
    assert [(a.target.name, a.started, a.ended, a.error and a.error.kind) for a in routing.attempts] == [
        ("a:one", 0.0, 1.0, "upstream_connection"),
        ("b:two", 1.5, 2.0, None),
    ]


def test_when_nothing_is_left_the_last_error_is_the_answer() -> None:
    routing = Routing(ROUTE, 0.0)
    routing.next(0.0)
    routing.failed(UpstreamConnectionError("refused"), 0.0)
    routing.next(0.0)
    last = UpstreamTimeoutError("silent", timeout="first_byte")
    routing.failed(last, 0.0)
    assert failed(routing, 0.0).error is last
    assert len(routing.attempts) == 2


@pytest.mark.parametrize(
    ("error", "tries_another"),
    [
        (InvalidRequestError("bad"), False),
        (UnsupportedParameterError("no top_k", param="top_k"), True),
        (ModelNotFoundError("gone"), True),
        (ContextLengthExceededError("too long"), True),
        (RateLimitError("slow down"), True),
        (InternalError("a bug"), True),
    ],
)
def test_only_faults_that_another_target_may_not_have_go_on(error: TsujiError, tries_another: bool) -> None:
    routing = Routing(ROUTE, 0.0)
    routing.next(0.0)
    routing.failed(error, 0.0)
    assert isinstance(routing.next(0.0), Try) is tries_another


def test_no_second_answer_is_put_after_what_cannot_be_continued() -> None:
    routing = Routing(ROUTE, 0.0)
    routing.next(0.0)
    routing.failed(UpstreamConnectionError("reset", reached=True), 0.0, "fixed")
    assert failed(routing, 0.0).reason == "part of the answer had been delivered, and cannot be continued"


def test_a_route_without_targets_fails_instead_of_hanging() -> None:
    assert failed(Routing(Route("empty", ()), 0.0), 0.0).error.kind == "internal"
    removed = Choice("priority", (), (Removed(Target("a", "m"), "tools", "has no tools"),))
    assert "a:m: has no tools" in failed(Routing(ROUTE, 0.0, choice=removed), 0.0).error.message


# Rows of the fault table.


def test_1_a_rate_limited_target_is_left_alone_as_long_as_it_says() -> None:
    health = Health()
    routing = Routing(ROUTE, 0.0, health)
    assert tried(routing, 0.0).target.name == "a:one"
    routing.failed(RateLimitError("slow", retry_after=2.0), 0.1)
    assert tried(routing, 0.1).target.name == "b:two"
    routing.failed(RateLimitError("slow", retry_after=9.0), 0.2)
    assert waited(routing, 0.2) == pytest.approx(1.9)  # the one that is ready first
    assert tried(routing, 2.1).target.name == "a:one"
    routing.succeeded(2.2)
    other = Routing(ROUTE, 2.3, health)
    assert tried(other, 2.3).target.name == "a:one"
    resting = Routing(Route("r", (Target("b", "two"), Target("c", "m"))), 2.3, health)
    first = tried(resting, 2.3)
    assert (first.target.name, first.reason) == ("c:m", "b:two: rate-limited for 6.9 s more")


def test_a_wait_beyond_the_requests_patience_is_not_begun() -> None:
    routing = Routing(Route("r", (Target("a", "m"),)), 0.0)
    tried(routing, 0.0)
    error = RateLimitError("slow", retry_after=60.0)
    routing.failed(error, 0.1)
    assert failed(routing, 0.1).error is error


@pytest.mark.parametrize("error", [RateLimitError("no header"), UpstreamUnavailableError("503")])
def test_2_4_tries_are_few_and_far_between(error: TsujiError) -> None:
    """One target, which never recovers: six tries, four of them in 3 s at most, with waits that grow."""
    routing = Routing(Route("r", (Target("a", "m"),)), 0.0, chance=lambda: 0.0)
    now, starts, waits = 0.0, [], []
    while not isinstance(action := routing.next(now), Fail):
        if isinstance(action, Wait):
            waits.append(action.until - now)
            now = action.until
        else:
            starts.append(now)
            now += 0.01
            routing.failed(error, now)
    assert len(starts) == 6
    assert all(sum(start <= other < start + 3 for other in starts) <= 4 for start in starts)
    assert action.reason == "all tries are used up"
    assert sum(waits) <= 20


def test_backoff_is_jittered() -> None:
    waits = []
    for draw in (0.0, 0.5, 1.0):
        routing = Routing(ROUTE, 0.0, chance=lambda draw=draw: draw)
        tried(routing, 0.0)
        routing.failed(UpstreamError("500"), 0.0)
        waits.append(waited(routing, 0.0))
    assert waits == pytest.approx([0.125, 0.1875, 0.25])


@pytest.mark.parametrize("error", [UpstreamError("500"), UpstreamConnectionError("reset", reached=True)])
def test_3_5_an_accident_is_tried_once_more_on_the_same_target(error: TsujiError) -> None:
    routing = Routing(ROUTE, 0.0)
    tried(routing, 0.0)
    routing.failed(error, 0.0)
    assert 0 < waited(routing, 0.0) <= 0.25
    assert tried(routing, 0.25).target.name == "a:one"
    routing.failed(error, 0.3)
    assert tried(routing, 0.3).target.name == "b:two"


def test_6_a_silent_target_is_not_tried_again() -> None:
    routing = Routing(ROUTE, 0.0)
    tried(routing, 0.0)
    routing.failed(UpstreamTimeoutError("silent", timeout="first_byte"), 10.0)
    assert tried(routing, 10.0).target.name == "b:two"
    routing.failed(UpstreamUnavailableError("503"), 10.1)
    now = 10.1 + waited(routing, 10.1)
    assert tried(routing, now).target.name == "b:two"


def test_12_a_prompt_that_is_too_long_goes_to_a_larger_window_only() -> None:
    sizes = {"a": 1000, "b": 1000, "c": 500, "d": 4000}
    route = Route("r", tuple([Target(name, "m", context=size) for name, size in sizes.items()]))
    routing = Routing(route, 0.0)
    tried(routing, 0.0)
    routing.failed(ContextLengthExceededError("long"), 0.0)
    assert tried(routing, 0.0).target.name == "d:m"
    routing.failed(ContextLengthExceededError("long"), 0.0)
    assert failed(routing, 0.0).error.kind == "context_length_exceeded"


def test_13_a_content_filter_is_the_end() -> None:
    routing = Routing(ROUTE, 0.0)
    tried(routing, 0.0)
    routing.failed(ContentFilterError("no"), 0.0)
    assert failed(routing, 0.0).error.kind == "content_filter"


def test_8_14_a_broken_text_is_continued_and_a_refused_prefill_is_asked_in_words() -> None:
    targets = (Target("a", "m"), Target("b", "m", prefill=True))
    routing = Routing(Route("r", targets), 0.0)
    tried(routing, 0.0)
    cut = StreamInterruptedError("cut")
    routing.failed(cut, 1.0, "text")
    assert (action := tried(routing, 1.0)).target.name == "b:m"
    assert action.mode == "prefill"
    routing.failed(InvalidRequestError("no prefill"), 1.1, "text")
    assert (action := tried(routing, 1.1)).target.name == "b:m"
    assert action.mode == "prompt"
    routing.failed(InvalidRequestError("two messages of one role"), 1.2, "text")
    now = 1.2
    assert tried(routing, now).target.name == "a:m"  # where it was cut: that may have been an accident
    routing.failed(UpstreamError("500"), now, "text")
    while not isinstance(last := routing.next(now), Fail):
        assert isinstance(last, Wait | Try)
        if isinstance(last, Wait):
            now = last.until
        else:
            routing.failed(UpstreamError("500"), now, "text")
    assert last.error is cut


def test_15_a_circuit_opens_is_probed_by_one_and_closes() -> None:
    health = Health()
    routing = Routing(ROUTE, 0.0, health)
    tried(routing, 0.0)
    routing.failed(UpstreamError("500"), 0.0)
    tried(routing, waited(routing, 0.0))
    routing.failed(UpstreamError("500"), 0.5)
    routing = Routing(ROUTE, 1.0, health)
    tried(routing, 1.0)
    routing.failed(UpstreamError("500"), 1.0)
    assert tried(routing, 1.0).target.name == "b:two"  # the third: it is not even tried once more
    routing.succeeded(1.0)
    assert health.of(ROUTE.targets[0]).state(2.0) == "open"
    first = tried(Routing(ROUTE, 2.0, health), 2.0)
    assert first.target.name == "b:two"
    assert "circuit is open" in first.reason
    probe, other = Routing(ROUTE, 8.0, health), Routing(ROUTE, 8.0, health)
    assert tried(probe, 8.0).target.name == "a:one"
    assert "being probed" in tried(other, 8.0).reason
    probe.succeeded(8.5)
    assert health.of(ROUTE.targets[0]).state(8.5) == "closed"


def test_20_what_is_not_there_is_not_tried_again_and_its_circuit_is_open() -> None:
    health = Health()
    routing = Routing(ROUTE, 0.0, health)
    tried(routing, 0.0)
    routing.failed(UpstreamConnectionError("refused"), 0.0)
    assert tried(routing, 0.0).target.name == "b:two"
    assert health.of(ROUTE.targets[0]).state(0.1) == "open"


def test_all_circuits_open_still_lets_a_request_through() -> None:
    health, route = Health(), Route("r", (Target("a", "m"),), circuit=Circuit(failures=1))
    for now in (0.0, 0.1):
        routing = Routing(route, now, health)
        assert tried(routing, now).target.name == "a:m"
        routing.failed(UpstreamConnectionError("refused"), now)
        assert failed(routing, now).reason == "no target is left"


def test_21_a_caller_who_leaves_blames_nobody() -> None:
    health = Health()
    routing = Routing(ROUTE, 0.0, health)
    tried(routing, 0.0)
    routing.left(1.0)
    assert health.of(ROUTE.targets[0]).in_flight == 0
    assert health.of(ROUTE.targets[0]).failures == 0
    assert routing.attempts[0].dropped
    assert failed(routing, 1.0).reason == "the caller has left"


def slow_route(health: Health, share: float = 1.0) -> Route:
    """Whose first target has shown that it answers within a second."""
    route = Route("r", (Target("a", "m"), Target("b", "m")), hedge=Hedge(share=share))
    for _ in range(30):
        health.of(route.targets[0]).heard(1.0, 0.0)
    return route


def test_22_a_slow_answer_is_hedged_at_the_learned_quantile() -> None:
    health = Health()
    routing = Routing(slow_route(health), 0.0, health)
    first = tried(routing, 0.0)
    assert first.hedge_at == pytest.approx(1.0, rel=0.1)
    second = routing.hedge(1.0)
    assert second is not None
    assert (second.target.name, second.number) == ("b:m", 2)
    assert routing.hedge(1.0) is None
    routing.first_token(1.5, 2)
    routing.dropped(1.5, 1)
    routing.succeeded(2.0, 2)
    assert [(a.hedge, a.dropped, a.ended) for a in routing.attempts] == [(False, True, 1.5), (True, False, 2.0)]
    assert routing.running == 0


def test_22_hedges_are_a_small_share_of_all_requests() -> None:
    health = Health()
    route = slow_route(health, 0.05)
    hedged = 0
    for _ in range(1000):
        routing = Routing(route, 0.0, health)
        tried(routing, 0.0)
        if routing.hedge(1.0) is not None:
            hedged += 1
            routing.dropped(1.0, 2)
        routing.succeeded(1.0, 1)
    assert 45 <= hedged <= 50


def test_without_hedges_on_the_route_there_are_none() -> None:
    health = Health()
    slow_route(health)
    assert tried(Routing(Route("r", (Target("a", "m"), Target("b", "m"))), 0.0, health), 0.0).hedge_at is None


def test_the_requests_time_is_kept() -> None:
    route = Route("r", (Target("a", "m"), Target("b", "m")), retry=Retry(total=10.0))
    routing = Routing(route, 0.0)
    assert tried(routing, 0.0).timeouts.total == 10.0
    routing.failed(UpstreamConnectionError("refused"), 9.0)
    assert tried(routing, 9.0).timeouts.total == pytest.approx(1.0)
    routing.failed(UpstreamUnavailableError("503", retry_after=5.0), 9.5)
    assert failed(routing, 9.5).reason == "there is no time to wait for a target"


def test_limits_hold_only_while_another_target_is_left() -> None:
    routing = Routing(ROUTE, 0.0, asked=Asked(stream=True))
    assert tried(routing, 0.0).limits.first == 10.0
    routing.failed(UpstreamConnectionError("refused"), 0.0)
    assert tried(routing, 0.0).limits == NO_LIMITS
    alone = Routing(Route("r", (Target("a", "m"),)), 0.0)
    assert tried(alone, 0.0).limits is NO_LIMITS
    off = Routing(Route("r", ROUTE.targets, retry=Retry(limits=False)), 0.0)
    assert tried(off, 0.0).limits is NO_LIMITS


def test_a_choice_is_tried_in_its_own_order() -> None:
    choice = Choice("latency", (Candidate(ROUTE.targets[1], 0.1), Candidate(ROUTE.targets[0], 0.2)))
    routing = Routing(ROUTE, 0.0, choice=choice)
    assert tried(routing, 0.0).target.name == "b:two"
    routing.failed(UpstreamConnectionError("refused"), 0.0)
    assert tried(routing, 0.0).target.name == "a:one"
    assert [type(a) for a in routing.attempts] == [Attempt, Attempt]
