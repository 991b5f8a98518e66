"""A second target beside a first that is slow, for both clients."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests import answers
from tests.client.conftest import HI
from tests.scripted import STALL, Reply, Script, Scripted
from tsuji import AsyncClient, Client, Config, InvalidRequestError
from tsuji.catalog.prices import Price
from tsuji.config import ProviderConfig
from tsuji.routing import Hedge, Route, Target


@pytest.fixture
def hedged(scripted: Callable[..., Scripted]) -> Callable[..., tuple[Config, list[Scripted]]]:
    def make(first: Script, second: Script, dialects: Any = ("openai", "openai")) -> tuple[Config, list[Scripted]]:
        servers = [scripted(first), scripted(second)]
        both = zip("ab", dialects, servers, strict=True)
        providers = {name: ProviderConfig(dialect=d, base_url=s.url, api_key="k") for name, d, s in both}
        route = Route("r", (Target("a", "m"), Target("b", "m")), hedge=Hedge(share=1.0))
        return Config(providers=providers, routes={"r": route}), servers

    return make


def teach(client: Client | AsyncClient, config: Config) -> None:
    """The first target is known to answer in 50 ms."""
    known = client._dispatch.health.of(config.routes["r"].targets[0])
    for _ in range(40):
        known.heard(0.05, 0.0)
        known.whole.add(0.05)


async def asked(client: Client | AsyncClient, **options: Any) -> Any:
    """The answer of either client, with the trace in its `tsuji`."""
    if isinstance(client, Client):
        return await asyncio.to_thread(_asked, client, options)
    found = await client.completion("r", HI, **options)
    return found if not options.get("stream") else (await found.response())


def _asked(client: Client, options: dict[str, Any]) -> Any:
    found = client.completion("r", HI, **options)
    return found.response() if options.get("stream") else found


@pytest.fixture(params=[Client, AsyncClient])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


async def closed(client: Client | AsyncClient) -> None:
    if isinstance(client, Client):
        client.close()
    else:
        await client.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_22_a_slow_target_is_hedged_and_the_loser_closed(hedged: Any, kind: Any, stream: bool) -> None:
    good = answers.stream("openai", ["ok"]) if stream else answers.chat("openai", "ok")
    config, servers = hedged(Reply(before=[STALL]), good)
    client = kind(config)
    teach(client, config)
    answer = await asked(client, stream=stream)
    assert answer.choices[0].message.content == "ok"
    assert [(a.hedge, a.dropped) for a in answer.tsuji.attempts] == [(False, True), (True, False)]
    assert answer.tsuji.target == "b:m"
    assert await asyncio.to_thread(servers[0].left.wait, 2)
    assert client._dispatch.health.of(config.routes["r"].targets[0]).in_flight == 0
    await closed(client)


async def test_22_a_hedge_that_fails_leaves_the_first_to_answer(hedged: Any, kind: Any) -> None:
    go = threading.Event()
    refused = answers.error("openai", 400, type="invalid_request_error")
    config, servers = hedged(Reply(answers.chat("openai", "slow").body, before=[go]), refused)
    client = kind(config)
    teach(client, config)
    task = asyncio.create_task(asked(client))
    while not servers[1].requests:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    go.set()
    answer = await task
    assert answer.choices[0].message.content == "slow"
    assert answer.tsuji.target == "a:m"
    assert [a.error.kind if a.error else "" for a in answer.tsuji.attempts] == ["", "invalid_request"]
    await closed(client)


async def test_22_both_fail(hedged: Any, kind: Any) -> None:
    refused = answers.error("openai", 400, type="invalid_request_error").body
    config, _ = hedged(Reply(refused, 400, before=[0.2]), answers.html())
    client = kind(config)
    teach(client, config)
    with pytest.raises(InvalidRequestError):
        await asked(client)
    assert all(client._dispatch.health.of(t).in_flight == 0 for t in config.routes["r"].targets)
    await closed(client)


async def test_22_a_quick_answer_needs_no_hedge(hedged: Any, kind: Any) -> None:
    config, servers = hedged(answers.chat("openai", "quick"), ())
    client = kind(config)
    teach(client, config)
    for _ in range(3):
        assert (await asked(client)).tsuji.target == "a:m"
    assert not servers[1].requests
    await closed(client)


async def test_22_what_the_loser_used_is_counted(hedged: Any, kind: Any) -> None:
    """It had said what its prompt came to before it fell silent."""
    begun = list(answers.stream("anthropic", ["x"]).body)[:1]
    silent = Reply([*begun, STALL], content_type=answers.SSE)
    good = answers.stream("openai", ["ok"])
    good.before = [0.3]  # by then the loser has been heard
    config, _ = hedged(silent, good, ("anthropic", "openai"))
    price = Price(input=1_000_000_000, output=0, source="config")
    config.prices = {"a:m": price, "b:m": price}
    client = kind(config)
    teach(client, config)
    trace = (await asked(client, stream=True)).tsuji
    used = [attempt.usage.input_tokens for attempt in trace.attempts]
    assert trace.cost_nano == sum(used) * 1000
    assert trace.usage.input_tokens == used[1]
    await closed(client)
