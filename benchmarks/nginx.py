"""A local nginx that answers every chat request with one constant, and the same nginx as a plain reverse proxy."""

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

ANSWER = json.dumps(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o-mini",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "The capital of Japan is Tokyo."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 14, "completion_tokens": 8, "total_tokens": 22},
    }
)

STOP_SECONDS = 60
"""That a server has, on a busy machine, to finish what it is at."""
_MAIN = Template("""
daemon off; worker_processes $workers; pid $folder/nginx.pid; error_log $folder/error.log;
events { worker_connections 4096; }
http {
  access_log off; client_max_body_size 0; client_body_buffer_size 2m;
  keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path $folder/body; proxy_temp_path $folder/proxy; fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi; scgi_temp_path $folder/scgi;
  $http
}
""")
_CONSTANT = Template(
    "server { listen 127.0.0.1:$port; default_type application/json; location / { return 200 '$answer'; } }"
)
_PROXY = Template("""upstream origin { server 127.0.0.1:$upstream; keepalive 128; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:$port; location / {
    proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
  } }""")


def program() -> str | None:
    """nginx's path; None where it is not installed."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 15.0) -> None:
    """Returns once something listens on the port. Raises RuntimeError if the process ends or nothing does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {seconds:g} s")


@contextmanager
def running(
    command: list[str], port: int, core: int | None, *, seconds: float = 15.0, **options: object
) -> Iterator[subprocess.Popen[bytes]]:
    """A server, pinned to a core where taskset exists, ended when the block is left. seconds: that it has to start."""
    pinned = ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []
    process = subprocess.Popen([*pinned, *command], **options)  # type: ignore[call-overload]
    try:
        wait_for(port, process, seconds)
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


@contextmanager
def constant(core: int | None) -> Iterator[int]:
    """The port of an nginx that answers a chat completion at once, whatever it is asked."""
    port = free_port()
    with _nginx(_CONSTANT.substitute(port=port, answer=ANSWER), port, core):
        yield port


@contextmanager
def proxy(upstream: int, core: int | None, workers: int = 1) -> Iterator[int]:
    """The port of an nginx that forwards to 127.0.0.1:upstream over kept connections."""
    port = free_port()
    with _nginx(_PROXY.substitute(port=port, upstream=upstream), port, core, workers):
        yield port


@contextmanager
def _nginx(http: str, port: int, core: int | None, workers: int = 1) -> Iterator[None]:
    nginx = program()
    if nginx is None:
        raise RuntimeError("nginx is not installed")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nginx.conf"
        path.write_text(_MAIN.substitute(folder=folder, http=http, workers=workers))
        with running([nginx, "-p", folder, "-c", str(path)], port, core, stderr=subprocess.DEVNULL):
            yield
