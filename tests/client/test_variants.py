"""Which of a provider's dialects the library asks in."""

from collections.abc import Callable, Iterator

import pytest

from tests import answers
from tests.client.conftest import HI
from tests.scripted import Scripted
from tsuji import AsyncClient, Client, Config
from tsuji.config import ProviderConfig

Start = Callable[..., Scripted]


@pytest.fixture
def two(scripted: Start) -> tuple[Config, Scripted, Scripted]:
    """ "p" speaks openai at the one and anthropic at the other."""
    one, other = scripted(answers.chat("openai", "one")), scripted(answers.chat("anthropic", "other"))
    dialects = {"anthropic": {"base_url": other.url}}
    provider = ProviderConfig(dialect="openai", base_url=one.url, api_key="k", dialects=dialects)
    return Config(providers={"p": provider}), one, other


@pytest.fixture
def client(two: tuple[Config, Scripted, Scripted]) -> Iterator[Client]:
    with Client(two[0]) as client:
        yield client


def test_messages_are_asked_in_anthropics_where_it_is_spoken(
    client: Client, two: tuple[Config, Scripted, Scripted]
) -> None:
    assert client.messages("p:m", HI, 9).content[0].text == "other"
    assert client.completion("p:m", HI).choices[0].message.content == "one"
    two[2].script(answers.stream("anthropic", ["oth", "er"]))
    with client.messages("p:m", HI, 9, stream=True) as stream:
        assert stream.response().content[0].text == "other"
    assert [request.target for request in two[2].requests] == ["/v1/messages"] * 2
    assert len(two[1].requests) == 1


async def test_so_does_the_asynchronous_client(two: tuple[Config, Scripted, Scripted]) -> None:
    async with AsyncClient(two[0]) as client:
        assert (await client.messages("p:m", HI, 9)).content[0].text == "other"
        two[2].script(answers.stream("anthropic", ["oth", "er"]))
        async with await client.messages("p:m", HI, 9, stream=True) as stream:
            assert (await stream.response()).content[0].text == "other"
    assert two[1].requests == []


def test_another_address_for_one_call_leaves_the_vendors_alone(
    client: Client, two: tuple[Config, Scripted, Scripted], scripted: Start
) -> None:
    elsewhere = scripted(answers.chat("openai", "elsewhere"))
    assert client.messages("p:m", HI, 9, api_base=elsewhere.url).content[0].text == "elsewhere"
    assert two[2].requests == []


def test_paths_of_streams(scripted: Start) -> None:
    server = scripted([answers.chat("openai"), answers.stream("openai")])
    endpoints = {"chat": "/{model}/invocations", "stream": "/{model}/invocations-response-stream"}
    provider = ProviderConfig(
        dialect="openai", base_url=server.url, endpoints=endpoints, quirks={"model_in_path": True}
    )
    with Client(Config(providers={"p": provider})) as client:
        client.completion("p:m", HI)
        client.completion("p:m", HI, stream=True).response()
    assert [request.target for request in server.requests] == ["/m/invocations", "/m/invocations-response-stream"]
    assert not any("model" in request.json() for request in server.requests)
