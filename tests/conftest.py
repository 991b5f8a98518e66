"""Fixtures that more than one package's tests use."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator

import pytest

from tests.engine.fixtures import local_engine, shared_engine
from tests.scripted import Script, Scripted

__all__ = ["local_engine", "scripted", "shared_engine"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores it, and so would every program that a test starts and means to interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


_home = tempfile.TemporaryDirectory(prefix="tsuji-tests-")
os.environ["TSUJI_HOME"] = _home.name
"""What is not told to keep its ledger elsewhere keeps it here, and not among the things of whoever runs the tests."""
os.environ["TSUJI_ADOPT"] = "0"
"""Neither are the models of other programs on this machine part of any test."""


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
