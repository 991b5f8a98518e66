"""One gateway worker on one core, beside nginx as a plain reverse proxy; wrk and the constant upstream on the other."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from . import nginx

CONNECTIONS = 64
SECONDS = 6
ROUNDS = 3
PROMPT = "Tell me, in one short sentence, which city is the capital of Japan, and why. " * 4
LUA = """
wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.body = '{"model":"mock:gpt-4o-mini","messages":[{"role":"user","content":"%s"}],"temperature":0.2,"max_tokens":64}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer bench-key"
"""
CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
keys = ["bench-key"]
[providers.mock]
dialect = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "upstream-key"
[ledger]
folder = "ledger"
"""


def _wrk(port: int, script: Path) -> tuple[float, int]:
    """Requests a second, and how many did not succeed."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    pinned = ["taskset", "-c", "1", *command] if shutil.which("taskset") else command
    text = subprocess.run(pinned, check=True, capture_output=True, timeout=SECONDS + 30).stdout.decode()
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if rate is None:
        raise RuntimeError(f"wrk printed no rate:\n{text}")
    failed = sum(int(n) for n in re.findall(r"(?:Non-2xx or 3xx responses:|connect|read|write|timeout) (\d+)", text))
    return float(rate[1]), failed


def measure() -> dict[str, float]:
    """Requests a second by system; every request of every system must have succeeded."""
    if not shutil.which("wrk"):
        raise RuntimeError("wrk is not installed")
    port = nginx.free_port()
    with tempfile.TemporaryDirectory() as folder, nginx.constant(1) as upstream, nginx.proxy(upstream, 0) as proxy:
        config, script = Path(folder) / "tsuji.toml", Path(folder) / "chat.lua"
        config.write_text(CONFIG.format(port=port, upstream=upstream))
        script.write_text(LUA % PROMPT)
        command = [str(Path(sys.executable).parent / "tsuji"), "serve", "--config", str(config)]
        env = {**os.environ, "PYTHONWARNINGS": "ignore"}
        seen: dict[str, list[float]] = {}
        with nginx.running(command, port, 0, stdout=subprocess.DEVNULL, env=env):
            systems = {"direct": upstream, "nginx, plain reverse proxy": proxy, "tsuji": port}
            for _ in range(ROUNDS):
                for name, at in systems.items():
                    rate, failed = _wrk(at, script)
                    if failed:
                        raise RuntimeError(f"{name}: {failed} requests failed")
                    seen.setdefault(name, []).append(rate)
    return {name: median(rates) for name, rates in seen.items()}
