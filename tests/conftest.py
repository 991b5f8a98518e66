"""Fixtures that more than one package's tests use."""

from collections.abc import Callable, Iterator

import pytest

from tests.scripted import Script, Scripted


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Starts scripted providers, `scripted(script) -> Scripted`, and stops them all after the test."""
    running: list[Scripted] = []

    def start(script: Script = ()) -> Scripted:
        running.append(Scripted(script))
        return running[-1]

    yield start
    for server in running:
        server.close()
