"""Devices beside each other on a model, as a picture: memory as bars, speed with its interval, measured points."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsuji.core.errors import ConfigError

if TYPE_CHECKING:
    from tsuji.hardware.model import Model
    from tsuji.hardware.plan import Plan

# Okabe and Ito's colours, which the colour-blind tell apart: https://jfly.uni-koeln.de/color/
_PARTS = (("weights", "#0072B2"), ("KV cache", "#E69F00"), ("buffers", "#999999"))
_RATE, _POINT = "#009E73", "#D55E00"


def draw(model: "Model", found: "Sequence[tuple[str, Plan | None]]", file: Path, measured: Path | None) -> None:
    """Raises ConfigError where matplotlib is not there, or a file cannot be read or written."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("a picture needs matplotlib, which is not installed: pip install 'tsuji[plots]'") from None
    figure: Any = Figure(figsize=(11, 1.6 + 0.55 * len(found)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    names = [f"{name}\n{plan.quant.name if plan else 'does not fit'}" for name, plan in found]
    left.set_yticks(range(len(found)), names)
    left.invert_yaxis()
    for at, (_, plan) in enumerate(found):
        if plan is not None:
            _memory(left, at, plan)
            rate = plan.decode
            error = [[rate.median - rate.low], [rate.high - rate.median]]
            right.errorbar(rate.median, at, xerr=error, fmt="o", color=_RATE, capsize=4)
    points = _measured(model, [name for name, _ in found], measured) if measured is not None else []
    if points:
        right.plot(
            [rate for _, rate in points], [at for at, _ in points], "x", color=_POINT, label="measured, any type"
        )
        right.legend(loc="lower right", fontsize=8)
    left.set_xlabel("memory, GiB (line: what a model may have)")
    right.set_xlabel("decode, tokens/s for each user (bar: 80 %)")
    right.set_xlim(left=0)
    handles = [left.barh(0, 0, color=colour, label=name) for name, colour in _PARTS]
    left.legend(handles=handles, loc="lower right", fontsize=8)
    figure.suptitle(model.name)
    try:
        figure.savefig(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be written: {error}") from None


def _memory(axes: Any, at: int, plan: "Plan") -> None:
    needed, start = plan.memory, 0.0
    sizes = (
        needed.weights - needed.embedding,
        needed.kv,
        needed.on_devices - needed.weights + needed.embedding - needed.kv,
    )
    for (_, colour), size in zip(_PARTS, sizes, strict=True):
        axes.barh(at, size / 1024, left=start / 1024, color=colour, height=0.6)
        start += size
    axes.plot([plan.free_mib / 1024] * 2, [at - 0.4, at + 0.4], color="black")


def _measured(model: "Model", devices: list[str], file: Path) -> list[tuple[int, float]]:
    """Rows of decode at no depth, of that model on those devices: (which of them, tokens/s)."""
    from tsuji.hardware.devices import device
    from tsuji.hardware.models import model as named

    meant = [device(name) for name in devices]
    found: list[tuple[int, float]] = []
    try:
        with file.open(newline="", encoding="utf-8-sig") as source:
            for row in csv.DictReader(source):
                if not row.get("test", "").startswith("tg") or float(row.get("depth") or 0):
                    continue
                of, on = named(row.get("model", "")), device(row.get("device", ""))
                if of is not None and of.name == model.name and on in meant and on is not None:
                    found.append((meant.index(on), float(row["tokens_per_s"])))
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise ConfigError(f"{file} has no measured runs that can be read: {error}") from None
    return found
