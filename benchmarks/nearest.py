"""k nearest neighbours, which the learned policy is compared with: on embeddings, else on the policy's own features.

What a model is worth for a prompt is the mean of what it was worth for the nearest prompts of the training part.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tsuji.cli.router_report import Curve
from tsuji.core.errors import ContextLengthExceededError, TsujiError
from tsuji.routing.learned.curve import Point, aiq, cost_at, range_of
from tsuji.routing.learned.features import features

NEIGHBOURS = 40
LETTERS = 1200
"""Of a prompt that are embedded; half of them, and so on, where the model's window is smaller."""
PRICES = [10 ** (at / 10) for at in range(-60, 101)]


def embedded(rows: Sequence[dict[str, Any]], model: str) -> "np.ndarray[Any, Any]":
    """model: "local:embed", say. Raises TsujiError where it cannot be asked."""
    return np.array([_embedded(row["prompt"], model) for row in rows])


def _embedded(prompt: str, model: str) -> Sequence[float]:
    from tsuji import embedding

    letters = LETTERS
    while True:
        try:
            vector = embedding(model, prompt[:letters] or " ").data[0].embedding
        except ContextLengthExceededError:
            letters //= 2
            continue
        if isinstance(vector, str):
            raise TsujiError("the vectors are no lists of numbers")
        return vector


def counted(rows: Sequence[dict[str, Any]]) -> "np.ndarray[Any, Any]":
    found = np.array([features(row["prompt"]) for row in rows])
    return (found - found.mean(0)) / np.maximum(found.std(0), 1e-9)


def curve(
    train: Sequence[dict[str, Any]],
    test: Sequence[dict[str, Any]],
    near: "np.ndarray[Any, Any]",
    asked: "np.ndarray[Any, Any]",
) -> Curve:
    """Of one data set. near, asked: vectors of the two parts."""
    models = sorted({name for row in (*train, *test) for name in row["arms"]})

    def of(rows: Sequence[dict[str, Any]], what: str) -> "np.ndarray[Any, Any]":
        return np.array([[row["arms"].get(name, {}).get(what, np.nan) for name in models] for row in rows], dtype=float)

    away = (asked**2).sum(1)[:, None] - 2 * asked @ near.T + (near**2).sum(1)
    nearest = np.argsort(away, axis=1)[:, :NEIGHBOURS]
    quality, cost = of(train, "quality"), of(train, "cost_usd")
    likely, dear = np.nanmean(quality[nearest], 1), np.nanmean(cost[nearest], 1)
    right, spent = of(test, "quality"), of(test, "cost_usd")
    points: list[Point] = []
    for price in (0.0, *PRICES):
        value = np.where(np.isnan(right), -np.inf, np.nan_to_num(likely - price * dear, nan=-np.inf))
        taken = value.argmax(1)[:, None]
        points.append(
            (float(np.take_along_axis(spent, taken, 1).mean()), float(np.take_along_axis(right, taken, 1).mean()))
        )
    singles = list(zip(np.nanmean(spent, 0).tolist(), np.nanmean(right, 0).tolist(), strict=True))
    over = range_of(singles)
    return Curve("kNN", points, aiq(points, over), cost_at(points, over, 0.95), cost_at(points, over, 0.99))
