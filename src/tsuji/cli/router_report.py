"""What decisions of a policy were worth: figures and a picture of each data set, and what a policy knows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji.core.errors import ConfigError, InvalidRequestError
from tsuji.routing.learned.curve import Point, aiq, cost_at, hull, range_of

if TYPE_CHECKING:
    from tsuji.routing.learned import Policy

    from .router import Row

_PRICES = [10 ** (at / 10) for at in range(-60, 101)]
"""Of quality per dollar, with which the oracle is asked."""
COLOURS = {
    "policy": "#0072B2",
    "single models": "#D55E00",
    "random mix": "#999999",
    "oracle": "#009E73",
    "kNN": "#CC79A7",
}
"""Okabe and Ito's, which the colour-blind can tell apart."""


class Curve(msgspec.Struct):
    """points: (mean cost in dollars, mean quality). cost_at_95, cost_at_99: in % of the best single model's cost, where
    that share of its quality is reached; None: never.
    """

    name: str
    points: list[Point]
    aiq: float
    cost_at_95: float | None
    cost_at_99: float | None


class Judged(msgspec.Struct):
    """One data set. missing: decisions that there are none of, or for a model without an outcome. singles: by name."""

    dataset: str
    prompts: int
    missing: int
    singles: dict[str, Point]
    curves: list[Curve]


def curves(rows: "Sequence[Row]", chosen: Mapping[tuple[str, int], str]) -> list[Judged]:
    """Raises InvalidRequestError where nothing of it can be judged."""
    tradeoffs = sorted({number for _, number in chosen})
    sets: dict[str, list[Row]] = {}
    for row in rows:
        sets.setdefault(row.dataset or "all", []).append(row)
    found = [_judge(name, members, chosen, tradeoffs) for name, members in sets.items()]
    judged = [one for one in found if one is not None]
    if not judged:
        raise InvalidRequestError("none of the prompts has outcomes and decisions, so there is nothing to judge")
    return judged


def _judge(
    name: str, rows: "Sequence[Row]", chosen: Mapping[tuple[str, int], str], tradeoffs: Sequence[int]
) -> Judged | None:
    outcomes = {str(row.id): _outcomes(row) for row in rows}
    outcomes = {id: arms for id, arms in outcomes.items() if arms}
    if not outcomes or not tradeoffs:
        return None
    models = sorted({model for arms in outcomes.values() for model in arms})
    singles = {model: _mean([arms[model] for arms in outcomes.values() if model in arms]) for model in models}
    policy, missing = list[Point](), 0
    for number in tradeoffs:
        taken = [(arms, chosen.get((id, number))) for id, arms in outcomes.items()]
        pairs = [arms[model] for arms, model in taken if model is not None and model in arms]
        missing += len(taken) - len(pairs)
        if pairs:
            policy.append(_mean(pairs))
    if not policy:
        return None
    over = range_of(list(singles.values()))
    ends = [min(singles.values()), (over.high, over.best)]
    kinds = {
        "policy": policy,
        "single models": list(singles.values()),
        "random mix": ends,
        "oracle": [_oracle(list(outcomes.values()), price) for price in (0.0, *_PRICES)],
    }
    made = [
        Curve(kind, points, aiq(points, over), cost_at(points, over, 0.95), cost_at(points, over, 0.99))
        for kind, points in kinds.items()
    ]
    return Judged(name, len(outcomes), missing, singles, made)


def _outcomes(row: "Row") -> dict[str, Point]:
    """(cost, quality) of each model that has both."""
    return {
        name: (arm.cost_usd, arm.quality)
        for name, arm in row.arms.items()
        if arm is not None and arm.cost_usd is not None and arm.quality is not None
    }


def _mean(pairs: Sequence[Point]) -> Point:
    return sum([cost for cost, _ in pairs]) / len(pairs), sum([quality for _, quality in pairs]) / len(pairs)


def _oracle(outcomes: Sequence[Mapping[str, Point]], price: float) -> Point:
    return _mean([max(arms.values(), key=lambda pair: (pair[1] - price * pair[0], -pair[0])) for arms in outcomes])


def show(judged: Sequence[Judged]) -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console()
    for one in judged:
        table = Table(title=f"{one.dataset}: {one.prompts:,} prompts, {len(one.singles)} models", title_justify="left")
        for name in ("", "AIQ", "cost at 95 %", "cost at 99 %"):
            table.add_column(name, justify="left" if not name else "right")
        for curve in one.curves:
            table.add_row(curve.name, f"{curve.aiq:.3f}", _percent(curve.cost_at_95), _percent(curve.cost_at_99))
        out.print(table)
        if one.missing:
            out.print(f"{one.missing:,} decisions are missing, or for a model without an outcome; they are left out.")
    out.print("Cost at 95 % and 99 % of the best single model's quality, in % of its cost.")


def _percent(value: float | None) -> str:
    return "never" if value is None else f"{value:.3g} %"


def draw(judged: Sequence[Judged], file: Path) -> None:
    """Raises ConfigError where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise ConfigError("drawing needs matplotlib; install it with: pip install 'tsuji[plots]'") from None
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(judged), figsize=(5.2 * len(judged), 4.4), squeeze=False)
    for axis, one in zip(axes[0], judged, strict=True):
        _draw(axis, one)
    figure.tight_layout()
    figure.savefig(file, dpi=130)  # pyright: ignore[reportUnknownMemberType]
    pyplot.close(figure)


def _draw(axis: Any, one: Judged) -> None:
    for curve in one.curves:
        line = hull(curve.points)
        axis.plot(
            [cost for cost, _ in line], [quality for _, quality in line], marker=".", color=COLOURS[curve.name],
            linestyle="--" if curve.name == "random mix" else "-", label=f"{curve.name} ({curve.aiq:.3f})",
        )  # fmt: skip
    axis.scatter(
        [cost for cost, _ in one.singles.values()], [quality for _, quality in one.singles.values()],
        s=18, facecolors="none", edgecolors=COLOURS["single models"],
    )  # fmt: skip
    ends = min(one.singles.values()), max(one.singles.values(), key=lambda point: (point[1], -point[0]))
    for (cost, quality), mark, name in zip(ends, ("v", "*"), ("cheapest", "best"), strict=True):
        axis.scatter([cost], [quality], s=70, marker=mark, color="black", zorder=3, label=f"{name} single model")
    axis.set_xscale("log")
    axis.tick_params(axis="x", which="minor", labelbottom=False)
    axis.set_xlabel("mean cost, dollars (logarithmic)")
    axis.set_ylabel("mean quality")
    axis.set_title(f"{one.dataset}: {one.prompts:,} prompts, {len(one.singles)} models", fontsize=10)
    axis.grid(alpha=0.25)
    axis.legend(title="(AIQ)", fontsize=8, title_fontsize=8, loc="lower right")


def describe(policy: "Policy") -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console()
    for group in policy.groups:
        name = ", ".join(group.datasets) or f"{len(group.models)} models"
        how = "predictions" if group.learned else "single models only"
        out.print(f"{name}: {group.prompts:,} prompts, {len(group.tasks)} tasks; {how}", style="bold")
        table = Table("model", "quality", "cost, $", "better where", "worse where")
        for at, model in sorted(enumerate(group.models), key=lambda pair: -group.quality[pair[0]]):
            best, worst = _reasons(policy, [row[at] for row in group.weights])
            table.add_row(model, f"{group.quality[at]:.3f}", f"{group.cost[at]:.6f}", best, worst)
        out.print(table)
        out.print("; ".join([f"{name} {value:.4g}" for name, value in group.metrics.items()]))


def _reasons(policy: "Policy", weights: Sequence[float]) -> tuple[str, str]:
    """Features of the largest and of the smallest weight."""
    order = sorted(range(len(weights)), key=lambda at: weights[at])
    up = [policy.features[at] for at in order[::-1][:2] if weights[at] > 0]
    down = [policy.features[at] for at in order[:2] if weights[at] < 0]
    return ", ".join(up) or "-", ", ".join(down) or "-"
