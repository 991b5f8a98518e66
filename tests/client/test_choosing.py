"""The library chooses among a route's targets, and can say why."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import answers
from tests.client.conftest import HI
from tests.scripted import Reply, Scripted
from tsuji import AsyncClient, Client, Config, RateLimitError, UnsupportedParameterError
from tsuji.catalog.prices import Price
from tsuji.config import ProviderConfig
from tsuji.routing import Route, Target
from tsuji.routing.rules import Allowance, Sticky

PRICES = {"up:dear": Price(input=9_000_000, output=9_000_000), "up:cheap": Price(input=1_000_000, output=1_000_000)}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
Open = Callable[..., Client]


@pytest.fixture
def opened(scripted: Callable[..., Scripted]) -> Iterator[Open]:
    """`opened(strategy, targets, ...)`: a client with the route "r" of models of one provider, "up"."""
    clients: list[Client] = []

    def one(strategy: str, *targets: Target, script: Any = None, **more: Any) -> Client:
        server = scripted(script or answers.chat("openai"))
        up = ProviderConfig(dialect="openai", base_url=f"{server.url}/v1", api_key="k")
        routes = {"r": Route("r", targets, strategy, **more)}
        clients.append(Client(Config(providers={"up": up}, routes=routes, prices=PRICES)))
        return clients[-1]

    yield one
    for client in clients:
        client.close()


def test_the_cheapest_that_can_and_why(opened: Open) -> None:
    client = opened("cost", Target("up", "dear"), Target("up", "cheap", capabilities=frozenset()))
    assert client.completion("r", HI).tsuji.target == "up:cheap"
    answer = client.completion("r", HI, tools=[TOOL], max_tokens=10)
    why = answer.tsuji.explain()
    assert json.loads(json.dumps(why)) == why
    assert (why["route"], why["strategy"], why["needs"]["capabilities"]) == ("r", "cost", ["tools"])
    assert why["removed"] == [{"target": "up:cheap", "filter": "capability", "reason": "has no tools"}]
    assert why["candidates"] == [
        {"target": "up:dear", "score": why["candidates"][0]["score"], "reason": "dollars expected"}
    ]
    (attempt,) = why["attempts"]
    assert (attempt["target"], "error" in attempt) == ("up:dear", False)
    assert attempt["ended"] == pytest.approx((answer.tsuji.seconds or 0) * 1000, abs=50)


def test_where_none_can_it_is_said_before_anything_is_sent(opened: Open) -> None:
    client = opened("priority", Target("up", "plain", capabilities=frozenset(["images"])))
    with pytest.raises(UnsupportedParameterError, match="up:plain has no tools") as caught:
        client.completion("r", HI, tools=[TOOL])
    assert caught.value.param == "tools"


def test_a_prompt_too_long_for_the_first_window_goes_to_the_next(opened: Open) -> None:
    client = opened("priority", Target("up", "small", context=100), Target("up", "large"))
    assert client.completion("r", HI).tsuji.target == "up:small"
    long = client.completion("r", [{"role": "user", "content": "word " * 200}])
    assert long.tsuji.target == "up:large"
    assert "small" in long.tsuji.explain()["removed"][0]["target"]


@pytest.mark.parametrize("strategy", ["priority", "cost"])
def test_a_provider_that_there_is_not_is_one_targets_failure(opened: Open, strategy: str) -> None:
    client = opened(strategy, Target("nobody", "m"), Target("up", "cheap"))
    assert client.completion("r", HI).tsuji.target == "up:cheap"


def test_users_stay_with_their_target(opened: Open) -> None:
    client = opened("weighted", Target("up", "a"), Target("up", "b"), sticky=Sticky("user"))
    first = {name: client.completion("r", HI, user=name).tsuji.target for name in "abcdefghij"}
    assert set(first.values()) == {"up:a", "up:b"}
    assert {name: client.completion("r", HI, user=name).tsuji.target for name in first} == first


def test_limits_of_targets_hold_in_one_client(opened: Open) -> None:
    client = opened(
        "priority", Target("up", "a", allowance=Allowance(rpm=1)), Target("up", "b", allowance=Allowance(rpm=1))
    )
    assert [client.completion("r", HI).tsuji.target for _ in range(2)] == ["up:a", "up:b"]
    with pytest.raises(RateLimitError) as caught:
        client.completion("r", HI)
    assert (caught.value.fault, (caught.value.retry_after or 0) > 1) == ("gateway", True)


def test_a_failed_attempt_is_explained_in_a_stream_of_the_asyncio_client(scripted: Callable[..., Scripted]) -> None:
    def script(asked: Any) -> Reply:
        return answers.stream("openai") if b'"b"' in asked.body else Reply(b"{}", status=503)

    server = scripted(script)
    up = ProviderConfig(dialect="openai", base_url=f"{server.url}/v1", api_key="k")
    config = Config(providers={"up": up}, routes={"r": Route("r", (Target("up", "a"), Target("up", "b")))})

    async def ask() -> dict[str, Any]:
        async with AsyncClient(config) as client:
            stream = await client.completion("r", HI, stream=True)
            await stream.response()
            return stream.tsuji.explain()

    why = asyncio.run(ask())
    failed, answered = why["attempts"]
    assert (failed["target"], failed["error"], answered["target"]) == ("up:a", "upstream_unavailable", "up:b")
    assert failed["ended"] <= answered["began"] <= answered["first_token"] <= answered["ended"]
