"""A client of a scripted provider, in each dialect."""

from collections.abc import Callable, Iterator

import pytest

from tests.scripted import Script, Scripted
from tsuji import Client, Config
from tsuji.config import ProviderConfig
from tsuji.routing import Route, Target

Connect = Callable[..., tuple[Client, Scripted]]
DIALECTS = ("openai", "anthropic", "gemini", "ollama", "cohere", "bedrock")
HI = [{"role": "user", "content": "hi"}]


def config_for(server: Scripted, dialect: str, **route: object) -> Config:
    """A provider "mock" at the server."""
    provider = ProviderConfig(dialect=dialect, base_url=server.url, api_key="secret")
    return Config(providers={"mock": provider})


@pytest.fixture
def connect(scripted: Callable[..., Scripted]) -> Iterator[Connect]:
    """connect(script, dialect="openai") -> a client whose provider "mock" is the script."""
    clients: list[Client] = []

    def start(script: Script = (), dialect: str = "openai") -> tuple[Client, Scripted]:
        server = scripted(script)
        clients.append(Client(config_for(server, dialect)))
        return clients[-1], server

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def two(scripted: Callable[..., Scripted]) -> Iterator[Callable[..., tuple[Client, Scripted, Scripted]]]:
    """A client with a route "both": first one provider ("first:m1"), then another ("second:m2")."""
    clients: list[Client] = []

    def start(first: Script, second: Script, dialects: tuple[str, str] = ("openai", "openai"), **route: object):
        one, other = scripted(first), scripted(second)
        providers = {
            "first": ProviderConfig(dialect=dialects[0], base_url=one.url, api_key="a"),
            "second": ProviderConfig(dialect=dialects[1], base_url=other.url, api_key="b"),
        }
        both = Route("both", (Target("first", "m1"), Target("second", "m2")), **route)
        clients.append(Client(Config(providers=providers, routes={"both": both})))
        return clients[-1], one, other

    yield start
    for client in clients:
        client.close()
