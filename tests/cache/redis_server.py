"""A Redis or Valkey of the tests' own, on a free port of loopback; nothing of it is on disk."""

import shutil
import socket
import subprocess
import time

import pytest

PASSWORD = "redis-canary-password"


def program() -> str:
    """Skips the test where neither is installed, or the client is not."""
    pytest.importorskip("redis", reason="the redis package is not installed; it is in the extra of that name")
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip("neither Redis nor Valkey is installed; tests/install-servers.sh does it where it may")


class RedisServer:
    """`start` and `stop` as often as you like."""

    def __init__(self) -> None:
        self._program = program()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        self._process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while self.ask(b"PING") != b"+PONG":
            assert self._process.poll() is None and time.monotonic() < deadline, "it does not answer"
            time.sleep(0.01)

    def ask(self, *words: bytes) -> bytes:
        """One command, and the first line of what it gives; b"" where nothing listens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as sock, sock.makefile("rwb") as stream:
                for command in ((b"AUTH", PASSWORD.encode()), words):
                    parts = b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in command])
                    stream.write(b"*%d\r\n%b" % (len(command), parts))
                    stream.flush()
                    line = stream.readline().rstrip()
                return line
        except OSError:
            return b""

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
