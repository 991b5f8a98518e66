"""Repositories of the Hugging Face hub: which GGUF files they have, and which of them a quantization means.

https://huggingface.co/docs/hub/api and `/api/models/{repo}/tree/{revision}`: a list of files with sizes and, for those
in large storage, their sha256; a Link header names the next page. HF_ENDPOINT names a mirror, HF_TOKEN is sent to it.
"""

import os
import re
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import quote, urlsplit

import msgspec

from tsuji.core.errors import InvalidRequestError, LocalEngineError

from .download import UrlFile, get_json
from .pulls import Part, Pull
from .split import shards, stem

_DEFAULT = "Q4_K_M"
_PAGES = 50
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="next"')
_ASIDE = re.compile(r"mmproj|imatrix|(^|[-_.])mtp([-_.]|$)", re.IGNORECASE)
"""GGUF files that are not a language model by themselves: image encoders, importance matrices, draft heads."""

_QUANTIZATION = re.compile(
    r"(?<![A-Za-z0-9])(UD-)?((I?Q\d+|TQ\d+|MXFP\d+|NVFP\d+)(_[A-Z0-9]+)*|BF16|F16|F32|FP16|FP32)(?![A-Za-z0-9])",
    re.IGNORECASE,
)


class HubFile(msgspec.Struct, frozen=True):
    """path: within the repository. sha256: None where the file is not in large storage."""

    path: str
    size: int | None
    sha256: str | None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def look_up(rest: str) -> Pull:
    """rest: OWNER/REPO[@REVISION][:QUANTIZATION]. Raises InvalidRequestError, LocalEngineError."""
    place, _, wanted = rest.partition(":")
    place, _, revision = place.partition("@")
    owner, slash, repository = place.partition("/")
    if not slash or not owner or not repository or "/" in repository:
        raise InvalidRequestError(
            f"hf:{rest} names no repository; write hf:OWNER/REPO, hf:OWNER/REPO:Q4_K_M or hf:OWNER/REPO/PATH.gguf",
            param="source",
        )
    revision = revision or "main"
    files = choose(_files(place, revision), wanted, place)
    root = f"{endpoint()}/{quote(place)}/resolve/{quote(revision, safe='')}/"
    parts = [Part(f.name, UrlFile(root + quote(f.path), token()), f.size, f.sha256) for f in files]
    return Pull(stem(files[0].name), tuple(parts))


def endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def token() -> str | None:
    return os.environ.get("HF_TOKEN") or None


def quantization(name: str) -> str | None:
    """The quantization that a file's name says, in capitals: "Q4_K_M", "UD-Q4_K_XL", "IQ2_XXS", "BF16"."""
    found = [match.group(0) for match in _QUANTIZATION.finditer(stem(name))]
    return found[-1].upper() if found else None


def choose(files: Sequence[HubFile], wanted: str, place: str) -> list[HubFile]:
    """The files of the one model that is meant, in order. Pure. Raises InvalidRequestError with what there is."""
    models: dict[str, list[HubFile]] = {}
    for file in files:
        if file.name.endswith(".gguf") and not _ASIDE.search(stem(file.name)):
            models.setdefault(file.path.removesuffix(file.name) + stem(file.name), []).append(file)
    if not models:
        raise InvalidRequestError(
            f"{place} has no GGUF file; look for a repository of the same model whose name ends in -GGUF",
            param="source",
        )
    found = _matching(models, wanted)
    if len(found) != 1:
        there = ", ".join(sorted({quantization(path) or path for path in models}))
        problem = f"no {wanted or _DEFAULT}" if not found else f"{len(found)} models for {wanted or _DEFAULT}"
        raise InvalidRequestError(
            f"{place} has {problem}; choose among {there} (hf:{place}:NAME), or give a file's path", param="source"
        )
    chosen = sorted(models[found[0]], key=lambda file: file.name)
    expected = shards(chosen[0].name)
    missing = set(expected) - {file.name for file in chosen}
    if missing or len(chosen) != len(expected):
        raise LocalEngineError(f"{place} lacks {', '.join(sorted(missing)) or 'nothing'} of {found[0]}; try a mirror")
    return chosen


def _matching(models: dict[str, list[HubFile]], wanted: str) -> list[str]:
    """By the quantization's whole name; UD-Q4_K_XL answers to Q4_K_XL where no other does."""
    if not wanted and len(models) == 1:
        return list(models)
    name = (wanted or _DEFAULT).upper().removesuffix(".GGUF")
    exact = [path for path in models if quantization(path) == name]
    return (
        exact
        or [path for path in models if (quantization(path) or "").removeprefix("UD-") == name]
        or [path for path in models if path.rpartition("/")[2].upper() == name]
    )


def _files(place: str, revision: str) -> list[HubFile]:
    base = endpoint()
    url: str | None = f"{base}/api/models/{quote(place)}/tree/{quote(revision, safe='')}?recursive=true"
    out: list[HubFile] = []
    for _ in range(_PAGES):
        assert url is not None
        rows, headers = get_json(url, token(), missing=f"the hub has no {place} at {revision}")
        if not isinstance(rows, list):
            raise LocalEngineError(f"{base} does not answer as the hub does: {url} gave no list of files")
        objects = [cast(dict[str, Any], row) for row in cast(list[Any], rows) if isinstance(row, dict)]
        out += [_file(row) for row in objects if row.get("type") == "file"]
        following = _NEXT.search(headers.get("Link") or "")
        if following is None:
            return out
        parts = urlsplit(following.group(1))  # a mirror may repeat the hub's own host there
        url = f"{base}{parts.path}?{parts.query}"
    raise LocalEngineError(f"{place} has more files than are looked through; give the path of the one you want")


def _file(row: dict[str, Any]) -> HubFile:
    large: dict[str, Any] = row.get("lfs") or {}
    hash_, size = large.get("oid"), large.get("size") or row.get("size")
    proper = isinstance(hash_, str) and re.fullmatch(r"(sha256:)?[0-9a-f]{64}", hash_)
    return HubFile(
        path=str(row.get("path") or ""),
        size=size if isinstance(size, int) else None,
        sha256=str(hash_).removeprefix("sha256:") if proper else None,
    )
