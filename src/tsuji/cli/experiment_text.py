"""An experiment's report on a terminal."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji.routing.experiment.verdict import chance, number

if TYPE_CHECKING:
    from rich.console import Console

    from tsuji.routing.experiment import Experiment
    from tsuji.routing.experiment.analysis import Comparison, Mean, Report
    from tsuji.routing.experiment.sequences import Look

HEIGHT = 9
"""Lines of a chart."""


def show(out: "Console", experiment: "Experiment", report: "Report") -> None:
    from rich.table import Table

    out.print(f"Experiment {report.name}", style="bold", markup=False)
    for line in report.verdict:
        out.print(line, markup=False, highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("arm", "units", "requests", *experiment.metrics):
        table.add_column(name, justify="left" if name == "arm" else "right", overflow="fold")
    for arm in report.arms:
        note = " (stopped)" if arm.stopped else " (shadow)" if arm.shadow else ""
        means = [_mean(arm.means[metric]) for metric in experiment.metrics]
        table.add_row(arm.name + note, f"{arm.units:,}", f"{arm.requests:,}", *means)
    out.print()
    out.print(table)
    out.print(_facts(report), markup=False, highlight=False)
    width = max(20, min(60, out.width - 14))
    for one in report.comparisons:
        out.print()
        _chart(out, experiment, one, width)


def _facts(report: "Report") -> str:
    shares = "" if report.mismatch is None else f"Shares: {chance(report.mismatch)}. "
    rest = [f"{n:,} {what}" for n, what in ((report.open, "units still open"), (report.late, "late requests")) if n]
    return shares + (", ".join(rest) + "." if rest else "")


def _mean(mean: "Mean") -> str:
    if not mean.n:
        return "-"
    if not isfinite(mean.low):
        return f"{mean.mean:.4g}"
    return f"{mean.mean:.4g} [{mean.low:.3g}, {mean.high:.3g}]"


def _chart(out: "Console", experiment: "Experiment", one: "Comparison", width: int) -> None:
    """The interval at each look, from the first ones on the left to now, and where no difference is."""
    title = f"{one.metric}: {one.arm} minus {experiment.arms[0].name}"
    looks = [look for look in one.looks if isfinite(look.low)]
    if not looks:
        out.print(f"{title}: too early for an interval", markup=False, highlight=False)
        return
    now = looks[-1]
    said = f"{number(now.estimate, one.metric)} [{number(now.low, one.metric)}, {number(now.high, one.metric)}]"
    out.print(f"{title}: {said}, {chance(one.p)}", markup=False, highlight=False)
    low, high = _range(looks)
    step = (high - low) / (HEIGHT - 1)
    columns = [looks[round(at * (len(looks) - 1) / max(1, width - 1))] for at in range(min(width, len(looks)))]
    if len(looks) <= width:
        columns = looks
    for line in range(HEIGHT):
        value = high - line * step
        zero = abs(value) <= step / 2
        cells = "".join([_cell(look, value, step, zero) for look in columns])
        out.print(f"{value:>+11.3g} {cells}", markup=False, highlight=False)
    out.print(f"{'units':>11} {looks[0].n:<{max(1, len(columns) - 8)},}{now.n:>8,}", markup=False, highlight=False)


def _range(looks: "Sequence[Look]") -> tuple[float, float]:
    """Of the later half, so that the wide first intervals do not flatten it; 0 is always in it."""
    later = looks[len(looks) // 2 :]
    low = min(0.0, *[look.low for look in later])
    high = max(0.0, *[look.high for look in later])
    return (low, high) if high > low else (low - 1, high + 1)


def _cell(look: "Look", value: float, step: float, zero: bool) -> str:
    if abs(look.estimate - value) <= step / 2:
        return "●"
    if look.low - step / 2 <= value <= look.high + step / 2:
        return "┼" if zero else "│"
    return "─" if zero else " "


def as_json(report: "Report") -> dict[str, Any]:
    """What is infinite or no number is null."""
    return msgspec.json.decode(msgspec.json.encode(report))
