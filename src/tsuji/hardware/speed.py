"""Tokens per second of a model on a machine: a median with an 80 % interval, and every input it came from.

The formulas are in `speed_terms`; their coefficients are fitted to published measurements (docs/speed.md) and kept in
catalog/speed.toml. An unknown device takes its generation's coefficients, an unknown generation its backend's, and the
interval widens by what is unknown.
"""

import math
from collections.abc import Mapping
from functools import cache

import msgspec

from tsuji.catalog import speed_table

from .speed_terms import TERMS, Run, Term

PHASES = ("decode", "prefill")
WITHIN = 1.2816
"""Standard deviations of a normal distribution that hold 80 % in the middle: +- this many."""


class Part(msgspec.Struct, frozen=True):
    """A share of a token's time: seconds by the data sheet, times `factor` (fitted), is `seconds`."""

    name: str
    formula: str
    sheet_seconds: float
    factor: float
    seconds: float


class Estimate(msgspec.Struct, frozen=True):
    """Tokens per second: the median and the ends of the 80 % interval.

    inputs: name -> figure or word; parts: the time of a token, term by term. Both are for `--explain`.
    """

    median: float
    low: float
    high: float
    inputs: dict[str, str | float]
    parts: tuple[Part, ...] = ()


class Spread(msgspec.Struct, frozen=True):
    """The middle 80 % of log(measured / estimated) on devices that the fit had not seen; sd is its scale."""

    low: float
    high: float

    @property
    def sd(self) -> float:
        """The standard deviation that a normal distribution of this width has."""
        return max(0.01, (self.high - self.low) / (2 * WITHIN))


class Fitted(msgspec.Struct, frozen=True):
    """A phase's coefficients by feature, their prior standard deviations by prefix, and the spread by group."""

    coefficients: dict[str, float]
    priors: dict[str, float]
    spread: dict[str, Spread]


@cache
def fitted(phase: str) -> Fitted:
    """The shipped coefficients of "decode" or "prefill"."""
    return msgspec.convert(speed_table()[phase], Fitted)


def decode(run: Run, coefficients: Fitted | None = None) -> Estimate:
    """Tokens per second of one sequence at `run.depth` tokens of context, averaged over the `run.tokens` generated."""
    return _estimate("decode", run, coefficients or fitted("decode"))


def prefill(run: Run, coefficients: Fitted | None = None) -> Estimate:
    """Tokens per second of a prompt of `run.tokens` after `run.depth` tokens of context."""
    return _estimate("prefill", run, coefficients or fitted("prefill"))


def prior_sd(feature: str, priors: Mapping[str, float]) -> float:
    """How far a coefficient may lie from 0 before anything is measured: the longest prefix that `priors` has."""
    return next((priors[feature[:n]] for n in range(len(feature), 0, -1) if feature[:n] in priors), 0.0)


def groups(phase: str, run: Run) -> list[str]:
    """Groups that the interval is taken from, the most particular first; the last one always exists."""
    kind = "moe" if run.moe else "dense"
    deep = "deep" if run.depth >= 8000 else "near"
    engine = run.engine if run.backend != "CPU" else "any"
    names = [f"{run.backend} {engine} {kind} {deep}", f"{run.backend} {engine} {kind}", f"{run.backend} {engine}"]
    if run.host:
        names.insert(0, f"host={run.host}")
    if run.spilled_gib:
        names.insert(0, "spilled")
    return [*names, f"{run.backend}", "all"]


def parts(phase: str, run: Run, coefficients: Mapping[str, float]) -> list[Part]:
    """The time of a token, term by term."""
    return [_part(term, coefficients) for term in TERMS[phase](run) if term.seconds > 0]


def _part(term: Term, coefficients: Mapping[str, float]) -> Part:
    factor = math.exp(sum(coefficients.get(name, 0.0) * value for name, value in term.features))
    return Part(term.name, term.formula, term.seconds, factor, term.seconds * factor)


def _estimate(phase: str, run: Run, fit: Fitted) -> Estimate:
    shares = parts(phase, run, fit.coefficients)
    total = sum(part.seconds for part in shares)
    median = 1 / total
    group = next((name for name in groups(phase, run) if name in fit.spread), "all")
    spread = fit.spread[group]
    unknown = _unknown(phase, run, fit, {part.name: part.seconds / total for part in shares})
    wider = math.sqrt(1 + sum(sd**2 for sd in unknown.values()) / spread.sd**2)
    inputs = inputs_of(run) | {"interval_group": group, "interval_factor": round(wider, 3)}
    if unknown:
        inputs["not_measured"] = ", ".join(sorted(unknown))
    return Estimate(
        median=median,
        low=median * math.exp(min(spread.low, 0.0) * wider),
        high=median * math.exp(max(spread.high, 0.0) * wider),
        inputs=inputs,
        parts=tuple(shares),
    )


def _unknown(phase: str, run: Run, fit: Fitted, shares: Mapping[str, float]) -> dict[str, float]:
    """Feature -> what not having measured it adds to the standard deviation of log(rate). Devices are in the spread."""
    found: dict[str, float] = {}
    for term in TERMS[phase](run):
        for name, value in term.features:
            if name not in fit.coefficients and not name.startswith("device="):
                share = shares.get(term.name, 0.0) * abs(value) * prior_sd(name, fit.priors)
                found[name] = found.get(name, 0.0) + share
    return {name: sd for name, sd in found.items() if sd >= 0.02}


def inputs_of(run: Run) -> dict[str, str | float]:
    """The figures that an estimate is made from, by name."""
    shape = run.shape
    inputs: dict[str, str | float] = {
        "device": run.device,
        "backend": run.backend,
        "generation": run.generation,
        "engine": run.engine,
        "bandwidth_gbs": run.bandwidth_gbs,
        "fp32_tflops": run.fp32_tflops,
        "fp16_tflops": run.fp16_tflops,
        "devices": run.devices,
        "read_gib": round(run.read_gib, 3),
        "quant": run.quant,
        "layers": shape.layers,
        "kv_bytes_per_token": shape.kv_bytes,
        "tokens": run.tokens,
        "depth": run.depth,
        "ubatch": run.ubatch,
        "flash_attention": str(run.flash).lower(),
        "shape": "guessed by size" if shape.guessed else "known",
    }
    if run.spilled_gib:
        inputs["spilled_gib"] = round(run.spilled_gib, 3)
    return inputs
