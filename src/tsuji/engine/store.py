"""The model store: one directory of GGUF files and preset files, each put there whole or not at all.

`$TSUJI_HOME/models`, else `$XDG_DATA_HOME/tsuji/models`, else `~/.local/share/tsuji/models`. NAME.gguf is the model
NAME, of several files the first; NAME.toml is a preset. A colon of a name is `@` in its file's.
"""

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from tsuji.core.errors import InvalidRequestError, LocalEngineError

from .presets import Preset, read_preset, write_preset
from .sources import Progress, Source
from .split import is_first, shards, stem

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+-]*")
_SPARE = 64 << 20  # bytes that stay free on the disk


class Store:
    """The directory and what is in it. Safe between threads and between processes."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "models"
        self._unfinished = self.directory / ".unfinished"
        self._checked = self.directory / ".checked"

    def path(self, file_name: str) -> Path:
        return self.directory / file_name

    def files(self) -> list[Path]:
        """The models here, by name: of a split one, the first file."""
        found = sorted(self.directory.glob("*.gguf")) if self.directory.is_dir() else []
        return [path for path in found if is_first(path.name)]

    def names(self) -> dict[str, Path]:
        """name -> file. A file may be called by its name as it is, with `@` too."""
        return {stem(path.name).replace("@", ":"): path for path in self.files()}

    def named(self, name: str) -> Path | None:
        return self.names().get(name.replace("@", ":"))

    def presets(self) -> list[str]:
        found = sorted(self.directory.glob("*.toml")) if self.directory.is_dir() else []
        return [path.stem.replace("@", ":") for path in found]

    def preset(self, name: str) -> Preset | None:
        """The preset of that name, its adapters' paths made absolute. Raises LocalEngineError: it is damaged."""
        if not _NAME.fullmatch(name):
            return None
        path = self._preset_path(name)
        try:
            preset = read_preset(path.read_text(), str(path))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise LocalEngineError(f"{path} cannot be read: {error}") from None
        return absolute(preset, self.directory)

    def save_preset(self, name: str, preset: Preset) -> Path:
        """Raises InvalidRequestError: no name for a file."""
        if not _NAME.fullmatch(name):
            raise InvalidRequestError(f"{name!r} is no name: letters, digits and _ . : + - are", param="name")
        path = self._preset_path(name)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{os.getpid()}")
            part.write_text(write_preset(preset))
            part.replace(path)
        except OSError as error:
            raise LocalEngineError(f"{path} cannot be written: {error.strerror or error}") from error
        return path

    @staticmethod
    def parts(path: Path) -> list[Path]:
        """All files of the model whose (first) file is `path`."""
        try:
            return [path.with_name(name) for name in shards(path.name)]
        except ValueError:
            return [path]

    def remove(self, name: str) -> int:
        """Deletes the preset and the files of that name; the bytes that this freed."""
        path = self.named(name)
        files = self.parts(path) if path else []
        for file in files:
            (self._checked / file.name).unlink(missing_ok=True)
        doomed = [*files, self._preset_path(name)]
        return sum([_delete(path) for path in doomed])

    def prune(self) -> list[tuple[str, int]]:
        """Deletes what was never finished and nobody is at: names and bytes."""
        out: list[tuple[str, int]] = []
        for lock in sorted(self._unfinished.glob("*.lock")) if self._unfinished.is_dir() else []:
            name = lock.name.removesuffix(".lock")
            with lock.open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # a download that is under way
                leftovers = [self._unfinished / (name + end) for end in ("", ".validator", ".wheel")]
                freed = sum([_delete(path) for path in leftovers])
                if freed:
                    out.append((name, freed))
        return out

    def fetch(
        self,
        source: Source,
        progress: Progress,
        *,
        file_name: str | None = None,
        sha256: str | None = None,
        size: int | None = None,
    ) -> Path:
        """The file of `source`, downloaded unless it is here; one of another size or hash is replaced.

        Two that want the same file at once share one download. A download that is given up leaves what can be resumed,
        and never a file under the final name. Raises LocalEngineError; what `progress` raises passes through.
        """
        final = self.path(file_name or source.file_name)
        try:
            if self._whole(final, size, sha256, progress):
                return final
            self._unfinished.mkdir(parents=True, exist_ok=True)
            part = self._unfinished / final.name
            with _lock(self._unfinished / f"{final.name}.lock", part, progress, size):
                if not self._whole(final, size, sha256, progress):
                    self._check_room(part, size)
                    promised = source.fetch(part, progress)
                    expected = sha256 or promised
                    _verify(part, expected, progress)
                    part.replace(final)
                    if expected is not None:
                        self._remember(final, expected)
        except OSError as error:
            raise LocalEngineError(
                f"{final} cannot be written: {error.strerror or error}; free space or set TSUJI_HOME"
            ) from error
        return final

    def _whole(self, final: Path, size: int | None, sha256: str | None, progress: Progress) -> bool:
        """Whether the file is here as it should be. Its hash is computed once, and again when the file has changed."""
        try:
            found = final.stat()
        except FileNotFoundError:
            return False
        if size is not None and found.st_size != size:
            return False
        if sha256 is None:
            return True
        record = self._checked / final.name
        known, _, stamp = record.read_text().partition(" ") if record.exists() else ("", "", "")
        if stamp != _stamp(final):
            known = _hash(final, progress)
            self._remember(final, known)
        return known == sha256

    def _remember(self, final: Path, sha256: str) -> None:
        with suppress(OSError):  # a store that cannot be written to is hashed anew each time
            self._checked.mkdir(exist_ok=True)
            (self._checked / final.name).write_text(f"{sha256} {_stamp(final)}")

    def _check_room(self, part: Path, size: int | None) -> None:
        here = part.stat().st_size if part.exists() else 0
        free = shutil.disk_usage(self.directory).free - _SPARE
        if size is not None and size - here > free:
            raise LocalEngineError(
                f"{part.name} needs {(size - here) / 1e9:.1f} GB more and {self.directory} has {max(free, 0) / 1e9:.1f}"
                " GB free; free space (`tsuji list`, `tsuji rm`, `tsuji prune`) or set TSUJI_HOME to another disk"
            )

    def _preset_path(self, name: str) -> Path:
        return self.directory / (name.replace(":", "@") + ".toml")


def absolute(preset: Preset, folder: Path) -> Preset:
    """The preset with the adapters' paths as seen from `folder`, and its base too where that is a path."""
    adapters = tuple(
        [msgspec.structs.replace(a, file=str(folder / Path(a.file).expanduser())) for a in preset.adapters]
    )
    base = preset.base
    if base.endswith(".gguf") and ("/" in base or (folder / base).exists()):
        base = str(folder / Path(base).expanduser())
    return msgspec.structs.replace(preset, adapters=adapters, base=base)


def _delete(path: Path) -> int:
    try:
        if path.is_dir():
            size = sum([file.stat().st_size for file in path.rglob("*") if file.is_file()])
            shutil.rmtree(path)
        else:
            size = path.stat().st_size
            path.unlink()
    except FileNotFoundError:
        return 0
    return size


def _stamp(path: Path) -> str:
    """Changes when the file does."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _hash(path: Path, progress: Progress) -> str:
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            done += len(chunk)
            progress("checking", done, size)
    return digest.hexdigest()


def _verify(part: Path, sha256: str | None, progress: Progress) -> None:
    if sha256 is None:
        return
    found = _hash(part, progress)
    if found != sha256:
        part.unlink()  # resuming a wrong file would never end
        raise LocalEngineError(
            f"the download of {part.name} is not the file that was asked for: sha256 {found}, expected {sha256}; it was"
            " deleted. Try again, and check the mirror if it repeats",
            retryable=True,
        )


@contextmanager
def _lock(path: Path, part: Path, progress: Progress, size: int | None) -> Generator[None]:
    """Waits for whoever is at the same download, and shows how far that one is."""
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress("waiting for another download", part.stat().st_size if part.exists() else 0, size)
                time.sleep(0.1)
            else:
                break
        yield
