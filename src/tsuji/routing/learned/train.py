"""Training: which fits route best, at which prices of quality, and whether that is certain.

Untuned regressions over many models lose to the best single one, because the largest of many noisy estimates is taken.
So everything is shrunk to the models' means, and how much is decided by cross-validation on AIQ, not on errors. Each
trade-off goes to a single model where that does better, and all of them do where the gain is not certain.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, NamedTuple

from tsuji.core.errors import InvalidRequestError

from .curve import Point, aiq, cost_at, hull, range_of
from .features import NAMES, features
from .fit import Data, Fit, Option, blend, fits, judged, means
from .policy import FARTHEST, VERSION, Group, Policy, Stop

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

FOLDS = 5
FEWEST = 50
"""Prompts below which nothing is learned but the models' means."""
STOPS = 65
_PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0)
_SCALES = ((1.5, 0.0), (1.5, 0.5), (1.5, 0.25), (0.0, 0.5))
_TOGETHER = (0.0, 0.03, 0.1, 0.3)
_OPTIONS = [Option(p, *scales, together) for scales, p, together in product(_SCALES, _PENALTIES, _TOGETHER)]
_PRICES, _TRIED = 400, 100
"""That the stops are found among, and that options are compared with."""
_COSTS = 100
_STRETCH = 4.0
_Z = 1.645
"""95 %, one-sided."""


class Outcome(NamedTuple):
    """One prompt. quality, cost: of each model that was asked."""

    prompt: str
    task: str
    dataset: str
    quality: dict[str, float]
    cost: dict[str, float]


def train(outcomes: Sequence[Outcome], digest: str, progress: Callable[[float], object] = lambda _: None) -> Policy:
    """progress: told how much is done, from 0 to 1. Raises InvalidRequestError for outcomes of no two models."""
    groups = _groups(outcomes)
    if not groups:
        raise InvalidRequestError("the outcomes are not of two models at least; there is nothing to choose between")
    made: list[Group] = []
    for rows in groups:
        before, share = sum([group.prompts for group in made]) / len(outcomes), len(rows) / len(outcomes)
        made.append(_train(rows, lambda part, before=before, share=share: progress(before + part * share)))
    return Policy(VERSION, list(NAMES), digest, made)


def _groups(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Prompts of the same data set, or that share models, belong together; those of one model alone teach nothing."""
    found: dict[object, list[Outcome]] = {}
    home: dict[str, object] = {}
    for row in outcomes:
        if not row.quality:
            continue
        key: object = row.dataset or next((home[name] for name in row.quality if name in home), frozenset(row.quality))
        for name in row.quality:
            home.setdefault(name, key)
        found.setdefault(key, []).append(row)
    return [rows for rows in found.values() if len({name for row in rows for name in row.quality}) > 1]


def _train(rows: list[Outcome], progress: Callable[[float], object]) -> Group:
    import numpy as np

    models = sorted({name for row in rows for name in row.quality})
    tasks = sorted({row.task for row in rows if row.task})
    data = Data(
        np.array([[row.quality.get(name, np.nan) for name in models] for row in rows]),
        np.array([[row.cost.get(name, np.nan) for name in models] for row in rows]),
        np.array([features(row.prompt) for row in rows]),
        np.array([[float(row.task == task) for task in tasks] for row in rows]).reshape(len(rows), len(tasks)),
    )
    able, stretch, metrics, stops = list[Option](), 1.0, dict[str, float](), _singles(data)
    if len(rows) >= FEWEST:
        able, stretch, metrics, stops = _choose(data, progress)
    fit = blend(fits(data, able or [Option(_PENALTIES[-1], 0.0, 0.0, 0.0)]))
    unnamed, cost_unnamed = fit.unnamed(data)
    return Group(
        datasets=sorted({row.dataset for row in rows if row.dataset}),
        models=models,
        quality=fit.mean.tolist(),
        cost=fit.price.tolist(),
        level=fit.level(data).tolist(),
        center=fit.center.tolist(),
        scale=fit.scale.tolist(),
        depth=_depth(fit, data),
        tasks=tasks,
        by_task=fit.by_task.tolist(),
        cost_by_task=fit.cost_by_task.tolist(),
        weights=fit.weights.tolist(),
        cost_weights=fit.cost_weights.tolist(),
        unnamed=unnamed.tolist(),
        cost_unnamed=cost_unnamed.tolist(),
        stops=stops,
        learned=bool(able),
        stretch=stretch,
        prompts=len(rows),
        metrics=metrics,
    )


def _depth(fit: Fit, data: Data) -> float:
    """Twice the distance of the strangest prompts but for one in 200."""
    import numpy as np

    away = np.clip((data.seen - fit.center) / fit.scale, -FARTHEST, FARTHEST)
    return 2 * float(np.quantile((away**2).mean(1), 0.995))


# Which fits, and which trade-offs.


def _choose(
    data: Data, progress: Callable[[float], object]
) -> tuple[list[Option], float, dict[str, float], list[Stop]]:
    """The options whose mean routes best, none where single models do as well; its stretch; figures; the stops."""
    import numpy as np

    fold = np.random.default_rng(0).permutation(len(data.quality)) % FOLDS
    real = judged(data, fold, FOLDS)
    prices, singles = _prices(real), _means(real)
    found: list[list[Fit]] = []
    for part in range(FOLDS):
        found.append(fits(data.rows(fold != part), _OPTIONS))
        progress((part + 1) / FOLDS / 2)
    worth = np.empty((len(_OPTIONS), len(fold)))
    for at in range(len(_OPTIONS)):
        worth[at] = _worth(real, *_held_out(data, fold, found, [at]), prices[:: _PRICES // _TRIED])
        progress((1 + (at + 1) / len(_OPTIONS)) / 2)
    able = _not_worse(worth)
    predicted = _held_out(data, fold, found, able)
    stretch = _stretch(real, fold, predicted[0])
    gains = _worth(real, *predicted, prices) - _worth(real, *_of_singles(real, fold), prices)
    lower = float(gains.mean() - _Z * gains.std(ddof=1) / len(gains) ** 0.5)
    points, over = _points(real, *predicted, prices), range_of(singles)
    served = [*points, *singles] if lower > 0 else singles
    metrics = {
        "aiq": aiq(served, over),
        "aiq_static": aiq(singles, over),
        "options": float(len(able)),
        "stretch": stretch,
    }
    metrics |= {"gain": float(gains.mean()), "gain_lower": lower}
    reached = {f"cost_at_{share}": cost_at(served, over, share / 100) for share in (95, 99)}
    metrics |= {name: value for name, value in reached.items() if value is not None}
    if lower <= 0:
        return [], 1.0, metrics, _singles(real)
    return [_OPTIONS[at] for at in able], stretch, metrics, _stops(points, prices, singles)


def _held_out(
    data: Data, fold: "Array", found: Sequence[Sequence[Fit]], options: Sequence[int]
) -> tuple["Array", "Array"]:
    """What the mean of these options predicts for prompts that it was not fitted to: quality, cost."""
    import numpy as np

    quality, cost = np.empty_like(data.quality), np.empty_like(data.cost)
    for part, learned in enumerate(found):
        held = fold == part
        fit = blend([learned[at] for at in options])
        quality[held], cost[held] = fit.predict(data.rows(held), fit.level(data.rows(~held)))
    return quality, cost


def _stretch(data: Data, fold: "Array", quality: "Array") -> float:
    """By which what is predicted of a prompt, beyond the models' means, is multiplied so that differences between the
    models are as large as what comes of them (least squares). Never less than 1. With little shrunk predictions the
    best of many models is often an accident, so they are taken as they are where trade-offs decide.
    """
    import numpy as np

    mean = np.empty_like(quality)
    for part in range(FOLDS):
        mean[fold == part] = means(data.quality[fold != part])
    was = data.quality - mean
    there = ~np.isnan(was)
    said = np.where(there, quality - mean, np.nan)
    said, was = [values - np.nanmean(values, 1, keepdims=True) for values in (said, was)]
    return float(np.clip((said[there] * was[there]).sum() / max((said[there] ** 2).sum(), 1e-12), 1.0, _STRETCH))


def _worth(data: Data, quality: "Array", cost: "Array", prices: Sequence[float]) -> "Array":
    """What each prompt has to do with AIQ: its mean over the prompts is AIQ, and its deviation tells how certain."""
    import numpy as np

    absent, points = np.isnan(data.quality), _points(data, quality, cost, prices)
    by_point = dict(zip(points, prices, strict=True))

    def taken(point: Point) -> "Array":
        return np.where(absent, -np.inf, quality - by_point[point] * cost).argmax(1)

    return _influence(data, hull(points), taken)


def _of_singles(data: Data, fold: "Array") -> tuple["Array", "Array"]:
    """The means of all models on the other folds, as predictions: single models, chosen without hindsight."""
    import numpy as np

    quality, cost = np.empty_like(data.quality), np.empty_like(data.cost)
    for part in range(FOLDS):
        held = fold == part
        quality[held] = means(data.quality[~held])
        cost[held] = means(data.cost[~held])
    return quality, cost


def _influence(data: Data, line: Sequence[Point], taken: Callable[[Point], "Array"]) -> "Array":
    """Of the area under the hull, to the first order. taken: the model that each prompt went to, at one of its corners.

    At a cost between two corners the quality is a mean of theirs, and a prompt adds its own quality, less the slope
    there for each dollar that it costs more than the others.
    """
    import numpy as np

    over, rows, total = range_of(_means(data)), np.arange(len(data.quality)), np.zeros(len(data.quality))
    values = [(data.quality[rows, went], data.cost[rows, went]) for went in map(taken, line)]
    for step in range(_COSTS):
        cost = over.low + (over.high - over.low) * (step + 0.5) / _COSTS
        after = next((at for at, point in enumerate(line) if point[0] > cost), len(line))
        if after in (0, len(line)):
            total += values[min(after, len(line) - 1)][0]
            continue
        one, other = line[after - 1], line[after]
        slope, part = (other[1] - one[1]) / (other[0] - one[0]), (cost - one[0]) / (other[0] - one[0])
        for (quality, spent), share in zip(values[after - 1 : after + 1], (1 - part, part), strict=True):
            total += share * (quality - slope * spent)
        total += slope * cost
    return total / _COSTS


def _not_worse(worth: "Array") -> list[int]:
    """The options that are not certain to be worse than the best (three standard errors of the difference, which
    knows nothing of the luck of five fits). Of options
    that outcomes can hardly tell apart the best is an accident; their mean is not.
    """
    import numpy as np

    best = int(worth.mean(1).argmax())
    behind = worth[best] - worth
    error = behind.std(1, ddof=1) / worth.shape[1] ** 0.5
    return np.flatnonzero(behind.mean(1) <= 3 * error).tolist()


def _means(data: Data) -> list[Point]:
    pairs = zip(means(data.cost).tolist(), means(data.quality).tolist(), strict=True)
    return list(pairs)


def _prices(data: Data) -> list[float]:
    """Of quality, from all that matters is cost to cost does not matter."""
    import numpy as np

    unit = float(np.nanstd(data.quality) / max(float(np.nanmean(data.cost)), 1e-12)) or 1.0
    return [*(unit * np.logspace(5, -6, _PRICES)).tolist(), 0.0]


def _points(data: Data, quality: "Array", cost: "Array", prices: Sequence[float]) -> list[Point]:
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


def _singles(data: Data) -> list[Stop]:
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
