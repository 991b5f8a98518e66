"""A gateway in a thread of its own, on uvloop, in front of scripted providers."""

from collections.abc import Callable, Iterator

import pytest

from tests.gateway.serving import Serving, start
from tests.scripted import Script, Scripted
from tsuji.config import Config


@pytest.fixture
def serve() -> Iterator[Callable[..., Serving]]:
    """`serve(config) -> Serving`; all are stopped after the test."""
    running: list[Serving] = []

    def one(config: Config) -> Serving:
        running.append(start(config))
        return running[-1]

    yield one
    for serving in running:
        serving.stop()


@pytest.fixture
def behind(serve: Callable[..., Serving], scripted: Callable[..., Scripted]) -> Callable[..., tuple[Serving, Scripted]]:
    """`behind(dialect, script)`: a gateway whose provider "up" is scripted and speaks `dialect`."""
    from tests.gateway.serving import config

    def one(dialect: str, script: Script, **more: object) -> tuple[Serving, Scripted]:
        provider = scripted(script)
        return serve(config({"up": (dialect, provider.url)}, **more)), provider

    return one
