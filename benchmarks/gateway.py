"""One gateway worker on one core, beside nginx as a plain reverse proxy; wrk and the constant upstream on the other."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from . import nginx, wrk

CONNECTIONS = 64
SECONDS = 6
ROUNDS = 3
PROMPT = "Tell me, in one short sentence, which city is the capital of Japan, and why. " * 4
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer bench-key"}
BODY = {
    "model": "mock:gpt-4o-mini",
    "messages": [{"role": "user", "content": PROMPT}],
    "temperature": 0.2,
    "max_tokens": 64,
}
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


def measure() -> dict[str, float]:
    """Requests a second by system; every request of every system must have succeeded."""
    port, body = nginx.free_port(), json.dumps(BODY, separators=(",", ":")).encode()
    with tempfile.TemporaryDirectory() as folder, nginx.constant(1) as upstream, nginx.proxy(upstream, 0) as proxy:
        config = Path(folder) / "tsuji.toml"
        config.write_text(CONFIG.format(port=port, upstream=upstream))
        command = [str(Path(sys.executable).parent / "tsuji"), "serve", "--config", str(config)]
        env = {**os.environ, "PYTHONWARNINGS": "ignore"}
        seen: dict[str, list[float]] = {}
        with nginx.running(command, port, 0, stdout=subprocess.DEVNULL, env=env):
            systems = {"direct": upstream, "nginx, plain reverse proxy": proxy, "tsuji": port}
            for _ in range(ROUNDS):
                for name, at in systems.items():
                    path = "/v1/chat/completions"
                    ran = wrk.post(at, path, HEADERS, body, connections=CONNECTIONS, seconds=SECONDS)
                    if ran.failed:
                        raise RuntimeError(f"{name}: {ran.failed} requests failed")
                    seen.setdefault(name, []).append(ran.rate)
    return {name: median(rates) for name, rates in seen.items()}
