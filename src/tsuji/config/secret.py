"""A secret as the configuration names it: `env:NAME`, `file:PATH` or a literal."""

import os
from pathlib import Path


class Secret:
    """Resolved at use, so that a rotated file or variable is seen; no repr, str or format shows a literal.

    source: as written. folder: what a relative path after `file:` starts from.
    """

    __slots__ = ("_source", "folder")

    def __init__(self, source: str, folder: Path | None = None) -> None:
        self._source = source
        self.folder = folder

    @classmethod
    def of(cls, key: "str | Secret") -> "Secret":
        return key if isinstance(key, Secret) else cls(key)

    @property
    def where(self) -> str:
        """What to look at, without the secret itself."""
        if self._source.startswith("env:"):
            return f"the environment variable {self._source[4:]}"
        return f"the file {self.file}" if self.file is not None else "a literal"

    @property
    def file(self) -> Path | None:
        """That it is read from, if it is."""
        return self._path() if self._source.startswith("file:") else None

    def reveal(self) -> str | None:
        """The secret; None where the variable is not set, the file cannot be read, or either is empty."""
        if self._source.startswith("env:"):
            return os.environ.get(self._source[4:]) or None
        if self._source.startswith("file:"):
            try:
                return self._path().read_text("utf-8").strip() or None
            except (OSError, UnicodeDecodeError):
                return None
        return self._source or None

    def _path(self) -> Path:
        path = Path(self._source[5:]).expanduser()
        return path if path.is_absolute() or self.folder is None else self.folder / path

    def __repr__(self) -> str:
        return f"Secret({self.where})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (other._source, other.folder) == (self._source, self.folder)

    def __hash__(self) -> int:
        return hash((self._source, self.folder))
