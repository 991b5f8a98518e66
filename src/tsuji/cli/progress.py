"""A progress bar on standard error for what takes over a second: a model's download, its load."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE = 1.0


@contextmanager
def engine_progress() -> Generator[None]:
    """While it lasts, what the local engine does is shown, if it takes long."""
    from tsuji.engine.local import engine

    bar = _Bar()
    local = engine()
    before, local.progress = local.progress, bar.report
    try:
        yield
    finally:
        local.progress = before
        bar.stop()


class _Bar:
    """Reports come from any thread; one without a second one, such as a load, is shown by a timer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._since = 0.0
        self._done = 0
        self._total: int | None = None

    def report(self, stage: str, done: int, total: int | None) -> None:
        with self._lock:
            # A download that ends by a rename reports its file gone.
            self._done, self._total = max(done, self._done if stage == self._stage else 0), total
            if stage != self._stage:
                self._hide()
                self._stage, self._since = stage, monotonic()
                if not stage.startswith("ready"):
                    self._timer = threading.Timer(_PATIENCE, self._show_late, (stage,))
                    self._timer.daemon = True
                    self._timer.start()
            elif self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=self._done, total=total)

    def stop(self) -> None:
        with self._lock:
            self._hide()
            self._stage = ""

    def _show_late(self, stage: str) -> None:
        with self._lock:
            if stage == self._stage and self._bar is None:
                self._show()

    def _show(self) -> None:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        from .terminal import console

        out = console(error=True)
        if not out.is_terminal:
            out.print(f"{self._stage} ...", markup=False)
            return
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn()]
        if self._total is not None:
            columns += [DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
        self._bar = Progress(*columns, console=out, transient=True)
        self._task = self._bar.add_task(self._stage, completed=self._done, total=self._total)
        self._bar.start()

    def _hide(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
