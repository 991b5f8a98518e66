"""The same tests on SQLite and on a real PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.gateway.conftest import serve
from tests.ledger.postgres import Postgres
from tsuji.ledger.database import ready

__all__ = ["serve"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return request.getfixturevalue("postgres").url()


@pytest.fixture
def opened() -> Iterator[Callable[[str], Engine]]:
    """`opened(url) -> Engine`, its tables made; closed after the test."""
    engines: list[Engine] = []

    def one(url: str) -> Engine:
        engines.append(ready(url))
        return engines[-1]

    yield one
    for engine in engines:
        engine.dispose()


@pytest.fixture
def engine(url: str, opened: Callable[[str], Engine]) -> Engine:
    return opened(url)
