"""`tsuji hw estimate`: a table of runs in, the same table with estimates out."""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, TextIO

import typer

from tsuji.core.errors import ConfigError, InvalidRequestError

FIGURES = ("median", "low", "high")
ADDED = (*FIGURES, "inputs")
NEEDED = {"speed": ("device", "test", "params_b"), "memory": ("model",)}
BEYOND = "\0"
"""Key of the cells beyond the header, which are dropped."""

SpeedFile = Annotated[
    Path | None, typer.Option("--speed", help="CSV of runs: tokens per second are estimated.", show_default=False)
]
MemoryFile = Annotated[
    Path | None, typer.Option("--memory", help="CSV of memory by component: MiB are estimated.", show_default=False)
]
OutFile = Annotated[Path | None, typer.Option("--out", help="Where to. Default: standard output.", show_default=False)]


def estimate(speed: SpeedFile = None, memory: MemoryFile = None, out: OutFile = None) -> None:
    """Add median, low, high (an 80 % interval) and the inputs used to each row of a CSV file.

    A row without an estimate keeps empty figures, and its inputs say why.
    """
    if (speed is None) == (memory is None):
        raise ConfigError("one of --speed FILE and --memory FILE is needed")
    file = speed or memory
    assert file is not None
    kind = "speed" if speed is not None else "memory"
    try:
        source = file.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    with source:
        rows = csv.DictReader(source, restkey=BEYOND, strict=True)
        names = _columns(rows, file, kind)
        done = _speed(_read(rows, file)) if kind == "speed" else _memory(_read(rows, file))
        _write(done, [*(name for name in names if name not in ADDED), *ADDED], out)


def _columns(rows: "csv.DictReader[str]", file: Path, kind: str) -> list[str]:
    try:
        names = list(rows.fieldnames or [])
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not a CSV file in UTF-8: {error}") from None
    for name in NEEDED[kind]:
        if name not in names:
            raise ConfigError(f"{file} has no column {name!r}; it has {', '.join(names) or 'none'}")
    return names


def _read(rows: "csv.DictReader[str]", file: Path) -> Iterator[dict[str, str]]:
    try:
        for row in rows:
            row.pop(BEYOND, None)
            yield {name: value or "" for name, value in row.items()}
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}, line {rows.line_num + 1}: {error}") from None


def _speed(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    from tsuji.hardware.speed_facts import find_chip, find_shape
    from tsuji.hardware.speed_rows import estimate_row

    for n, row in enumerate(rows, 1):
        try:
            found = estimate_row(row, find_chip, find_shape)
        except InvalidRequestError as error:
            found = f"row {n}: {error.message}"
        if isinstance(found, str):
            yield row | {"median": "", "low": "", "high": "", "inputs": found}
            continue
        parts = "; ".join(f"{part.name} {part.seconds * 1e3:.4g} ms" for part in found.parts)
        inputs = "; ".join(f"{name}={value}" for name, value in found.inputs.items())
        figures = {"median": found.median, "low": found.low, "high": found.high}
        yield row | {name: f"{value:.5g}" for name, value in figures.items()} | {"inputs": f"{inputs}; {parts}"}


def _memory(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    from tsuji.hardware.memory_rows import estimate_rows

    whole = list(rows)
    for row, made in zip(whole, estimate_rows(whole), strict=True):
        inputs = "; ".join(f"{name}={value}" for name, value in made["inputs"].items())
        yield row | {name: "" if made[name] is None else str(made[name]) for name in FIGURES} | {"inputs": inputs}


def _write(rows: Iterator[dict[str, str]], names: list[str], out: Path | None) -> None:
    """A file appears when it is whole, so that one may be written over the table it is made from."""
    if out is None:
        _rows(rows, names, sys.stdout)
        return
    part = out.with_name(out.name + ".part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            told = _rows(rows, names, file)
        part.replace(out)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    sys.stderr.write(told)


def _rows(rows: Iterator[dict[str, str]], names: list[str], file: TextIO) -> str:
    writer = csv.DictWriter(file, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    total, without, why = 0, 0, ""
    for row in rows:
        total += 1
        if not row.get("median"):
            without += 1
            why = why or row.get("inputs", "")
        writer.writerow(row)
    left = f", {without} without an estimate (the first: {why})" if without else ""
    return f"{total} rows{left}\n"
