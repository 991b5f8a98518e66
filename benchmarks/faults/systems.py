"""The gateways that the rows are played on: ours, and LiteLLM's proxy with what it has against faults turned on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import nginx
from benchmarks.gateways.tsuji import PROGRAM
from benchmarks.gateways.world import clean_environment

from .rows import Cell
from .run import url_of

HEAD = """
[server]
host = "127.0.0.1"
port = {port}
metrics = "off"
"""
START_SECONDS = 120
LITELLM = Path(".venv-gateways").absolute() / "bin" / "litellm"
SETTINGS: dict[str, Any] = {
    "router_settings": {
        "num_retries": 2,
        "retry_after": 1,
        "timeout": 20,
        "stream_timeout": 10,
        "allowed_fails": 2,
        "cooldown_time": 5,
        "enable_pre_call_checks": True,
    },
    "litellm_settings": {"request_timeout": 20, "telemetry": False},
    "general_settings": {"master_key": "sk-bench-key"},
}
"""Retries, timeouts, cooldowns and fallbacks. Its documentation: https://docs.litellm.ai/docs/proxy/reliability."""


@contextmanager
def tsuji(folder: Path, config: str, port: int) -> Iterator[int]:
    file = folder / "tsuji.toml"
    file.write_text(config)
    yield from _running([PROGRAM, "serve", "--config", str(file)], port, folder / "tsuji.log", clean_environment())


@contextmanager
def litellm(folder: Path, cells: list[Cell]) -> Iterator[int]:
    port, file = nginx.free_port(), folder / "litellm.yaml"
    file.write_text(json.dumps(litellm_config(cells)))  # JSON is YAML
    env = clean_environment(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_LOG="ERROR", LITELLM_MODE="PRODUCTION")
    options = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    yield from _running([str(LITELLM), "--config", str(file), *options], port, folder / "litellm.log", env)


def litellm_config(cells: list[Cell]) -> dict[str, Any]:
    models: list[dict[str, Any]] = []
    fallbacks: list[dict[str, list[str]]] = []
    for cell in cells:
        good = f"{cell.name}-good"
        to = {cell.name: ("openai/bad", url_of(cell)), good: ("openai/good", f"http://127.0.0.1:{cell.good.port}/v1")}
        for name, (model, url) in to.items():
            params = {"model": model, "api_base": url, "api_key": "upstream-key"}
            models.append({"model_name": name, "litellm_params": params})
        fallbacks.append({cell.name: [good]})
    router = {**SETTINGS["router_settings"], "fallbacks": fallbacks, "context_window_fallbacks": fallbacks}
    return {**SETTINGS, "model_list": models, "router_settings": router}


def _running(command: list[str], port: int, log: Path, env: dict[str, str]) -> Iterator[int]:
    with (
        log.open("wb") as out,
        nginx.running(command, port, 0, stdout=out, stderr=out, env=env, cwd=None, seconds=START_SECONDS),
    ):
        yield port
