"""The local engine: from a model's name to an endpoint that serves it, starting and restarting what it must."""

import atexit
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tsuji.config import default_home
from tsuji.core.errors import LocalEngineError

from . import shelf
from .builtin import BUILTINS, Builtin
from .endpoint import Endpoint, LocalModel
from .launch import check_installed, checked_header, plan
from .names import EMBEDDERS, Loaded, Model, catalogue, resolve
from .probe import loaded_model, wait_healthy
from .process import ModelProcess
from .pulls import look_up
from .restarts import cooldown
from .store import Store

if TYPE_CHECKING:
    from concurrent.futures import Future

Progress = Callable[[str, int, int | None], None]
"""Called with a line such as "downloading default", units done, and units in all where known (bytes; 0 while loading).

It may be called from any thread.
"""

_LOAD_RATE = 20 << 20  # bytes a second, of the slowest disk that is waited for
_LOAD_TIME = 60.0


class LocalEngine:
    """Runs GGUF models, one child process each. Safe between threads; made before a fork, not used after it.

    home: where the model store is (default: TSUJI_HOME, or the user's data directory). progress: see Progress; may be
    set later. slots: answers at once, per model. context: tokens of one answer with its prompt; by default what the
    model was trained for, at most 4096. server: a llama-server binary to use in place of the installed library
    (default: TSUJI_LLAMA_SERVER).
    """

    def __init__(
        self,
        *,
        home: Path | None = None,
        progress: Progress | None = None,
        slots: int = 2,
        context: int | None = None,
        server: Path | None = None,
    ) -> None:
        self.progress = progress
        self.slots = slots
        self.context = context
        configured = os.environ.get("TSUJI_LLAMA_SERVER")
        self.server = server or (Path(configured) if configured else None)
        self.store = Store(home or default_home())
        self._owner = os.getpid()
        self.closed = False
        self._lock = threading.Lock()
        self._serving: dict[str, tuple[ModelProcess, Endpoint]] = {}  # by name as asked for
        self._processes: dict[Loaded, ModelProcess] = {}  # by what is loaded, the last one of each
        self._endpoints: dict[Loaded, Endpoint] = {}
        self._crashes: dict[Loaded, list[float]] = {}
        self._starts: dict[Loaded, threading.Lock] = {}
        self._pending: dict[str, Future[Endpoint]] = {}
        atexit.register(self.close)

    def endpoint(self, name: str, operation: str = "chat") -> Endpoint:
        """Where the model `name` is served; downloads and starts what it must, once however many ask.

        operation: "chat" or "embeddings"; a built-in chat model has another one that makes its vectors.
        Raises ModelNotFoundError, or LocalEngineError that says what is wrong.
        """
        if operation == "embeddings":
            name = EMBEDDERS.get(name, name)
        serving = self._serving.get(name)
        if serving is not None and serving[0].alive():
            return serving[1]
        return self._start(name)

    async def aendpoint(self, name: str, operation: str = "chat") -> Endpoint:
        """As `endpoint`. A start goes on in a thread of its own, also if this call is cancelled: others may wait for
        it, and the next call will.
        """
        if operation == "embeddings":
            name = EMBEDDERS.get(name, name)
        serving = self._serving.get(name)
        if serving is not None and serving[0].alive():
            return serving[1]
        import asyncio

        waiting = asyncio.wrap_future(self._background_start(name))
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(waiting)

    def crash(self, endpoint: Endpoint) -> LocalEngineError | None:
        """What ended the process behind `endpoint`, or None if it lives: for a request that lost its connection.

        A process that is about to die is given half a second for it.
        """
        for process in list(self._processes.values()):
            if process.pid == endpoint.info.pid:
                return process.error() if process.wait_dead(0.5) else None
        return None

    def pull(self, source: str) -> LocalModel:
        """Puts a model into the store; its name is then that of its (first) file, without ".gguf".

        source: see engine/pulls.py, or a built-in model's name. Raises InvalidRequestError, LocalEngineError.
        """
        builtin = next((b for b in BUILTINS if source == b.name or source in b.aliases), None)
        if builtin is not None:
            self._fetch_builtin(builtin)
            return next(model for model in self.models() if model.name == builtin.name)
        pull = look_up(source)
        report, done = self._report(pull.name), 0
        paths: list[Path] = []
        for part in pull.parts:
            counted = _counted(report, done, pull.size) if len(pull.parts) > 1 else report
            path = self.store.fetch(part.source, counted, file_name=part.file_name, sha256=part.sha256, size=part.size)
            paths.append(path)
            done += path.stat().st_size
        checked_header(paths[0])
        if pull.preset is not None and pull.name not in self.store.presets():  # one that is here may have been edited
            self.store.save_preset(pull.name, msgspec.structs.replace(pull.preset, base=pull.name))
        return next(model for model in self.models() if model.file == str(paths[0]))

    def remove(self, name: str, *, force: bool = False) -> int:
        """Deletes what the store has of that name; the bytes that this freed. force: also where presets rest on it."""
        return shelf.remove(self.store, name, force=force)

    def copy(self, source: str, name: str) -> Path:
        """A second name for a model, as a preset file; its path."""
        return shelf.copy(self.store, source, name)

    def create(self, name: str, text: str, where: Path, *, replace: bool = False) -> tuple[Path, tuple[str, ...]]:
        """A preset of a Modelfile's or a preset file's text; see `shelf.create`."""
        return shelf.create(self.store, name, text, where, replace=replace)

    def models(self) -> list[LocalModel]:
        """What is built in, what the store holds, and what runs."""
        running = {loaded.path: process.pid for loaded, process in list(self._processes.items()) if process.alive()}
        return catalogue(self.store, running)

    def close(self) -> None:
        """Ends the children and waits for their end; a download in progress is given up. Harmless when repeated."""
        atexit.unregister(self.close)
        if self._owner != os.getpid():
            return  # a fork: the children are the parent's
        self.closed = True
        for start in list(self._starts.values()):
            if start.acquire(timeout=5):
                start.release()
        for process in list(self._processes.values()):
            process.stop()

    def _start(self, name: str) -> Endpoint:
        model = resolve(name, self.store)
        loaded = model.loaded
        with self._lock:
            start = self._starts.setdefault(loaded, threading.Lock())
        with start:
            self._check_open()
            process = self._processes.get(loaded)
            if process is None or not process.alive():
                self._refuse_loop(model)
                process = self._launch(model)
            endpoint = self._endpoints[loaded]
            if model.preset is not None:
                info = msgspec.structs.replace(endpoint.info, preset=model.preset)
                endpoint = msgspec.structs.replace(endpoint, model=model.name, info=info)
            self._serving[name] = process, endpoint
            return endpoint

    def _launch(self, model: Model) -> ModelProcess:
        check_installed(self.server)
        path = model.path
        if model.builtin is not None:
            self._fetch_builtin(model.builtin)
        header = checked_header(path)
        launch = plan(model, header, self.slots, self.context, self.server)
        report = self._report(model.name)
        report("loading", 0, None)
        process = ModelProcess(launch)
        self._processes[model.loaded] = process
        timeout = _LOAD_TIME + header.end / _LOAD_RATE
        process.wait_ready(timeout, self._check_open)
        if launch.server:
            self._wait_for_binary(process, timeout)
        info = loaded_model(process.port, launch.key, process.pid, header)
        url = f"http://127.0.0.1:{process.port}/v1"
        self._endpoints[model.loaded] = Endpoint(url, {"Authorization": f"Bearer {launch.key}"}, launch.name, info)
        report("ready", 0, None)
        return process

    def _fetch_builtin(self, builtin: Builtin) -> None:
        self.store.fetch(
            builtin.source,
            self._report(builtin.name),
            file_name=builtin.file_name,
            sha256=builtin.sha256,
            size=builtin.size,
        )

    def _wait_for_binary(self, process: ModelProcess, timeout: float) -> None:
        deadline = time.monotonic() + timeout

        def check() -> None:
            self._check_open()
            if not process.alive():
                process.wait_dead(1)
                raise process.error()
            if time.monotonic() > deadline:
                raise LocalEngineError(f"{process.launch.server} did not become healthy in {timeout:.0f} s")

        try:
            wait_healthy(process.port, check)
        except BaseException:
            process.stop()
            raise

    def _refuse_loop(self, model: Model) -> None:
        """Counts the crash of the process before, and refuses to start the next one if that has become a habit."""
        crashes = self._crashes.setdefault(model.loaded, [])
        last = self._processes.get(model.loaded)
        if last is not None and last.died_at is None:
            last.wait_dead(1)
        if last is not None and last.died_at is not None and not last.stopped and last.died_at not in crashes:
            crashes.append(last.died_at)
            del crashes[:-3]
        wait = cooldown(crashes, time.monotonic())
        if wait and last is not None:
            raise LocalEngineError(
                f"{model.name} has crashed three times within a minute and is not started again for {wait:.0f} s. The"
                f" last time: {last.error().message}",
                retryable=True,
                retry_after=wait,
            )

    def _background_start(self, name: str) -> "Future[Endpoint]":
        from concurrent.futures import Future

        with self._lock:
            pending = self._pending.get(name)
            if pending is not None:
                return pending
            pending = self._pending[name] = Future()
        threading.Thread(target=self._fulfil, args=(name, pending), name=f"tsuji-start-{name}", daemon=True).start()
        return pending

    def _fulfil(self, name: str, pending: "Future[Endpoint]") -> None:
        pending.set_running_or_notify_cancel()
        try:
            endpoint = self.endpoint(name)
        except BaseException as error:
            del self._pending[name]
            pending.set_exception(error)
        else:
            del self._pending[name]
            pending.set_result(endpoint)

    def _report(self, name: str) -> Progress:
        def report(stage: str, done: int, total: int | None) -> None:
            self._check_open()
            if self.progress is not None:
                self.progress(f"{stage} {name}", done, total)

        return report

    def _check_open(self) -> None:
        if self.closed:
            raise LocalEngineError("the local engine has been closed")


def _counted(report: Progress, before: int, total: int | None) -> Progress:
    """Progress of one of several files as progress of all; before: bytes of those that are here."""
    return lambda stage, done, own: report(stage, before + done, total or (before + own if own is not None else None))


_shared: list[LocalEngine] = []
_shared_lock = threading.Lock()


def engine() -> LocalEngine:
    """The process-wide engine: made on first use, closed at exit, made anew after a fork."""
    with _shared_lock:
        if not _shared or _shared[0].closed:
            _shared[:] = [LocalEngine()]
        return _shared[0]


def _forget() -> None:
    global _shared_lock  # noqa: PLW0603
    _shared_lock = threading.Lock()
    _shared.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
