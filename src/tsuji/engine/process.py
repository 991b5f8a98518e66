"""One child process that runs one model: start it, know at once when it has died and why, end it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from tsuji.core.errors import LocalEngineError

from .child import MARK

_TAIL = 40  # lines of the child's log that are kept
_SHOWN = 6
_GRACE = 3.0  # seconds between asking a child to end and making it
_POLL = 0.1
_SECRETS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
"""How the names of variables end that a program which parses downloaded files has no use for."""


class Launch(msgspec.Struct, frozen=True):
    """What a child is to run.

    model: path of the GGUF file. name: the model's name in the API. server: path of a llama-server binary, "" for the
    library. port: for the binary alone; the library takes a free one. slots: answers at once. context: tokens, each.
    batch: tokens that an embedding is computed in at once. connections: HTTP threads, each holds one connection.
    prompt_cache: MiB for prompts kept beside the slots. temperature, top_p, repeat_penalty: where a
    request says nothing. template: a chat template (Jinja) in place of the file's own. adapters: LoRA files and scales.
    """

    model: str
    name: str
    key: str
    slots: int
    context: int
    threads: int
    embeddings: bool = False
    batch: int = 512
    server: str = ""
    port: int = 0
    connections: int = 32
    prompt_cache: int = 256
    temperature: float | None = None
    top_p: float | None = None
    repeat_penalty: float | None = None
    template: str = ""
    adapters: list[tuple[str, float]] = []


class ModelProcess:
    """port: where it listens, once `wait_ready` has returned."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.port = launch.port
        self.pid = 0
        self.died_at: float | None = None  # on the monotonic clock
        self.stopped = False  # it was ended by us
        self._process: subprocess.Popen[bytes] | None = None
        self._told = threading.Event()
        self._dead = threading.Event()
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._status: int | None = None
        self._missing: str | None = None
        # This thread makes the child and lives as long as it does: on Linux a child that asks to die with its parent
        # dies with the thread that made it.
        self._thread = threading.Thread(target=self._run, name=f"tsuji-engine-{launch.name}", daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        """Whether it runs, as the kernel knows it now: a child killed a moment ago is not alive."""
        if self._dead.is_set() or not self.pid:
            return False
        if not hasattr(os, "waitid"):
            return True
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    def wait_ready(self, timeout: float, check: Callable[[], None]) -> None:
        """Returns when the child says that it serves.

        check: called ten times a second; what it raises ends the wait and the child. Raises LocalEngineError.
        """
        deadline = time.monotonic() + timeout
        try:
            while not self._told.wait(_POLL):
                check()
                if self._dead.is_set():
                    raise self.error()
                if self.launch.server and self.pid:
                    return  # a binary says nothing here; whoever asks it over HTTP will know
                if time.monotonic() > deadline:
                    raise LocalEngineError(
                        f"{self.launch.name} was not ready after {timeout:.0f} s;{self._last_lines()}"
                    )
        except BaseException:
            self.stop()
            raise

    def wait_dead(self, timeout: float) -> bool:
        return self._dead.wait(timeout)

    def stop(self) -> None:
        """Ends the child and waits for its end."""
        self.stopped = not self._dead.is_set()
        for end in (signal.SIGTERM, signal.SIGKILL):
            process = self._process
            if process is not None and not self._dead.is_set():
                process.send_signal(end)
            self._thread.join(_GRACE)
            if not self._thread.is_alive():
                return

    def error(self) -> LocalEngineError:
        """Why it has died, for whoever asked it something."""
        name = self.launch.name
        log = "\n".join(self._tail)
        if self._missing is not None:
            return LocalEngineError(
                f"the local engine is not installed ({self._missing}); run `pip install 'tsuji[local]'`, or set"
                " TSUJI_LLAMA_SERVER to a llama-server binary"
            )
        if "unknown model architecture" in log:
            return LocalEngineError(
                f"architecture: this llama.cpp does not know that of {name}; a newer xllamacpp may, or a newer"
                f" llama-server by TSUJI_LLAMA_SERVER.{self._last_lines()}"
            )
        return LocalEngineError(
            f"the process of {name} {self._ending()}; the next call starts it again.{self._last_lines()}",
            retryable=True,
        )

    def _ending(self) -> str:
        status = self._status
        if status is None:
            return "could not be started"
        if status >= 0:
            return f"ended with status {status}"
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        cause = {
            "SIGKILL": " (from outside; by the kernel, if memory ran out)",
            "SIGILL": " (this processor lacks an instruction that the prebuilt llama.cpp uses, AVX2 most likely; set"
            " TSUJI_LLAMA_SERVER to a build made for it)",
        }.get(name, "")
        return f"was killed by {name}{cause}"

    def _last_lines(self) -> str:
        lines = [line for line in self._tail if line.strip()][-_SHOWN:]
        return " Its last words:\n  " + "\n  ".join(lines) if lines else ""

    def _run(self) -> None:
        try:
            process = self._spawn()
        except OSError as error:
            self._tail.append(f"{sys.executable}: {error}")
        else:
            self._process = process
            self.pid = process.pid
            try:
                self._follow(process)
            finally:
                self._status = process.wait()
        self.died_at = time.monotonic()
        self._dead.set()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "tsuji.engine.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,  # Ctrl-C in the terminal is for us, not for the model
            env=_environment(),
        )

    def _follow(self, process: "subprocess.Popen[bytes]") -> None:
        """Reads what the child writes until it ends."""
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None and stdout is not None
        with stdin, stdout:
            try:
                stdin.write(json.dumps({**msgspec.structs.asdict(self.launch), "parent": os.getpid()}).encode() + b"\n")
            except BrokenPipeError:
                self._tail.append("it ended before it was told what to run")
            rest = b""
            while data := os.read(stdout.fileno(), 1 << 16):
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[-(1 << 16) :]
                for line in lines:
                    self._heard(line)
            self._heard(rest)

    def _heard(self, line: bytes) -> None:
        if not line.startswith(MARK):
            self._tail.append(line[:400].decode(errors="replace"))
            return
        message: dict[str, Any] = json.loads(line[len(MARK) :])
        self._missing = message.get("missing")
        if "port" in message:
            self.port = message["port"]
            self._told.set()


def _environment() -> dict[str, str]:
    """The child finds what the parent finds, but for keys, and its threads sleep while they wait.

    Where cores are shared, llama.cpp's threads that spin while waiting for each other take them from whoever has the
    work: on a busy machine, 11 tokens/s became 1.
    """
    path = os.pathsep.join([entry for entry in sys.path if entry])
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith(_SECRETS)}
    return {**kept, "OMP_WAIT_POLICY": "passive", "PYTHONPATH": path}
