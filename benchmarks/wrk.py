"""wrk, by default on the core that the system under test is not on."""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_LUA = """
local file = io.open({body}, "rb")
wrk.method, wrk.path, wrk.body = "POST", {path}, file:read("*a")
file:close()
"""


@dataclass(frozen=True)
class Ran:
    """rate: requests a second. requests: that were answered. failed: that did not succeed."""

    rate: float
    requests: int
    failed: int


def post(
    port: int,
    path: str,
    headers: dict[str, str],
    body: bytes,
    *,
    connections: int,
    seconds: int,
    core: int | None = 1,
) -> Ran:
    """The same request again and again. core: that wrk is pinned to; None: to no other than this process is."""
    if not shutil.which("wrk"):
        raise RuntimeError("wrk is not installed")
    with tempfile.TemporaryDirectory() as folder:
        sent, script = Path(folder) / "body.json", Path(folder) / "post.lua"
        sent.write_bytes(body)
        lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
        script.write_text(_LUA.format(body=json.dumps(str(sent)), path=json.dumps(path)) + "\n".join(lines))
        return _run(port, script, connections, seconds, core)


def _run(port: int, script: Path, connections: int, seconds: int, core: int | None) -> Ran:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
    pinned = ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []
    run = [*pinned, *command, f"http://127.0.0.1:{port}"]
    try:
        text = subprocess.run(run, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    except subprocess.SubprocessError as error:
        raise RuntimeError(f"wrk: {error}") from error
    rate, requests = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"(\d+) requests in ", text)
    if rate is None or requests is None:
        raise RuntimeError(f"wrk printed no rate:\n{text}")
    failed = sum(int(n) for n in re.findall(r"(?:responses:|connect|read|write|timeout) (\d+)", text))
    return Ran(float(rate[1]), int(requests[1]), failed)
