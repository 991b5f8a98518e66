"""A file server with the behaviours of real ones: ranges or none, redirects, tokens, connections that break."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """files: path -> bytes. redirects: path -> address. breaks: after how many bytes to cut, one entry per request.

    headers: path -> what else the answer says. statuses: path -> errors that it answers with, one entry per request.
    held: paths whose files stop halfway until `gate` is set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.linked_hashes: dict[str, str] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.statuses: dict[str, list[int]] = {}
        self.held: set[str] = set()
        self.gate = threading.Event()
        self.ranges = True
        self.token: str | None = None
        self.breaks: list[int] = []
        self.seen: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server, path = self.server, self.path
        sent = {name.lower(): value for name, value in self.headers.items()}
        server.seen.append((path, sent))
        if server.token and sent.get("authorization") != f"Bearer {server.token}":
            self._head(401, {"Content-Length": "0"})
        elif server.statuses.get(path):
            self._head(server.statuses[path].pop(0), {"Content-Length": "0"})
        elif path in server.redirects:
            extra = {"X-Linked-Etag": f'"{server.linked_hashes[path]}"'} if path in server.linked_hashes else {}
            self._head(302, {"Location": server.redirects[path], "Content-Length": "0", **extra})
        elif path not in server.files:
            self._head(404, {"Content-Length": "0"})
        else:
            self._file(server.files[path], sent)

    def _file(self, data: bytes, sent: dict[str, str]) -> None:
        tag = f'"{hash(data)}"'
        start = 0
        if self.server.ranges and "range" in sent and sent.get("if-range") == tag:
            start = int(sent["range"].removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Length": str(len(data) - start), "ETag": tag, **self.server.headers.get(self.path, {})}
        self._head(206 if start else 200, headers)
        cut = self.server.breaks.pop(0) if self.server.breaks else len(data)
        half = min(cut, len(data) // 2) if self.path in self.server.held else 0
        if half:
            self.wfile.write(data[start : start + half])
            self.server.gate.wait(30)
        self.wfile.write(data[start + half : start + cut])
        self.close_connection = True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def file_server() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
