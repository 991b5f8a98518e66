"""The admin API on SQLite and on a real PostgreSQL."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.control.serving import Serving, config
from tests.ledger.conftest import postgres, url

__all__ = ["postgres", "url"]


@pytest.fixture
def serve() -> Iterator[Callable[..., Serving]]:
    """`serve(config, ...) -> Serving`; all are stopped after the test."""
    running: list[Serving] = []

    def start(*arguments: Any, **limits: Any) -> Serving:
        running.append(Serving(*arguments, **limits))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def api(url: str, serve: Callable[..., Serving]) -> Serving:
    """On each database."""
    return serve(config(url))


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """On SQLite, for what is refused: nothing is ever made in it."""
    one = Serving(config(f"sqlite:///{tmp_path_factory.mktemp('admin')}/ledger.db"))
    yield one
    one.stop()
