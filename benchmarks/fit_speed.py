"""Fits hardware.speed to measured rows, and says how far off it is on devices and models that it has not seen.

    python -m benchmarks.fit_speed ROWS.csv [--write] [--folds N]

Each phase's coefficients have a normal prior around 0 (a coefficient of a device or a generation is a deviation from
the more general one), so that few rows move them little: the posterior mode is found by Gauss-Newton under Student's t
errors, which a few absurd rows do not bend. Rows weigh (rows of their device) ** -1/2.
"""

import argparse
import csv
import math
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tsuji.catalog
from tsuji.hardware.speed import Spread, groups, prior_sd
from tsuji.hardware.speed_facts import find_chip, find_shape
from tsuji.hardware.speed_rows import FindChip, FindShape, Row, phase_of, run_of
from tsuji.hardware.speed_terms import TERMS, Run, quant_family

from .speed_formulas import FORMULAS

Array = np.ndarray[Any, np.dtype[np.float64]]

PRIORS: dict[str, dict[str, float]] = {
    "decode": {
        "device=": 0.08, "engine=": 0.2, "old": 0.3, "old/": 0.1, "host=": 0.5,
        "weights": 0.3, "weights/backend": 0.2, "weights/gen": 0.2, "weights/vendor": 0.15, "weights/quant": 0.12,
        "weights/family": 0.15, "weights/engine": 0.1, "weights/driver": 0.1, "weights/moe": 0.3,
        "kv": 0.7, "kv/backend": 0.5, "kv/gen": 0.3, "kv/flash": 0.5, "kv/driver": 0.5,
        "scores": 1.5, "scores/": 1.0, "scores/old": 1.5,
        "fixed": 1.5, "fixed/backend": 1.2, "fixed/gen": 0.8, "fixed/gen=Metal": 0.5, "fixed/engine": 0.7,
        "fixed/moe": 0.5, "fixed/old": 0.5, "fixed/host": 1.0, "fixed/driver": 0.4,
        "fixed/recurrent": 1.0,
        "compute": 1.5, "compute/": 1.2, "compute/family": 0.3, "compute/gen": 0.4,
        "hops": 1.0, "hops/": 0.5, "spill": 1.0, "spill/": 0.5,
    },
    "prefill": {
        "device=": 0.08, "engine=": 0.2, "old": 0.3, "old/": 0.2, "host=": 1.0,
        "matrices": 1.0, "matrices/backend": 0.4, "matrices/gen": 0.6, "matrices/quant": 0.3,
        "matrices/family": 0.25,
        "matrices/ubatch": 0.3, "matrices/width": 0.3, "matrices/moe": 0.4, "matrices/flash": 0.3,
        "matrices/driver": 0.25,
        "attention": 1.5, "attention/backend": 0.6, "attention/gen": 0.4, "attention/flash": 0.6,
        "attention/driver": 0.5,
        "stream": 0.8, "stream/": 0.5, "launch": 1.5, "launch/": 0.7, "mix": 1.5, "mix/": 0.7,
        "split/": 0.5, "spill": 1.0, "spill/": 0.5,
    },
}  # fmt: skip
STARTS = {
    "weights": 0.3,
    "kv": 0.3,
    "fixed": 1.0,
    "matrices": 1.0,
    "attention": 1.5,
    "stream": 0.3,
    "hops": -0.5,
    "scores": 1.2,
}
TARGET = Path(tsuji.catalog.__file__).parent / "speed.toml"
NOISE, TAIL = 0.1, {"decode": 0.14, "prefill": 0.12}
"""Standard deviation of a row's log(rate), and the scale beyond which a row loses weight."""


class Sample:
    """One measured row as the fit sees it."""

    def __init__(self, row: Row, phase: str, run: Run) -> None:
        self.row, self.phase, self.run = row, phase, run
        self.rate = float(row["tokens_per_s"])
        self.terms = TERMS[phase](run)


class Fit:
    """Coefficients of one phase by the rows given."""

    def __init__(self, samples: list[Sample]) -> None:
        self.samples = samples
        self.priors, self.tail = PRIORS[samples[0].phase], TAIL[samples[0].phase]
        self.names = sorted({name for s in samples for term in s.terms for name, _ in term.features})
        index = {name: i for i, name in enumerate(self.names)}
        most = max(len(s.terms) for s in samples)
        self.features: Array = np.zeros((most, len(samples), len(self.names)))
        self.base: Array = np.full((most, len(samples)), -60.0)
        for i, s in enumerate(samples):
            for k, term in enumerate(s.terms):
                self.base[k, i] = math.log(max(term.seconds, 1e-15))
                for name, value in term.features:
                    self.features[k, i, index[name]] += value
        self.seconds: Array = -np.log([s.rate for s in samples])
        self.prior: Array = np.array([STARTS.get(name, 0.0) for name in self.names])
        self.precision: Array = np.array([prior_sd(name, self.priors) for name in self.names]) ** -2.0
        counts = Counter(s.run.device for s in samples)
        self.weight: Array = np.array([counts[s.run.device] ** -0.5 for s in samples])

    def predict(self, at: Array, rows: Array) -> tuple[Array, Array]:
        """log(seconds) of the rows, and each term's share of them."""
        z = self.base[:, rows] + self.features[:, rows] @ at
        top = z.max(0)
        parts = np.exp(z - top)
        total = parts.sum(0)
        return top + np.log(total), parts / total

    def solve(self, rows: Array, start: Array | None = None, steps: int = 40) -> Array:
        """The posterior mode by those rows."""
        at = (self.prior if start is None else start).copy()
        held = np.flatnonzero(rows)
        for _ in range(steps):
            expected, shares = self.predict(at, held)
            slope = sum(shares[k][:, None] * self.features[k][held] for k in range(len(shares)))
            residual = self.seconds[held] - expected
            weight = self.weight[held] * (4 / 3) / (1 + (residual / self.tail) ** 2 / 3) / NOISE**2
            hessian = (slope * weight[:, None]).T @ slope + np.diag(self.precision)
            step = np.linalg.solve(hessian, (slope * weight[:, None]).T @ residual - self.precision * (at - self.prior))
            step *= min(1.0, 2 / float(np.abs(step).max()))
            at = at + step
            if float(np.abs(step).max()) < 1e-3:
                break
        return at

    def strange(self, at: Array) -> Array:
        """For each row, the variance that features add which only its own device's rows have, as the estimator does."""
        devices = np.array([s.run.device for s in self.samples])
        has = (self.features != 0).any(0)
        ours = np.array([name.startswith("device=") for name in self.names])
        total = has.sum(0)
        _, shares = self.predict(at, np.arange(len(devices)))
        out = np.zeros(len(devices))
        for device in sorted(set(devices.tolist())):
            rows = np.flatnonzero(devices == device)
            only = np.flatnonzero((has[rows].sum(0) == total) & ~ours)
            weight = sum(
                shares[k][rows][:, None] * np.abs(self.features[k][np.ix_(rows, only)]) for k in range(len(shares))
            )
            sds = weight / np.sqrt(self.precision[only])
            out[rows] = (np.where(sds >= 0.02, sds, 0) ** 2).sum(1)
        return out

    def held_out(self, key: Callable[[Sample], str], whole: Array, folds: int = 0) -> Array:
        """log(measured / estimated rate) of every row by a fit without the rows that share its key."""
        names = [key(s) for s in self.samples]
        keys = np.array([str(zlib.crc32(n.encode()) % folds) for n in names] if folds else names)
        out = np.zeros(len(keys))
        for held in sorted(set(keys.tolist())):
            without = self.solve(keys != held, whole, 6)
            rows = np.flatnonzero(keys == held)
            out[rows] = self.predict(without, rows)[0] - self.seconds[rows]
        return out


def samples_of(rows: list[dict[str, str]], find_chip: FindChip, find_shape: FindShape) -> dict[str, list[Sample]]:
    """phase -> the rows that have a device and a figure; the others are named on stderr."""
    found: dict[str, list[Sample]] = {"decode": [], "prefill": []}
    left: Counter[str] = Counter()
    for row in rows:
        run = run_of(row, find_chip, find_shape)
        if isinstance(run, str):
            left[run] += 1
        else:
            phase = phase_of(row)
            found[phase].append(Sample(row, phase, run))
    for reason, count in left.items():
        sys.stderr.write(f"left out: {count} rows: {reason}\n")
    return found


def spreads(samples: list[Sample], errors: Array, strange: Array, without: str = "") -> dict[str, Spread]:
    """group -> the middle 80 % of errors on unseen devices; rows weigh 1 / (rows of their device in the group).

    Errors of rows with strange features count for less, as the estimator widens their intervals. A group needs twelve
    rows of six devices; the ends are moved outwards by what so few may hide. The device `without` is left out.
    """
    first = _spreads(samples, errors, without)
    return _spreads(samples, errors / widening(samples, first, strange), without)


def widening(samples: list[Sample], spread: dict[str, Spread], strange: Array) -> Array:
    """How much wider than its group's the estimator makes each row's interval."""
    sds = [next(spread[name].sd for name in groups(s.phase, s.run) if name in spread) for s in samples]
    return np.sqrt(1 + strange / np.array(sds) ** 2)


def _spreads(samples: list[Sample], errors: Array, without: str) -> dict[str, Spread]:
    members: dict[str, list[int]] = {}
    for i, s in enumerate(samples):
        if s.run.device != without:
            for group in groups(s.phase, s.run):
                members.setdefault(group, []).append(i)
    found: dict[str, Spread] = {}
    for group, rows in members.items():
        counts = Counter(samples[i].run.device for i in rows)
        if group != "all" and (len(counts) < 6 or len(rows) < 12):
            continue
        weights = np.array([1 / counts[samples[i].run.device] for i in rows])
        tail = 0.1 * len(counts) / (len(counts) + 1)
        low, high = quantile(errors[rows], weights, tail), quantile(errors[rows], weights, 1 - tail)
        found[group] = Spread(round(min(low, -0.01), 4), round(max(high, 0.01), 4))
    return found


def quantile(values: Array, weights: Array, at: float) -> float:
    """The weighted quantile."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][min(int(np.searchsorted(below, at * below[-1])), len(values) - 1)])


def covered(samples: list[Sample], errors: Array, strange: Array) -> Array:
    """Whether each row lies in the interval that the other devices' errors give it."""
    inside = np.zeros(len(samples), bool)
    for device in sorted({s.run.device for s in samples}):
        spread = spreads(samples, errors, strange, device)
        scaled = errors / widening(samples, spread, strange)
        for i, s in enumerate(samples):
            if s.run.device == device:
                group = next(name for name in groups(s.phase, s.run) if name in spread)
                inside[i] = spread[group].low <= scaled[i] <= spread[group].high
    return inside


Pick = Callable[[Sample], bool]


def slices(phase: str) -> dict[str, Pick]:
    """Lines of the table."""
    gpu: Pick = lambda s: s.run.backend != "CPU"  # noqa: E731
    plain: Pick = lambda s: gpu(s) and not s.run.moe and s.run.devices == 1 and s.run.depth < 8000 and not s.run.mixed  # noqa: E731
    lines: dict[str, Pick] = {"all rows": lambda s: True, "dense, one GPU": plain}
    lines["  tg128, tg512, pp512"] = lambda s: (
        plain(s) and s.run.engine == "llama.cpp" and s.row["test"] in ("tg128", "tg512", "pp512")
    )
    for backend in ("CUDA", "ROCm", "Metal", "Vulkan"):
        lines[f"  {backend}"] = lambda s, b=backend: plain(s) and s.run.backend == b
    return lines | {
        "LocalScore": lambda s: s.run.mixed,
        "several GPUs": lambda s: s.run.devices > 1,
        "mixture of experts": lambda s: gpu(s) and s.run.moe,
        "depth over 8K": lambda s: s.run.depth > 8000,
        "CPU, K-quants": lambda s: not gpu(s) and quant_family(s.run.quant) == "k",
        "CPU, others": lambda s: not gpu(s) and quant_family(s.run.quant) != "k",
    }


def table(samples: list[Sample], by_device: Array, by_family: Array, strange: Array) -> list[str]:
    """Lines of Markdown: median and 90th percentile of the error in %, each device weighing the same."""
    phase = samples[0].phase
    others = FORMULAS if phase == "decode" else {}
    inside = covered(samples, by_device, strange)
    head = ["rows", "devices", "unseen device", "p90", "unseen model", "p90", "80 % holds", *others]
    lines = [f"| {phase} | " + " | ".join(head) + " |", "|---|" + "---|" * len(head)]
    for name, pick in slices(phase).items():
        rows = np.array([i for i, s in enumerate(samples) if pick(s)], dtype=int)
        if not len(rows):
            continue
        counts = Counter(samples[i].run.device for i in rows)
        weights = np.array([1 / counts[samples[i].run.device] for i in rows])
        cells = [str(len(rows)), str(len(counts))]
        for errors in (by_device, by_family):
            off = np.abs(np.exp(-errors[rows]) - 1) * 100
            cells += [f"{quantile(off, weights, 0.5):.1f}", f"{quantile(off, weights, 0.9):.0f}"]
        cells.append(f"{float((inside[rows] * weights).sum() / weights.sum()) * 100:.0f} %")
        for formula in others.values():
            off = np.array([abs(formula(samples[i].run) / samples[i].rate - 1) * 100 for i in rows])
            cells.append(f"{quantile(off, weights, 0.5):.0f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def toml_of(phases: dict[str, tuple[Fit, Array, dict[str, Spread]]]) -> str:
    """speed.toml."""
    lines = [
        "# Coefficients of hardware.speed, fitted by benchmarks/fit_speed.py to published measurements; docs/speed.md."
    ]
    for phase, (fit, at, spread) in phases.items():
        lines += ["", f"[{phase}.coefficients]"]
        lines += [f'"{name}" = {value:.4f}' for name, value in zip(fit.names, at.tolist(), strict=True)]
        lines += ["", f"[{phase}.priors]", *(f'"{name}" = {sd}' for name, sd in fit.priors.items())]
        lines += ["", f"[{phase}.spread]"]
        lines += [f'"{name}" = {{ low = {s.low}, high = {s.high} }}' for name, s in sorted(spread.items())]
    return "\n".join(lines) + "\n"


def run(rows: list[dict[str, str]], find_chip: FindChip, find_shape: FindShape, folds: int, write: bool) -> None:
    """Fits, prints the tables, and writes speed.toml where asked."""
    phases: dict[str, tuple[Fit, Array, dict[str, Spread]]] = {}
    for phase, samples in samples_of(rows, find_chip, find_shape).items():
        fit = Fit(samples)
        whole = fit.solve(np.ones(len(samples), bool))
        by_device = fit.held_out(lambda s: s.run.device, whole, folds)
        by_family = fit.held_out(lambda s: s.row.get("model", ""), whole)
        strange = fit.strange(whole)
        print("\n".join(table(samples, by_device, by_family, strange)), "\n", flush=True)
        phases[phase] = fit, whole, spreads(samples, by_device, strange)
    if write:
        TARGET.write_text(toml_of(phases), "utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", type=Path, help="a table of measurements")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name}")
    parser.add_argument("--folds", type=int, default=0, help="hold out devices by so many groups; 0: one by one")
    asked = parser.parse_args()
    if not asked.rows.exists():
        print(f"{asked.rows} is not there: nothing to fit to")
        return
    with asked.rows.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    run(rows, find_chip, find_shape, asked.folds, asked.write)


if __name__ == "__main__":
    main()
