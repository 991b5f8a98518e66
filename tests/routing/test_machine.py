"""The laws of the routing machine, one by one."""

import pytest

from tsuji.core.errors import (
    ContextLengthExceededError,
    InternalError,
    InvalidRequestError,
    ModelNotFoundError,
    RateLimitError,
    TsujiError,
    UnsupportedParameterError,
    UpstreamConnectionError,
)
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Fail, Route, Routing, Target, Try

ROUTE = Route("fast", (Target("a", "one"), Target("b", "two", timeouts=Timeouts(connect=1))), timeouts=Timeouts(idle=7))


def test_targets_are_tried_in_order_with_their_own_timeouts() -> None:
    routing = Routing(ROUTE, 0.0)
    first = routing.next(0.0)
    assert isinstance(first, Try)
    assert (first.target.name, first.number, first.timeouts) == ("a:one", 1, Timeouts(idle=7))
    routing.failed(UpstreamConnectionError("refused"), 1.0)
    second = routing.next(1.5)
    assert isinstance(second, Try)
    assert (second.target.name, second.number, second.timeouts) == ("b:two", 2, Timeouts(connect=1))
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
    last = RateLimitError("slow down", retry_after=2)
    routing.failed(last, 0.0)
    action = routing.next(0.0)
    assert isinstance(action, Fail)
    assert action.error is last
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


def test_no_second_answer_is_spliced_on() -> None:
    routing = Routing(ROUTE, 0.0)
    routing.next(0.0)
    routing.failed(UpstreamConnectionError("reset"), 0.0, sent=True)
    action = routing.next(0.0)
    assert isinstance(action, Fail)
    assert action.reason == "part of the answer had been delivered"


def test_a_route_without_targets_fails_instead_of_hanging() -> None:
    action = Routing(Route("empty", ()), 0.0).next(0.0)
    assert isinstance(action, Fail)
    assert action.error.kind == "internal"
