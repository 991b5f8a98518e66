"""Traces, as a worker has a part in them: ids, the header that tells a provider, and what the telemetry process is fed.

https://www.w3.org/TR/trace-context/. Spans are made in that process, of what has ended here; see `exporter`.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from random import getrandbits, random
from typing import TYPE_CHECKING

import msgspec

from tsuji import __version__
from tsuji.core.errors import ConfigError
from tsuji.gateway.recording import redact
from tsuji.ledger.record import Record

from .exporter import HEAD, Attempted, Orders, Seen
from .semantics import OPERATIONS

if TYPE_CHECKING:
    from tsuji.config import Config, Telemetry
    from tsuji.gateway.driver import Driver
    from tsuji.gateway.request import Answering, Request
    from tsuji.http.url import Origin

_MAX_HELD = 8 * 1024 * 1024
"""Bytes that wait for the telemetry process; what comes beyond them is dropped, and counted."""
_AGAIN_SECONDS = 5.0
_STOP_SECONDS = 10.0
_MAX_STATE = 512
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class Trace:
    """Of one request. parent: the client's span, "" for none. model: that the provider says has answered."""

    __slots__ = ("attempts", "id", "model", "parent", "sampled", "span", "state")

    def __init__(self, headers: Mapping[bytes, bytes], sample: float) -> None:
        found = _PARENT.fullmatch(headers.get(b"traceparent", b""))
        if found is None or found[1] == b"ff" or not found[2].strip(b"0") or not found[3].strip(b"0"):
            self.id, self.parent, self.state = f"{getrandbits(128) or 1:032x}", "", b""
            self.sampled = sample >= 1 or random() < sample  # noqa: S311 - no secret
        else:
            self.id, self.parent = found[2].decode(), found[3].decode()
            self.sampled = bool(int(found[4], 16) & 1)
            self.state = headers.get(b"tracestate", b"")[:_MAX_STATE]
        self.span = f"{getrandbits(64) or 1:016x}"
        self.attempts: list[Attempted] = []
        self.model: str | None = None

    def hear(self, document: bytes) -> None:
        """The model's name, from an answer or the first event of a stream; nothing else is looked at."""
        start = document.find(b"{")
        if document[:1] != b"{":
            document = document[start : document.find(b"\n", start)]
        try:
            told = msgspec.json.decode(document, type=_Told)
        except msgspec.DecodeError:
            return
        for one in (told, told.message, told.response):
            if one is not None and (one.model or one.version):
                self.model = (one.model or one.version or "")[:256]
                return


class _Model(msgspec.Struct):
    model: str | None = None
    version: str | None = msgspec.field(default=None, name="modelVersion")


class _Told(_Model):
    message: _Model | None = None
    response: _Model | None = None


class Tracer:
    """`start`, then `stop`. Used from the event loop's thread. dropped: told how much the process did not take.

    Raises ConfigError for what is not installed, or a header's secret that is not there.
    """

    def __init__(self, config: "Config", dropped: Callable[[int], None]) -> None:
        telemetry = config.telemetry
        if not _is_installed():
            raise ConfigError(
                "telemetry.otlp needs OpenTelemetry, which is not installed: pip install 'tsuji[otel]'",
                param="telemetry.otlp",
            )
        self._telemetry = telemetry
        self._orders = msgspec.json.encode(_orders(telemetry, list(config.routes)))
        self._dropped = dropped
        self._encode = msgspec.msgpack.Encoder().encode
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._held = bytearray()
        self._writing = False
        self._not_before = 0.0

    # For a request.

    def attempt(self, driver: "Driver", origin: "Origin") -> bytes:
        """A target is about to be asked: the header lines for it."""
        trace = driver.trace
        if trace is None:
            trace = driver.trace = Trace(driver.request.headers, self._telemetry.sample)
        span = f"{getrandbits(64) or 1:016x}"
        trace.attempts.append(Attempted(len(driver.routing.attempts), span, origin.host, origin.port))
        if not self._telemetry.propagate:
            return b""
        lines = f"traceparent: 00-{trace.id}-{span}-{trace.sampled:02x}\r\n".encode()
        return lines + b"tracestate: %b\r\n" % trace.state if trace.state else lines

    def add(
        self, record: Record, request: "Request", connection: "Answering", spent: float, trace: Trace | None
    ) -> None:
        endpoint = request.endpoint
        if endpoint is None or record.operation not in OPERATIONS:
            return
        if trace is None:  # no target was tried
            trace = Trace(request.headers, self._telemetry.sample)
        if len(self._held) > _MAX_HELD:
            self._dropped(1)
            return
        seen = self._encode(
            Seen(
                record,
                request.method.decode("latin-1"),
                (endpoint.path if endpoint.suffix is None else endpoint.path + b"{model}" + endpoint.suffix).decode(),
                redact(request.path.decode("latin-1")),
                connection.address,
                spent,
                trace.id,
                trace.span,
                trace.parent,
                trace.sampled,
                trace.state.decode("latin-1"),
                trace.attempts,
                trace.model,
            )
        )
        self._held += HEAD.pack(len(seen))
        self._held += seen

    # The process.

    def start(self) -> None:
        command = [sys.executable, "-P", "-m", "tsuji.gateway.observe.exporter"]
        process = self._process = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603 - a module of ours
        if process.stdin is None:
            raise AssertionError("it is a pipe")
        self._pipe = process.stdin.fileno()
        self._held[:0] = self._orders + b"\n"
        os.set_blocking(self._pipe, False)

    def flush(self) -> None:
        """Feeds the process, as much as it takes now; the rest as it takes it."""
        if self._pipe < 0 and asyncio.get_running_loop().time() >= self._not_before:
            self.start()
        if self._pipe >= 0 and not self._writing:
            self._write()

    async def stop(self) -> None:
        """The process sends what it has, and ends."""
        process = self._process
        if process is None or process.stdin is None:
            return
        self._wait(False)
        if self._pipe >= 0:
            os.set_blocking(self._pipe, True)
        try:
            await asyncio.wait_for(asyncio.to_thread(self._finish, process), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            process.wait()

    def _finish(self, process: subprocess.Popen[bytes]) -> None:
        try:
            if self._pipe >= 0 and self._held:
                os.write(self._pipe, self._held)
            if process.stdin is not None:
                process.stdin.close()
        except BrokenPipeError:
            pass
        process.wait(_STOP_SECONDS)

    def _write(self) -> None:
        try:
            while self._held:
                written = os.write(self._pipe, memoryview(self._held)[: 256 * 1024])
                del self._held[:written]
        except BlockingIOError:
            self._wait(True)
            return
        except BrokenPipeError:
            self._lost()
        self._wait(False)

    def _wait(self, writing: bool) -> None:
        """Whether to write on when the pipe has room."""
        loop = asyncio.get_running_loop()
        if writing and not self._writing:
            loop.add_writer(self._pipe, self._write)
        elif self._writing and not writing:
            loop.remove_writer(self._pipe)
        self._writing = writing

    def _lost(self) -> None:
        """The process has died; another is started in a while."""
        self._wait(False)
        self._held.clear()
        self._dropped(1)
        self._not_before = asyncio.get_running_loop().time() + _AGAIN_SECONDS
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        self._pipe = -1


def _is_installed() -> bool:
    try:
        return all(find_spec(f"opentelemetry.{name}") for name in ("sdk", "exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        return False


def _orders(telemetry: "Telemetry", routes: list[str]) -> Orders:
    headers: dict[str, str] = {}
    for name, secret in telemetry.headers.items():
        value = secret.reveal()
        if value is None:
            raise ConfigError(
                f"telemetry.headers names {secret.where}, which is not there or is empty", param="telemetry.headers"
            )
        headers[name] = value
    return Orders(
        (telemetry.otlp or "").rstrip("/"),
        headers,
        telemetry.traces,
        telemetry.metrics,
        telemetry.interval,
        telemetry.service_name,
        __version__,
        routes,
    )
