"""A second target beside one that is slower than usual: who is first answers, and the other is let go of."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Serving, config, request
from tests.scripted import STALL, Reply, Scripted
from tsuji.routing import Hedge, Route, Target

A, B = Target("a", "m"), Target("b", "m")
Make = Callable[..., tuple[Serving, list[Scripted]]]


@pytest.fixture
def race(serve: Callable[..., Serving], scripted: Callable[..., Scripted]) -> Make:
    """`race(dialect, first, second)`: a gateway whose route "r" has a first target that is known to be quick."""

    def make(dialect: str, *scripts: Any) -> tuple[Serving, list[Scripted]]:
        servers = [scripted(script) for script in scripts]
        spoken = {name: (dialect, server.url) for name, server in zip("ab", servers, strict=True)}
        serving = serve(config(spoken, {"r": Route("r", (A, B), hedge=Hedge(share=1.0))}))
        known = serving.gateway.health.of(A)
        for _ in range(30):
            known.first.add(0.05)
            known.whole.add(0.05)
        return serving, servers

    return make


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_second_answers_where_the_first_is_slow(dialect: str, stream: bool, race: Make) -> None:
    quick = answers.stream(dialect, ["quick"]) if stream else answers.chat(dialect, "quick")
    gateway, (first, second) = race(dialect, Reply(before=[STALL]), quick)
    answer = gateway.ask(*asking.chat("openai", model="r", stream=stream))
    assert (asking.streamed if stream else asking.text)("openai", answer) == "quick"
    assert answer.headers["x-tsuji-target"] == "b:m"
    assert answer.headers["x-tsuji-attempts"] == "2"
    assert first.left.wait(2)
    assert len(second.requests) == 1
    assert [gateway.gateway.health.of(target).in_flight for target in (A, B)] == [0, 0]
    assert gateway.gateway.health.of(A).failures == 0


@pytest.mark.parametrize("stream", [False, True])
def test_the_first_may_still_be_first(stream: bool, race: Make) -> None:
    late = answers.stream("openai", ["late"]) if stream else answers.chat("openai", "late")
    gateway, (_, second) = race(
        "openai", Reply(late.body, content_type=late.content_type, before=[0.4]), Reply(before=[STALL])
    )
    answer = gateway.ask(*asking.chat("openai", model="r", stream=stream))
    assert (asking.streamed if stream else asking.text)("openai", answer) == "late"
    assert answer.headers["x-tsuji-target"] == "a:m"
    assert second.left.wait(2)


def test_one_that_fails_leaves_it_to_the_other(race: Make) -> None:
    late = answers.chat("openai", "late")
    gateway, _ = race("openai", Reply(late.body, before=[0.4]), answers.error("openai", 500))
    answer = gateway.ask(*asking.chat("openai", model="r"))
    assert asking.text("openai", answer) == "late"


def test_a_client_that_leaves_ends_both(race: Make) -> None:
    gateway, servers = race("openai", Reply(before=[STALL]), Reply(before=[STALL]))
    with gateway.client() as client:
        client.send(request(*asking.chat("openai", model="r")))
        deadline = time.monotonic() + 5
        while not servers[1].requests and time.monotonic() < deadline:
            time.sleep(0.01)
    assert all(server.left.wait(2) for server in servers)
    assert [gateway.gateway.health.of(target).in_flight for target in (A, B)] == [0, 0]
