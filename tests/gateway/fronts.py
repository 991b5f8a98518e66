"""A real nginx in front of a gateway: as a proxy of HTTP, and of TCP with the PROXY protocol."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.http.conftest import _wait_for, free_port

STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
_CONF = """
{modules} {user} worker_processes 1; daemon off; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format forwarded '$uri $upstream_status'; access_log {root}/access.log forwarded;
  client_max_body_size 0; proxy_request_buffering off;
  client_body_temp_path {root}/1; proxy_temp_path {root}/2; fastcgi_temp_path {root}/3; uwsgi_temp_path {root}/4;
  scgi_temp_path {root}/5;
  upstream gateway {{ server {upstream}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://gateway; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
{stream}
"""
_STREAM = "stream {{ server {{ listen 127.0.0.1:{port}; proxy_protocol on; proxy_pass {upstream}; }} }}"


@contextmanager
def nginx(root: Path, upstream: str, *, proxy_protocol: bool = False) -> Iterator[int]:
    """Its port. upstream: "127.0.0.1:PORT" or "unix:PATH". proxy_protocol: it passes TCP on, behind such a header."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    if proxy_protocol and not STREAM_MODULE.exists():
        pytest.skip("nginx has no stream module (Debian: apt-get install libnginx-mod-stream)")
    port, other = free_port(), free_port()
    text = _CONF.format(
        root=root,
        port=other if proxy_protocol else port,
        upstream=upstream,
        user="user root;" if os.geteuid() == 0 else "",
        modules=f"load_module {STREAM_MODULE};" if proxy_protocol else "",
        stream=_STREAM.format(port=port, upstream=upstream) if proxy_protocol else "",
    )
    (root / "nginx.conf").write_text(text)
    process = subprocess.Popen([binary, "-c", str(root / "nginx.conf"), "-e", str(root / "error.log")])
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(20)
