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
KEY = "sk-bench-key"
SHOWN = {"authorization": f"Bearer {KEY}"}
NOT_INSTALLED = "not installed: the package index could not be reached, or has no build for this machine"
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
TENSORZERO_CONFIG = """
[gateway]
observability.enabled = false
[models.chat]
routing = ["upstream"]
[models.chat.providers.upstream]
type = "openai"
model_name = "gpt-4o-mini"
api_base = "http://127.0.0.1:{upstream}/v1"
api_key_location = "none"
"""
TENSORZERO_PROGRAM = """
import sys, threading
from pathlib import Path
from tensorzero.tensorzero import _start_http_gateway
stores = {"clickhouse_url": None, "postgres_url": None, "valkey_url": None}
gateway = _start_http_gateway(config_file=sys.argv[1], async_setup=False, **stores)
Path(sys.argv[2]).write_text(gateway.base_url)
threading.Event().wait()
"""
FERRO_CONFIG = "strategy:\n  mode: fallback\ntargets:\n  - virtual_key: openai\n"
CRABLLM_CONFIG = """
listen = "127.0.0.1:{port}"
[providers.upstream]
kind = "openai"
api_key = "upstream-key"
base_url = "http://127.0.0.1:{upstream}/v1"
models = ["gpt-4o-mini"]
[aliases]
chat = "gpt-4o-mini"
[[keys]]
name = "bench"
key = "sk-bench-key"
models = ["*"]
"""
LEFT_OUT = {
    "Bifrost": "its npm package (@maximhq/bifrost 1.6.3) is a script that downloads the program from the vendor's own "
    "host; the Go module proxy lists no version of it, and answered 403 for exact ones (November 2026)",
    "GoModel": "go install github.com/ENTERPILOT/GoModel/cmd/gomodel@latest: the Go module proxy answered 403, 'This "
    "module version is not available' (November 2026)",
    "One API, Olla": "the Go module proxy answered 403, 'This module version is not available', for "
    "github.com/songquanpeng/one-api and github.com/thushan/olla (November 2026)",
    "ultrafast-gateway 0.1.6, litellm-rs 0.9.0": "crates; a build that had not ended after a quarter of an hour beside "
    "other work on two cores was ended, and the other not begun (November 2026)",
    "Otari (any-llm's gateway)": "the Python index has its client only (otari 0.4.1)",
}


@contextmanager
def litellm(folder: Path, upstream: int) -> Iterator[System]:
    port, config = nginx.free_port(), folder / "litellm.yaml"
    config.write_text(LITELLM_CONFIG.format(upstream=upstream))
    env = clean_environment(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_LOG="ERROR", LITELLM_MODE="PRODUCTION")
    options = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    on = "master key checked, model rewritten, cost reckoned; no database, so nothing recorded"
    command = [_installed("litellm"), "--config", str(config), *options]
    with _started(command, port, folder / "litellm.log", env):
        yield _ready(System(f"LiteLLM {_version('litellm')}", port, "chat", on, SHOWN))


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


@contextmanager
def tensorzero(folder: Path, upstream: int) -> Iterator[System]:
    """Its wheel has the Rust gateway in it, which listens on a port of its own choice; Python only starts it."""
    _installed("python")
    config, address = folder / "tensorzero.toml", folder / "tensorzero.address"
    config.write_text(TENSORZERO_CONFIG.format(upstream=upstream))
    command = [str(FOLDER / "bin" / "python"), "-c", TENSORZERO_PROGRAM, str(config), str(address)]
    pinned = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    with (folder / "tensorzero.log").open("wb") as log:
        process = subprocess.Popen([*pinned, *command], stdout=log, stderr=log, env=clean_environment())
    try:
        port = _port_in(address, process)
        on = "model rewritten; no key checked, observability off, so nothing recorded"
        model, path = "tensorzero::model_name::chat", "/openai/v1/chat/completions"
        yield _ready(System(f"TensorZero {_version('tensorzero')}, Rust", port, model, on, path=path))
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def ferro(folder: Path, upstream: int) -> Iterator[System]:
    port, config = nginx.free_port(), folder / "ferro.yaml"
    config.write_text(FERRO_CONFIG)
    env = clean_environment(
        OPENAI_API_KEY="upstream-key",
        OPENAI_BASE_URL=f"http://127.0.0.1:{upstream}",
        MASTER_KEY=KEY,
        GATEWAY_CONFIG=str(config),
        PORT=str(port),
        LOG_LEVEL="error",
        RATE_LIMIT_RPS="0",
    )
    on = "master key checked, price looked up, metrics; no rate limit, nothing recorded"
    with _started([_installed("ferrogw"), "serve"], port, folder / "ferro.log", env):
        yield _ready(System(f"Ferro {_version('ferrogw')}, Go", port, "gpt-4o-mini", on, SHOWN))


@contextmanager
def smg(folder: Path, upstream: int) -> Iterator[System]:
    port, metrics = nginx.free_port(), nginx.free_port()
    options = {
        "host": "127.0.0.1",
        "port": str(port),
        "worker-urls": f"http://127.0.0.1:{upstream}",
        "backend": "openai",
        "policy": "round_robin",
        "tenant-api-key": f"bench:{KEY}",
        "log-level": "error",
        "prometheus-port": str(metrics),
    }
    command = [_installed("smg"), "launch", *[part for name, value in options.items() for part in (f"--{name}", value)]]
    on = "tenant's key checked, metrics; model not rewritten, nothing recorded"
    with _started(command, port, folder / "smg.log", clean_environment()):
        yield _ready(System(f"SMG {_version('smg')}, Rust", port, "gpt-4o-mini", on, SHOWN))


@contextmanager
def crabllm(folder: Path, upstream: int) -> Iterator[System]:
    program, version = _built("crabllm")
    port, config = nginx.free_port(), folder / "crabllm.toml"
    config.write_text(CRABLLM_CONFIG.format(port=port, upstream=upstream))
    on = "key checked, model rewritten; nothing recorded"
    command = [program, "serve", "--config", str(config)]
    with _started(command, port, folder / "crabllm.log", clean_environment()):
        yield _ready(System(f"crabllm {version}, Rust", port, "chat", on, SHOWN))


@contextmanager
def llmg(folder: Path, upstream: int) -> Iterator[System]:
    program, version = _built("llmg-gateway")
    port = nginx.free_port()
    provider = {"api_key": "upstream-key", "base_url": f"http://127.0.0.1:{upstream}/v1"}
    config = {
        "server": {"host": "127.0.0.1", "port": port},
        "providers": {"openai": provider},
        "logging": {"level": "error"},
        "use_env": False,
    }
    (folder / "llmg.json").write_text(json.dumps(config))
    on = "any key taken, model rewritten; nothing recorded"
    with _started([program], port, folder / "llmg.log", clean_environment(), cwd=folder):
        yield _ready(System(f"LLMG {version}, Rust", port, "openai/gpt-4o-mini", on, SHOWN))


PEERS = {
    "LiteLLM": litellm,
    "Portkey": portkey,
    "TensorZero": tensorzero,
    "Ferro": ferro,
    "SMG": smg,
    "crabllm": crabllm,
    "LLMG": llmg,
}


def _installed(name: str) -> str:
    program = FOLDER / "bin" / name
    if not program.exists():
        raise RuntimeError(NOT_INSTALLED)
    return str(program)


def _built(crate: str) -> tuple[str, str]:
    """A program that cargo built, and its version."""
    program, made = FOLDER / "cargo" / "bin" / crate, FOLDER / "cargo" / ".crates.toml"
    if not program.exists():
        raise RuntimeError("not built: it needs cargo, and the crates' index")
    return str(program), made.read_text().partition(f'"{crate} ')[2].split()[0]


def _version(package: str) -> str:
    code = f"from importlib.metadata import version; print(version('{package}'))"
    return subprocess.run([FOLDER / "bin" / "python", "-c", code], capture_output=True, text=True).stdout.strip()


def _port_in(address: Path, process: subprocess.Popen[bytes]) -> int:
    """Of the URL that will be in the file."""
    deadline = time.monotonic() + START_SECONDS
    while not (address.exists() and address.read_text()):
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"it did not start in {START_SECONDS} s")
        time.sleep(0.1)
    return int(address.read_text().split(":")[2].split("/")[0])


@contextmanager
def _started(command: list[str], port: int, log: Path, env: dict[str, str], cwd: Path | None = None) -> Iterator[None]:
    with log.open("wb") as out:
        options = {"stdout": out, "stderr": subprocess.STDOUT, "env": env, "cwd": cwd, "seconds": START_SECONDS}
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
