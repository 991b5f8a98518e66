"""The gateways that people choose instead, as installed by install.sh into .venv-gateways."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import nginx
from .system import System, check
from .world import clean_environment

FOLDER = Path(".venv-gateways").absolute()
PORTKEY = FOLDER / "npm" / "node_modules" / "@portkey-ai" / "gateway"
START_SECONDS = 120
LITELLM_CONFIG = """
model_list:
  - model_name: chat
    litellm_params:
      model: openai/gpt-4o-mini
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: upstream-key
      input_cost_per_token: 0.00000015
      output_cost_per_token: 0.0000006
general_settings:
  master_key: sk-bench-key
"""
LEFT_OUT = {
    "TensorZero": "in November 2026 what the Python index has (tensorzero 2026.6.0) is a client with the gateway "
    "embedded in it as an extension module; there is no program in it that listens",
    "GoModel": "go install github.com/ENTERPILOT/GoModel/cmd/gomodel@latest: in November 2026 the Go module proxy "
    "answered 403, 'This module version is not available'",
    "Bifrost": "in November 2026 the Go module proxy lists no version of it that could be built",
}


@contextmanager
def litellm(folder: Path, upstream: int) -> Iterator[System]:
    program = FOLDER / "bin" / "litellm"
    if not program.exists():
        raise RuntimeError("not installed: the package index could not be reached, or has no build for this machine")
    port, config = nginx.free_port(), folder / "litellm.yaml"
    config.write_text(LITELLM_CONFIG.format(upstream=upstream))
    env = clean_environment(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_LOG="ERROR", LITELLM_MODE="PRODUCTION")
    options = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    key = {"authorization": "Bearer sk-bench-key"}
    on = "master key checked, model rewritten, cost reckoned; no database, so nothing recorded"
    command = [str(program), "--config", str(config), *options]
    with _started(command, port, folder / "litellm.log", env):
        yield _ready(System(f"LiteLLM {_version('litellm')}", port, "chat", on, key))


@contextmanager
def portkey(folder: Path, upstream: int) -> Iterator[System]:
    node, server = shutil.which("node"), PORTKEY / "build" / "start-server.js"
    if node is None or not server.exists():
        raise RuntimeError("not installed: it needs node and npm, and the npm registry")
    port = nginx.free_port()
    target = {
        "provider": "openai",
        "api_key": "upstream-key",
        "custom_host": f"http://127.0.0.1:{upstream}/v1",
        "override_params": {"model": "gpt-4o-mini"},
    }
    headers = {"x-portkey-config": json.dumps(target, separators=(",", ":"))}
    on = "model rewritten; no key checked and nothing recorded, which the open gateway does not do"
    version = json.loads((PORTKEY / "package.json").read_text())["version"]
    command = [node, str(server), "--headless", f"--port={port}"]
    env = clean_environment(NODE_ENV="production")
    with _started(command, port, folder / "portkey.log", env):
        yield _ready(System(f"Portkey {version}", port, "chat", on, headers))


PEERS = {"LiteLLM": litellm, "Portkey": portkey}


def _version(package: str) -> str:
    code = f"from importlib.metadata import version; print(version('{package}'))"
    return subprocess.run([FOLDER / "bin" / "python", "-c", code], capture_output=True, text=True).stdout.strip()


@contextmanager
def _started(command: list[str], port: int, log: Path, env: dict[str, str]) -> Iterator[None]:
    with log.open("wb") as out:
        options = {"stdout": out, "stderr": subprocess.STDOUT, "env": env, "seconds": START_SECONDS}
        with nginx.running(command, port, 0, **options):
            yield


def _ready(system: System) -> System:
    """Some listen before they can answer."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            check(system)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return system
