"""The catalogue's devices, and which of them somebody means: names come from people, drivers and tables of results.

A name is taken apart into words and figures. A device is meant where all of its own words (or an alias's) are in the
name; of those, the one with most. Sizes of memory and GPU cores then choose among versions of it.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from tsuji import catalog
from tsuji.core.errors import ConfigError

from .device import Device, Instance

ROWS = Path(catalog.__file__).parent / "devices"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:gb|gib|g)\b")
_CORES = (
    re.compile(r"(\d+)\s*-?\s*(?:core\s*)?gpu\b(?!.*\d\s*-?\s*(?:core\s*)?gpu\b)"),
    re.compile(r"(\d+)\s*-?\s*gpu\s*-?\s*cores?\b"),
    re.compile(r"\b(\d+)c\b"),
    re.compile(r"(\d+)\s*-?\s*cores?\b"),
)
_COUNT = re.compile(r"^\s*(\d+)\s*x\s+", re.IGNORECASE)
_INNER = re.compile(r"\(([^()]*)\)")
_WORD = re.compile(r"[a-z]+\d+[a-z]*|\d+[a-z]+|[a-z]+\+?|\d+")
_BRANDED = re.compile(r"\b(rtx|gtx|rx|pi|ryzen|epyc)(?=\d)")
_ENDED = re.compile(r"(\d{3,4})(ti|super|d|xt|xtx|gre)\b")
_FILLERS = (
    "nvidia amd ati intel apple qualcomm geforce radeon tesla instinct gpu gpus graphics card generation gen design "
    "with the tm r corporation inc core cores processor cpu memory vram mod modded vgpu"
)
_DROPPED = frozenset(_FILLERS.split())
_SAME = {"laptop": "mobile", "notebook": "mobile", "ws": "workstation", "sxm2": "sxm", "sxm4": "sxm", "sxm5": "sxm"}
_BRANDS = frozenset(["rtx", "gtx", "rx"])
"""Words that people leave out: a number says as much."""
_VERSIONS = frozenset(["pcie", "sxm", "hbm2", "hbm3", "server", "edition", "workstation"])
"""Words that tell versions of one device apart, where they are said."""


Row = TypeVar("Row", bound=msgspec.Struct)


class Named(msgspec.Struct, frozen=True):
    """count: "2x RTX 3090" are two. memory_gb: as the name says."""

    device: Device
    count: int
    memory_gb: float | None


class _Words(NamedTuple):
    words: frozenset[str]
    memory_gb: float | None
    cores: int | None


@cache
def devices() -> tuple[Device, ...]:
    """All of them, by file and in the files' order. Raises ConfigError for a row that is not one."""
    return tuple(row for path in sorted(ROWS.glob("*.toml")) for row in _read(path, "device", Device))


@cache
def instances() -> tuple[Instance, ...]:
    """Machines by the hour."""
    return tuple(_read(ROWS / "cloud.toml", "instance", Instance))


@cache
def named(name: str, *, cpu: bool = False) -> Named | None:
    """Who is meant: "RTX 4090 48GB mod", "dgx-spark", "NVIDIA A100-SXM4-80GB", "Apple M1 Max 8P+2E+32GPU".

    "Pi 5 (AMD RX 6700 XT)" is the card in brackets, and the host with cpu=True. None: nobody in the catalogue.
    """
    counted = _COUNT.match(name)
    count = int(counted[1]) if counted else 1
    name = name[counted.end() :] if counted else name
    for part in [] if cpu else [*_INNER.findall(name), *re.split(r"\s\+\s", name)]:
        found = _find(part, gpus=True)
        if found is not None:
            size = _words(name).memory_gb if part in name.split("(")[0] else _words(part).memory_gb
            return Named(_sized(found, size), count, size)
    outer = _INNER.sub(" ", name) if cpu else name
    found = _find(outer, gpus=False) or _find(name, gpus=False)
    return Named(found, count, _words(name).memory_gb) if found is not None else None


def device(name: str) -> Device | None:
    """See `named`."""
    found = named(name)
    return found.device if found is not None else None


def nearest(name: str, most: int = 3) -> list[str]:
    """Names that share most words with it, for an error that helps."""
    asked = _words(name).words
    scored = [(len(asked & own.words) - len(asked ^ own.words) / 8, row.name) for row, own in _index()]
    return list(dict.fromkeys(found for score, found in sorted(scored, reverse=True) if score > 0))[:most]


def _find(name: str, *, gpus: bool) -> Device | None:
    asked = _words(name)
    best: Device | None = None
    most = (0.0, 0.0, 0.0, 0.0)
    for row, own in _index():
        telling = own.words - _BRANDS - _VERSIONS
        if not telling or not telling <= asked.words or (gpus and row.kind in ("cpu", "board", "phone")):
            continue
        versions = len(own.words & asked.words) - len(own.words & _VERSIONS - asked.words) / 2
        memory, cores = _near(asked.memory_gb, row, own), _near_cores(asked.cores, row)
        rank = (len(telling), memory, versions, cores)
        if rank > most:
            best, most = row, rank
    return best


def _near(asked: float | None, row: Device, own: _Words) -> float:
    """Of a name that says how much memory there is, the version that has as much; else the one without a size."""
    if asked is None:
        return 0.5 if own.memory_gb is None else 0.0
    if row.memory_gb == asked or own.memory_gb == asked:
        return 2.0
    return 1.0 if asked in row.memory_gb_options else 0.0


def _near_cores(asked: int | None, row: Device) -> float:
    if row.gpu_cores is None:
        return 0.0
    return -abs(row.gpu_cores - asked) - 1.0 if asked is not None else row.gpu_cores / 1000 - 1


def _sized(row: Device, size: float | None) -> Device:
    return msgspec.structs.replace(row, memory_gb=size) if size in row.memory_gb_options else row


@cache
def _index() -> tuple[tuple[Device, _Words], ...]:
    found: list[tuple[Device, _Words]] = []
    for row in devices():
        plain = re.sub(r"\(\d+-core GPU\)", "", row.name)
        found += [(row, _words(name)) for name in [plain, *_INNER.findall(plain), *row.aliases]]
    return tuple(found)


def _words(name: str) -> _Words:
    text = name.lower().replace("_", " ")
    cores = next((int(hit[1]) for form in _CORES if (hit := form.search(text))), None)
    size = _SIZE.search(text)
    text = re.sub(r"\([^)]*\)", lambda inner: f" {inner[0][1:-1]} ", text)
    text = _SIZE.sub(" ", text).replace("max-q", "maxq").replace("tis", "ti super")
    text = _ENDED.sub(r"\1 \2", _BRANDED.sub(r"\1 ", text))
    words = frozenset([_SAME.get(hit[0], hit[0]) for hit in _WORD.finditer(text)]) - _DROPPED
    return _Words(words, float(size[1]) if size else None, cores)


def _read(path: Path, table: str, shape: type[Row]) -> list[Row]:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")).get(table, []), list[shape])
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"devices of the catalogue, {path.name}: {error}") from None
