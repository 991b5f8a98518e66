"""Training: ridge regression for each model's quality and the logarithm of its cost, chosen by what routing gains.

Untuned regressions over many models lose to the best single one, because the largest of many noisy estimates is taken.
So everything is shrunk to the models' means, and how much is decided by cross-validation on AIQ, not on errors. Each
trade-off goes to a single model where that does better, and all of them do where the gain is not certain.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from tsuji.core.errors import InvalidRequestError

from .curve import Point, aiq, cost_at, hull, range_of
from .features import NAMES, features
from .policy import VERSION, Group, Policy, Stop

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

FOLDS = 5
FEWEST = 50
"""Prompts below which nothing is learned but the models' means."""
STOPS = 65
_PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0)
_SCALES = ((1.5, 0.0), (1.5, 0.5), (1.5, 0.25), (0.0, 0.5))
"""Of tasks and of features: the smaller, the more is its part shrunk."""
_T = 2.132
"""Student's t at 95 %, one-sided, with FOLDS - 1 degrees of freedom."""
_FAR = 4.0


class Outcome(NamedTuple):
    """One prompt. quality, cost: of each model that was asked."""

    prompt: str
    task: str
    dataset: str
    quality: dict[str, float]
    cost: dict[str, float]


class _Data(NamedTuple):
    """quality, cost: prompts x models, NaN where a model was not asked. seen: prompts x features. tasks: one-hot."""

    quality: "Array"
    cost: "Array"
    seen: "Array"
    tasks: "Array"


class _Fit(NamedTuple):
    """What was learned of some prompts: see Group."""

    mean: "Array"
    price: "Array"
    level: "Array"
    center: "Array"
    scale: "Array"
    by_task: "Array"
    cost_by_task: "Array"
    weights: "Array"
    cost_weights: "Array"


def train(outcomes: Sequence[Outcome], digest: str, progress: Callable[[float], object] = lambda _: None) -> Policy:
    """progress: told how much is done, from 0 to 1. Raises InvalidRequestError for outcomes of no two models."""
    groups = _groups(outcomes)
    if not groups:
        raise InvalidRequestError("no prompt was asked of two models at least; there is nothing to choose between")
    made: list[Group] = []
    for rows in groups:
        before, share = sum([group.prompts for group in made]) / len(outcomes), len(rows) / len(outcomes)
        made.append(_train(rows, lambda part, before=before, share=share: progress(before + part * share)))
    return Policy(VERSION, list(NAMES), digest, made)


def _groups(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Prompts of the same data set, or that share models, belong together."""
    found: dict[object, list[Outcome]] = {}
    home: dict[str, object] = {}
    for row in outcomes:
        if len(row.quality) < 2:
            continue
        key: object = row.dataset or next((home[name] for name in row.quality if name in home), frozenset(row.quality))
        for name in row.quality:
            home.setdefault(name, key)
        found.setdefault(key, []).append(row)
    return list(found.values())


def _train(rows: list[Outcome], progress: Callable[[float], object]) -> Group:
    import numpy as np

    models = sorted({name for row in rows for name in row.quality})
    tasks = sorted({row.task for row in rows if row.task})
    data = _Data(
        np.array([[row.quality.get(name, np.nan) for name in models] for row in rows]),
        np.array([[row.cost.get(name, np.nan) for name in models] for row in rows]),
        np.array([features(row.prompt) for row in rows]),
        np.array([[float(row.task == task) for task in tasks] for row in rows]).reshape(len(rows), len(tasks)),
    )
    best, metrics, stops = None, dict[str, float](), _singles(data)
    if len(rows) >= FEWEST:
        best, metrics, stops = _choose(data, progress)
    fit = _fit(data, *(best or (_PENALTIES[-1], (0.0, 0.0))))
    return Group(
        datasets=sorted({row.dataset for row in rows if row.dataset}),
        models=models,
        quality=fit.mean.tolist(),
        cost=fit.price.tolist(),
        level=fit.level.tolist(),
        center=fit.center.tolist(),
        scale=fit.scale.tolist(),
        tasks=tasks,
        by_task=fit.by_task.tolist(),
        cost_by_task=fit.cost_by_task.tolist(),
        weights=fit.weights.tolist(),
        cost_weights=fit.cost_weights.tolist(),
        stops=stops,
        learned=best is not None,
        prompts=len(rows),
        metrics=metrics,
    )


# One fit.


def _fit(data: _Data, penalty: float, scales: tuple[float, float]) -> _Fit:
    import numpy as np

    on_tasks, on_features = scales
    center, scale = data.seen.mean(0), data.seen.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    seen = np.clip((data.seen - center) / scale, -_FAR, _FAR)
    share = data.tasks.mean(0)
    spread = np.sqrt(np.maximum(share * (1 - share), 1e-9))
    x = np.hstack([(data.tasks - share) / spread * on_tasks, seen * on_features])
    mean, price = np.nanmean(data.quality, 0), np.nanmean(data.cost, 0)
    beta = _ridge(x, data.quality - mean, penalty)
    logs = np.log(np.maximum(data.cost, 1e-12) / np.maximum(price, 1e-12))
    gamma = _ridge(x, logs - np.nanmean(logs, 0), penalty)
    level = 1 / np.maximum(np.exp(np.clip(x @ gamma, -3, 3)).mean(0), 1e-9)
    count = data.tasks.shape[1]

    def of_tasks(beta: "Array") -> "Array":
        """What being of one task, and not of the others, adds: its own weight without the mean of all."""
        own = beta[:count] * (on_tasks / spread)[:, None]
        return own - (share[:, None] * own).sum(0)

    return _Fit(
        mean, price, level, center, scale, of_tasks(beta), of_tasks(gamma),
        beta[count:] * on_features, gamma[count:] * on_features,
    )  # fmt: skip


def _ridge(x: "Array", y: "Array", penalty: float) -> "Array":
    """Hoerl and Kennard (1970). Prompts that a model was not asked have no part in its weights."""
    import numpy as np

    whole = x.T @ x + penalty * np.eye(x.shape[1])
    there = ~np.isnan(y)
    if there.all():
        return np.linalg.solve(whole, x.T @ y)
    out = np.zeros((x.shape[1], y.shape[1]))
    for at in range(y.shape[1]):
        rows = there[:, at]
        own = x[rows].T @ x[rows] + penalty * np.eye(x.shape[1])
        out[:, at] = np.linalg.solve(own, x[rows].T @ y[rows, at])
    return out


def _predict(fit: _Fit, data: _Data) -> tuple["Array", "Array"]:
    """Quality and cost, prompts x models."""
    import numpy as np

    seen = np.clip((data.seen - fit.center) / fit.scale, -_FAR, _FAR)
    quality = fit.mean + data.tasks @ fit.by_task + seen @ fit.weights
    logs = data.tasks @ fit.cost_by_task + seen @ fit.cost_weights
    return quality, fit.price * fit.level * np.exp(np.clip(logs, -3, 3))


# Which fit, and which trade-offs.


class _Tried(NamedTuple):
    """A penalty with scales; what it predicts for prompts that it was not trained with; AIQ on each fold's."""

    penalty: float
    scales: tuple[float, float]
    quality: "Array"
    cost: "Array"
    folds: "Array"


def _choose(
    data: _Data, progress: Callable[[float], object]
) -> tuple[tuple[float, tuple[float, float]] | None, dict[str, float], list[Stop]]:
    """The penalty and scales that route best, None where single models do as well; figures; the stops."""
    import numpy as np

    fold = np.random.default_rng(0).permutation(len(data.quality)) % FOLDS
    prices, every = _prices(data), range_of(_means(data))
    options = [(penalty, scales) for scales in _SCALES for penalty in _PENALTIES]
    tried: list[_Tried] = []
    for number, option in enumerate(options):
        tried.append(_try(data, fold, prices, *option))
        progress((number + 1) / len(options))
    found = _simplest(tried)
    gains = [_gain(data, found.quality, found.cost, prices, fold == part) for part in range(FOLDS)]
    lower = float(np.mean(gains) - _T * np.std(gains, ddof=1) / FOLDS**0.5)
    points, singles = _points(data, found.quality, found.cost, prices), _means(data)
    served = [*points, *singles] if lower > 0 else singles
    reached = {f"cost_at_{share}": cost_at(served, every, share / 100) for share in (95, 99)}
    metrics = {"aiq": aiq(served, every), "aiq_static": aiq(singles, every)}
    metrics |= {"gain": float(np.mean(gains)), "gain_lower": lower, "penalty": found.penalty}
    metrics |= {name: value for name, value in reached.items() if value is not None}
    if lower <= 0:
        return None, metrics, _singles(data)
    return (found.penalty, found.scales), metrics, _stops(points, prices, singles)


def _try(data: _Data, fold: "Array", prices: Sequence[float], penalty: float, scales: tuple[float, float]) -> _Tried:
    import numpy as np

    quality, cost, folds = np.empty_like(data.quality), np.empty_like(data.cost), np.empty(FOLDS)
    for part in range(FOLDS):
        held = fold == part
        here = _rows(data, held)
        quality[held], cost[held] = _predict(_fit(_rows(data, ~held), penalty, scales), here)
        folds[part] = aiq(_points(here, quality[held], cost[held], prices), range_of(_means(here)))
    return _Tried(penalty, scales, quality, cost, folds)


def _simplest(tried: Sequence[_Tried]) -> _Tried:
    """The most shrunk of those that are not worse than the best by more than the error of that difference (the
    one-standard-error rule: Breiman et al., Classification and Regression Trees, 1984, section 3.4.3).
    """
    import numpy as np

    best = max(tried, key=lambda one: float(one.folds.mean()))

    def is_as_good(one: _Tried) -> bool:
        behind = best.folds - one.folds
        return bool(behind.mean() <= np.std(behind, ddof=1) / FOLDS**0.5)

    able = [one for one in tried if one is best or is_as_good(one)]
    return max(able, key=lambda one: (one.penalty, float(one.folds.mean())))


def _gain(data: _Data, quality: "Array", cost: "Array", prices: Sequence[float], held: "Array") -> float:
    """Of predictions over the single models that would have been taken, on the prompts of one fold."""
    here = _rows(data, held)
    singles, over = _means(here), range_of(_means(here))
    chosen = {stop.model for stop in _singles(_rows(data, ~held))}
    static = [point for at, point in enumerate(singles) if at in chosen]
    return aiq([*_points(here, quality[held], cost[held], prices), *static], over) - aiq(static, over)


def _rows(data: _Data, which: "Array") -> _Data:
    return _Data(*[part[which] for part in data])


def _means(data: _Data) -> list[Point]:
    import numpy as np

    pairs = zip(np.nanmean(data.cost, 0).tolist(), np.nanmean(data.quality, 0).tolist(), strict=True)
    return list(pairs)


def _prices(data: _Data) -> list[float]:
    """Of quality, from all that matters is cost to cost does not matter."""
    import numpy as np

    unit = float(np.nanstd(data.quality) / max(float(np.nanmean(data.cost)), 1e-12)) or 1.0
    return [*(unit * np.logspace(5, -6, 400)).tolist(), 0.0]


def _points(data: _Data, quality: "Array", cost: "Array", prices: Sequence[float]) -> list[Point]:
    import numpy as np

    out: list[Point] = []
    absent = np.isnan(data.quality)
    for price in prices:
        value = np.where(absent, -np.inf, quality - price * cost)
        taken = value.argmax(1)[:, None]
        out.append(
            (
                float(np.take_along_axis(data.cost, taken, 1).mean()),
                float(np.take_along_axis(data.quality, taken, 1).mean()),
            )
        )
    return out


def _singles(data: _Data) -> list[Stop]:
    """The single models on the hull, with the price from which each is the best."""
    means = _means(data)
    line = hull(means)
    stops: list[Stop] = []
    for at, point in enumerate(line):
        after = line[at + 1] if at + 1 < len(line) else None
        price = (after[1] - point[1]) / (after[0] - point[0]) if after is not None else 0.0
        stops.append(Stop(price, means.index(point)))
    return stops


def _stops(points: Sequence[Point], prices: Sequence[float], singles: Sequence[Point]) -> list[Stop]:
    """Along the hull of predictions and single models, by equal steps of what is gained and spent.

    At each step the prediction that costs as much; the single model where the hull's corner is one and better. Not the
    hull's own corners, which are the luckiest of many.
    """
    known: dict[Point, Stop] = {point: Stop(price) for price, point in zip(prices, points, strict=True)}
    for at, point in enumerate(singles):
        known.setdefault(point, Stop(0.0, at))
    line = hull(known)
    wide, high = max(line[-1][0] - line[0][0], 1e-12), max(line[-1][1] - line[0][1], 1e-12)
    away = [0.0]
    for before, point in pairwise(line):
        away.append(away[-1] + (point[0] - before[0]) / wide + (point[1] - before[1]) / high)
    stops: list[Stop] = []
    for step in range(STOPS):
        wanted = away[-1] * step / (STOPS - 1)
        corner = line[min(range(len(line)), key=lambda at: abs(away[at] - wanted))]
        near = min(points, key=lambda point: abs(point[0] - _along(line, away, wanted)))
        single = known[corner].model is not None and corner[1] > near[1]
        stops.append(known[corner] if single else known[near])
    return stops


def _along(line: Sequence[Point], away: Sequence[float], wanted: float) -> float:
    """The cost at that distance from the beginning of the line."""
    for at in range(1, len(line)):
        if wanted <= away[at]:
            part = (wanted - away[at - 1]) / (away[at] - away[at - 1])
            return line[at - 1][0] + part * (line[at][0] - line[at - 1][0])
    return line[-1][0]
