"""The model store: one directory of GGUF files, each put there whole or not at all.

`$TSUJI_HOME/models`, else `$XDG_DATA_HOME/tsuji/models`, else `~/.local/share/tsuji/models`.
"""

import fcntl
import hashlib
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tsuji.core.errors import LocalEngineError

from .sources import Progress, Source


class Store:
    """The directory and what is in it. Safe between threads and between processes."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "models"
        self._unfinished = self.directory / ".unfinished"

    def path(self, file_name: str) -> Path:
        return self.directory / file_name

    def files(self) -> list[Path]:
        """The models here, by name."""
        return sorted(self.directory.glob("*.gguf")) if self.directory.is_dir() else []

    def fetch(
        self,
        source: Source,
        progress: Progress,
        *,
        file_name: str | None = None,
        sha256: str | None = None,
        size: int | None = None,
    ) -> Path:
        """The file of `source`, downloaded unless it is here; one of another size than `size` is replaced.

        Two that want the same file at once share one download. A download that is given up leaves what can be resumed,
        and never a file under the final name. Raises LocalEngineError; what `progress` raises passes through.
        """
        final = self.path(file_name or source.file_name)
        try:
            if _whole(final, size):
                return final
            self._unfinished.mkdir(parents=True, exist_ok=True)
            part = self._unfinished / final.name
            with _lock(self._unfinished / f"{final.name}.lock", part, progress):
                if not _whole(final, size):
                    promised = source.fetch(part, progress)
                    _verify(part, sha256 or promised)
                    part.replace(final)
        except OSError as error:
            raise LocalEngineError(
                f"{final} cannot be written: {error.strerror or error}; free space or set TSUJI_HOME"
            ) from error
        return final


def _whole(path: Path, size: int | None) -> bool:
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        return False
    return size is None or found == size


def _verify(part: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        part.unlink()  # resuming a wrong file would never end
        raise LocalEngineError(
            f"the download of {part.name} is not the file that was asked for: sha256 {found}, expected {sha256}; it was"
            " deleted. Try again, and check the mirror if it repeats",
            retryable=True,
        )


@contextmanager
def _lock(path: Path, part: Path, progress: Progress) -> Generator[None]:
    """Waits for whoever is at the same download, and shows how far that one is."""
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress("waiting for another download", part.stat().st_size if part.exists() else 0, None)
                time.sleep(0.1)
            else:
                break
        yield
