"""A real gateway process in front of a scripted provider of each dialect and of the local model."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.engine.fixtures import home
from tests.scripted import Reply, Request, Script, Scripted

CONFIG = """
[server]
port = {port}
[providers.openai-mock]
dialect = "openai"
base_url = "{url}/v1"
api_key = "upstream-key"
[providers.openai-mock.quirks]
reasoning_field = "reasoning_content"
[providers.responses-mock]
dialect = "responses"
base_url = "{url}/v1"
api_key = "upstream-key"
[providers.anthropic-mock]
dialect = "anthropic"
base_url = "{url}"
api_key = "upstream-key"
[providers.gemini-mock]
dialect = "gemini"
base_url = "{url}"
api_key = "upstream-key"
[providers.ollama-mock]
dialect = "ollama"
base_url = "{url}"
api_key = "upstream-key"
[providers.cohere-mock]
dialect = "cohere"
base_url = "{url}"
api_key = "upstream-key"
[providers.cohere-mock.quirks]
defaults = {{ input_type = "search_document" }}
[providers.bedrock-mock]
dialect = "bedrock"
base_url = "{url}"
api_key = "upstream-key"
[routes.fast]
targets = ["openai-mock:model-1", "anthropic-mock:model-2"]
[ledger]
folder = "ledger"
"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel, as base64."""


class Gateway(NamedTuple):
    """url: of the gateway, no path. provider: what stands behind it."""

    url: str
    provider: Scripted

    def script(self, script: Script) -> None:
        self.provider.requests.clear()
        self.provider.script(script)

    @property
    def last(self) -> Request:
        return self.provider.last


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Scripted(Reply(b"{}", 500)) as provider:
        config = tmp_path_factory.mktemp("gateway") / "tsuji.toml"
        config.write_text(CONFIG.format(port=port, url=provider.url))
        command = [str(Path(sys.executable).parent / "tsuji"), "serve", "--config", str(config)]
        log = config.with_suffix(".log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, "TSUJI_HOME": str(home())}
            )
        try:
            _wait(port, process, log)
            yield Gateway(f"http://127.0.0.1:{port}", provider)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"the gateway did not listen: {log.read_text()}")


@pytest.fixture(params=["openai", "anthropic", "gemini", "ollama", "responses", "cohere", "bedrock"])
def upstream(request: pytest.FixtureRequest) -> str:
    """The dialect of the provider behind the gateway."""
    return request.param
