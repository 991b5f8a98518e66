"""One fit: ridge regression of each model's quality and of the logarithm of its cost on task and features.

The predictions of quality are shrunk together: their smaller principal components, in which many models hardly differ
but by chance, count for less, and where a few abilities explain most of what is right and wrong, little else is left
(reduced-rank regression: Izenman, Journal of Multivariate Analysis 5, 1975; made smooth).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

FAR = 4.0
"""Standard deviations beyond which a feature counts as this far."""
MOST = 3.0
"""Of a cost's logarithm."""
_GUESS = 30.0
"""Penalty of the regression that guesses tasks."""
_FEW = 5.0
"""Outcomes that the mean of all counts as."""
_RARE = 0.02
"""The least share of requests that a model is taken to have had."""


class Data(NamedTuple):
    """quality, cost: prompts x models, NaN where a model was not asked. seen: prompts x features. tasks: one-hot."""

    quality: "Array"
    cost: "Array"
    seen: "Array"
    tasks: "Array"

    def rows(self, which: "Array") -> "Data":
        return Data(*[part[which] for part in self])


class Option(NamedTuple):
    """penalty: of the regressions. tasks, features: scales; the smaller, the more is their part shrunk. together: how
    much the lesser components are shrunk; 0: not at all.
    """

    penalty: float
    tasks: float
    features: float
    together: float


class Fit(NamedTuple):
    """What was learned of some prompts: see policy.Group."""

    mean: "Array"
    price: "Array"
    center: "Array"
    scale: "Array"
    by_task: "Array"
    cost_by_task: "Array"
    weights: "Array"
    cost_weights: "Array"

    def standard(self, data: Data) -> "Array":
        import numpy as np

        return np.clip((data.seen - self.center) / self.scale, -FAR, FAR)

    def predict(self, data: Data, level: "Array") -> tuple["Array", "Array"]:
        """Quality and cost, prompts x models."""
        import numpy as np

        quality = self.mean + data.tasks @ self.by_task + self.standard(data) @ self.weights
        return quality, self.price * level * np.exp(self._logs(data))

    def unnamed(self, data: Data) -> tuple["Array", "Array"]:
        """Weights of quality and of cost for prompts whose task is not named: it is guessed by regression."""
        tasks = data.tasks - data.tasks.mean(0)
        guess = _ridge(self.standard(data), tasks, _GUESS)
        return self.weights + guess @ self.by_task, self.cost_weights + guess @ self.cost_by_task

    def level(self, data: Data) -> "Array":
        """By which predicted costs must be multiplied so that their means on `data` are right."""
        import numpy as np

        return 1 / np.maximum(np.exp(self._logs(data)).mean(0), 1e-9)

    def _logs(self, data: Data) -> "Array":
        import numpy as np

        return np.clip(data.tasks @ self.cost_by_task + self.standard(data) @ self.cost_weights, -MOST, MOST)


def fits(data: Data, options: Sequence[Option]) -> list[Fit]:
    """One for each option."""
    import numpy as np

    center, scale = data.seen.mean(0), data.seen.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    seen = np.clip((data.seen - center) / scale, -FAR, FAR)
    share = data.tasks.mean(0)
    spread = np.sqrt(np.maximum(share * (1 - share), 1e-9))
    tasks = (data.tasks - share) / spread
    mean, price = means(data.quality), means(data.cost)
    logs = np.log(np.maximum(data.cost, 1e-12) / np.maximum(price, 1e-12))
    both = np.hstack([data.quality - mean, logs - means(logs)])
    models, count = len(mean), tasks.shape[1]
    found: list[Fit] = []
    known: dict[tuple[float, float, float], Array] = {}
    for option in options:
        x = np.hstack([tasks * option.tasks, seen * option.features])
        if option[:3] not in known:
            known[option[:3]] = _ridge(x, both, option.penalty)
        beta, gamma = known[option[:3]][:, :models], known[option[:3]][:, models:]
        beta = _together(x, beta, option.together)

        def of_tasks(beta: "Array", scale: float = option.tasks) -> "Array":
            """What being of one task, and not of the others, adds: its own weight without the mean of all."""
            own = beta[:count] * (scale / spread)[:, None]
            return own - (share[:, None] * own).sum(0)

        parts = of_tasks(beta), of_tasks(gamma), beta[count:] * option.features, gamma[count:] * option.features
        found.append(Fit(mean, price, center, scale, *parts))
    return found


def means(values: "Array") -> "Array":
    """Of each model. Where outcomes are missing, those of few are drawn towards the mean of all."""
    import numpy as np

    there = ~np.isnan(values)
    if there.all():
        return values.mean(0)
    total, count = np.where(there, values, 0.0).sum(0), there.sum(0)
    return (total + _FEW * total.sum() / max(int(count.sum()), 1)) / (count + _FEW)


def blend(some: Sequence[Fit]) -> Fit:
    """The mean of fits to the same prompts."""
    import numpy as np

    return Fit(*[np.mean([one[at] for one in some], 0) for at in range(len(Fit._fields))])


def _together(x: "Array", beta: "Array", much: float) -> "Array":
    """Each component of what is predicted is multiplied by s² / (s² + much · s₁²), s being its singular value."""
    import numpy as np

    if not much:
        return beta
    _, values, axes = np.linalg.svd(x @ beta, full_matrices=False)
    squares = values**2
    kept = squares / np.maximum(squares + much * squares[0], 1e-12)
    return beta @ (axes.T * kept) @ axes


def _ridge(x: "Array", y: "Array", penalty: float) -> "Array":
    """Hoerl and Kennard (1970). Prompts that a model was not asked have no part in its weights."""
    import numpy as np

    there = ~np.isnan(y)
    if there.all():
        return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    out = np.zeros((x.shape[1], y.shape[1]))
    for at in range(y.shape[1]):
        rows = there[:, at]
        own = x[rows].T @ x[rows] + penalty * np.eye(x.shape[1])
        out[:, at] = np.linalg.solve(own, x[rows].T @ y[rows, at])
    return out


def judged(data: Data, fold: "Array", folds: int) -> Data:
    """What decisions are judged by, each prompt's outcomes of all models, where most prompts were asked of one.

    An outcome that is not known is predicted from the task, and what a known one differs from its prediction counts by
    the inverse of the share that its model had: doubly robust (Dudík, Langford, Li, ICML 2011). The shares are taken
    to depend on nothing but the task.
    """
    import numpy as np

    there = ~np.isnan(data.quality)
    if there.sum(1).mean() >= 2:
        return data
    made = Data(data.quality.copy(), data.cost.copy(), data.seen, data.tasks)
    kinds = np.hstack([data.tasks, 1 - data.tasks.sum(1, keepdims=True)])
    share = kinds @ ((kinds.T @ there + 1) / (kinds.sum(0)[:, None] + there.shape[1]))
    share = np.maximum(share, _RARE)
    for part in range(folds):
        held = fold == part
        (fit,) = fits(data.rows(~held), [Option(30.0, 1.5, 0.0, 0.0)])
        guessed = fit.predict(data.rows(held), fit.level(data.rows(~held)))
        for values, guess in zip((made.quality, made.cost), guessed, strict=True):
            error = np.where(there[held], values[held] - guess, 0.0)
            values[held] = guess + error / share[held]
    return made
