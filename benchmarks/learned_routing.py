"""`make bench-router`: the learned policy on outcomes that it has not seen: 60/40 splits, several seeds.

python -m benchmarks.learned_routing FILE [SEEDS [PNG [MODEL]]]: FILE as `tsuji router train` takes it. PNG: where to
draw the curves of the first split. MODEL: of embeddings, such as local:embed, for the nearest neighbours; without it
they are near in counted features.
"""

import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import msgspec
import numpy as np

from tsuji.cli.router_report import Judged, draw

from . import machine, nearest

TSUJI = Path(sys.executable).parent / "tsuji"
SHARE = 0.6
TRADEOFFS = 41
STUDENT = {5: 2.132, 10: 1.833}
"""95 %, one-sided, by the number of seeds."""
FIGURES = ("aiq", "cost_at_95", "cost_at_99")


def split(rows: Sequence[dict[str, Any]], seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """By data set, so that each is split alike."""
    sets: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        sets[row["dataset"]].append(row)
    train: list[dict[str, Any]] = []
    test: list[dict[str, Any]] = []
    for name in sorted(sets):
        members = sets[name][:]
        random.Random(f"{seed} {name}").shuffle(members)
        cut = int(SHARE * len(members))
        train += members[:cut]
        test += members[cut:]
    return train, test


def judged(folder: Path, train: Sequence[dict[str, Any]], test: Sequence[dict[str, Any]]) -> tuple[Any, float, float]:
    """What `tsuji router evaluate` says; seconds to train; microseconds for a prompt's decisions, start included."""
    for name, rows in (("train", train), ("test", test), ("asked", [_blank(row) for row in test])):
        (folder / f"{name}.jsonl").write_text("".join([json.dumps(row) + "\n" for row in rows]))
    began = time.perf_counter()
    _run("train", folder / "train.jsonl", "--out", folder / "policy.json")
    trained = time.perf_counter()
    options = ("--tradeoffs", str(TRADEOFFS), "--out", folder / "decisions.jsonl")
    _run("decide", folder / "policy.json", folder / "asked.jsonl", *options)
    decided = time.perf_counter()
    found = json.loads(_run("evaluate", folder / "test.jsonl", folder / "decisions.jsonl", "--json"))
    return found, trained - began, (decided - trained) / len(test) * 1e6


def _blank(row: dict[str, Any]) -> dict[str, Any]:
    """Without its outcomes: only which models there are."""
    return {**row, "arms": {name: {} for name in row["arms"]}}


def _run(*arguments: object) -> str:
    ran = subprocess.run([str(TSUJI), "router", *map(str, arguments)], capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"tsuji router {arguments[0]}: {ran.stderr[-500:]}")
    return ran.stdout


def add_neighbours(
    found: Sequence[dict[str, Any]],
    train: Sequence[dict[str, Any]],
    test: Sequence[dict[str, Any]],
    vectors: "dict[int, np.ndarray[Any, Any]]",
) -> None:
    """vectors: of a prompt, by the row's `id()`."""
    for one in found:
        parts = [[row for row in rows if row["dataset"] == one["dataset"]] for rows in (train, test)]
        near, asked = [np.array([vectors[id(row)] for row in part]) for part in parts]
        one["curves"].append(msgspec.to_builtins(nearest.curve(*parts, near, asked)))


def vectors_of(rows: Sequence[dict[str, Any]], model: str | None) -> "dict[int, np.ndarray[Any, Any]]":
    made = nearest.counted(rows) if model is None else nearest.embedded(rows, model)
    return {id(row): vector for row, vector in zip(rows, made, strict=True)}


def main() -> int:
    file = Path(sys.argv[1])
    if not file.exists():
        print(f"{file} is not there: nothing was measured")
        return 69
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
        rows = [json.loads(line) for line in lines]
    png = Path(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[3] else None
    vectors = vectors_of(rows, sys.argv[4] if len(sys.argv) > 4 and sys.argv[4] else None)
    seen: dict[str, dict[str, list[list[float | None]]]] = defaultdict(lambda: defaultdict(list))
    training, deciding = list[float](), list[float]()
    for seed in range(seeds):
        parts = split(rows, seed)
        with tempfile.TemporaryDirectory() as folder:
            found, trained, decided = judged(Path(folder), *parts)
        add_neighbours(found, *parts, vectors)
        if png is not None and not seed:
            draw(msgspec.convert(found, list[Judged]), png)
        training.append(trained)
        deciding.append(decided)
        for one in found:
            for curve in one["curves"]:
                seen[one["dataset"]][curve["name"]].append([curve[name] for name in FIGURES])
    print(
        f"{machine.describe(('tsuji', 'numpy'))}; {seeds} splits {SHARE:.0%} to {1 - SHARE:.0%}, {TRADEOFFS} trade-offs"
    )
    for name, curves in seen.items():
        print(name)
        for kind, figures in curves.items():
            columns = [[row[at] for row in figures] for at in range(len(FIGURES))]
            told = [f"{mean([v for v in column if v is not None]):.3f}" if any(column) else "-" for column in columns]
            print(f"  {kind:14} AIQ {told[0]}  cost at 95 % {told[1]}  at 99 % {told[2]}")
        gains = [
            (mine[0] or 0) - (static[0] or 0)
            for mine, static in zip(curves["policy"], curves["single models"], strict=True)
        ]
        lower = mean(gains) - STUDENT.get(seeds, 2.0) * stdev(gains) / seeds**0.5 if seeds > 1 else mean(gains)
        print(f"  gain in AIQ over single models {mean(gains):+.4f}, at least {lower:+.4f} (95 %)")
    print(f"training {mean(training):.1f} s; deciding {mean(deciding):.0f} us a prompt for all {TRADEOFFS} trade-offs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
