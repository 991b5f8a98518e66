"""wrk, on the core that the system under test is not on."""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_LUA = """
local file = io.open({body}, "rb")
wrk.method, wrk.path, wrk.body = "POST", {path}, file:read("*a")
file:close()
"""


def post(
    port: int, path: str, headers: dict[str, str], body: bytes, *, connections: int, seconds: int
) -> tuple[float, int]:
    """The same request again and again: requests a second, and how many did not succeed."""
    if not shutil.which("wrk"):
        raise RuntimeError("wrk is not installed")
    with tempfile.TemporaryDirectory() as folder:
        sent, script = Path(folder) / "body.json", Path(folder) / "post.lua"
        sent.write_bytes(body)
        lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
        script.write_text(_LUA.format(body=json.dumps(str(sent)), path=json.dumps(path)) + "\n".join(lines))
        return _run(port, script, connections, seconds)


def _run(port: int, script: Path, connections: int, seconds: int) -> tuple[float, int]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
    pinned = ["taskset", "-c", "1", *command] if shutil.which("taskset") else command
    run = [*pinned, f"http://127.0.0.1:{port}"]
    try:
        text = subprocess.run(run, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    except subprocess.SubprocessError as error:
        raise RuntimeError(f"wrk: {error}") from error
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if rate is None:
        raise RuntimeError(f"wrk printed no rate:\n{text}")
    return float(rate[1]), sum(int(n) for n in re.findall(r"(?:responses:|connect|read|write|timeout) (\d+)", text))
