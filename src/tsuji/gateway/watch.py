"""The configuration read again: when its files have changed, and what they say then."""

import os
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from tsuji.config import Source, read_source
from tsuji.core.errors import ConfigError

POLL_SECONDS = 1.0


class Watch:
    """Tells files that are other ones than before by their time, size and inode.

    A change is told once it has stayed from one look to the next: a file that is being written is not read half.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.follow(files)

    def follow(self, files: Iterable[Path]) -> None:
        """From now on."""
        self._known = self._seen = {file: _mark(file) for file in files}

    def look(self) -> bool:
        """Whether they have changed; each change is told once."""
        now = {file: _mark(file) for file in self._known}
        has_settled, self._seen = now == self._seen, now
        if not has_settled or now == self._known:
            return False
        self._known = now
        return True


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - a third of the time of Path's
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def reread(source: Source, *, asked: bool) -> Source:
    """What it says now. asked: for, by someone who knows that it is complete. Raises ConfigError."""
    if source.path is None:
        raise ConfigError("there is no configuration file to read again")
    text = read_source(source.path).text
    if not asked and not text.strip():
        raise ConfigError(f"{source.path} is empty; if it is meant to be, send SIGHUP")
    return replace(source, text=text)
