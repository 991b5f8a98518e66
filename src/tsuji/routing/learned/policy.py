"""The policy as a file: JSON, versioned, with the figures that it was accepted by."""

from collections.abc import Sequence
from math import isfinite
from typing import Annotated

import msgspec

from tsuji.core.errors import ConfigError

from .features import NAMES

VERSION = 2
FARTHEST = 8.0
"""Standard deviations that a feature counts as, at most, where it is asked how strange a prompt is."""
MAX_BYTES = 64 * 1024 * 1024
Numbers = list[float]


class Stop(msgspec.Struct, frozen=True, omit_defaults=True):
    """One trade-off. price: quality that one dollar has to bring. model: the same for every prompt; None: predicted."""

    price: float
    model: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Group(msgspec.Struct, frozen=True):
    """Models that were asked the same prompts.

    quality, cost: of each model, the mean; cost in dollars. center, scale: of each feature. depth: mean square of
    features, so scaled, from which a prompt is like none of the training. tasks: names; for each, by_task and
    cost_by_task are what it adds for every model. weights, cost_weights: for each feature, of every model; unnamed,
    cost_unnamed: the same for prompts whose task is not named. Predicted quality is a sum; predicted cost is `cost`
    times the exponential of one, times `level` of the model. stops: from the cheapest to the best. learned: the gain
    over single models has a lower bound above zero; else all stops are single models. stretch: by which the parts
    beyond the means are multiplied where it is asked how much better one model is than another, and not which is the
    best of many. metrics: by cross-validation, on the prompts it was trained with.
    """

    datasets: list[str]
    models: list[str]
    quality: Numbers
    cost: Numbers
    level: Numbers
    center: Numbers
    scale: Numbers
    depth: float
    tasks: list[str]
    by_task: list[Numbers]
    cost_by_task: list[Numbers]
    weights: list[Numbers]
    cost_weights: list[Numbers]
    unnamed: list[Numbers]
    cost_unnamed: list[Numbers]
    stops: list[Stop]
    learned: bool
    stretch: float
    prompts: int
    metrics: dict[str, float]


class Policy(msgspec.Struct, frozen=True):
    """features: their names, in the order of the weights. digest: SHA-256 of the outcomes that it was trained with."""

    version: int
    features: list[str]
    digest: str
    groups: list[Group]


def narrowed(group: Group, taken: Sequence[int]) -> Group:
    """With these models alone, by their places. The stops, which were found among all of them, are left out."""

    def of(row: Sequence[float]) -> Numbers:
        return [row[at] for at in taken]

    tables = ("by_task", "cost_by_task", "weights", "cost_weights", "unnamed", "cost_unnamed")
    rows = {name: [of(row) for row in getattr(group, name)] for name in tables}
    means = {name: of(getattr(group, name)) for name in ("quality", "cost", "level")}
    return msgspec.structs.replace(group, models=[group.models[at] for at in taken], stops=[], **rows, **means)


def read_policy(data: bytes, name: str) -> Policy:
    """name: of the file, for messages. Raises ConfigError for what is no policy of this version."""
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{name} has more than {MAX_BYTES} bytes, which no policy has")
    try:
        policy = msgspec.json.decode(data, type=Policy)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{name} is no policy: {error}; make one with 'tsuji router train'") from None
    if policy.version != VERSION or policy.features != list(NAMES):
        raise ConfigError(f"{name} was trained by another version of Tsuji; train it again with 'tsuji router train'")
    for group in policy.groups:
        wrong = _wrong(group, len(policy.features))
        if wrong:
            raise ConfigError(f"{name} is no policy: {wrong}; make one with 'tsuji router train'")
    if not policy.groups:
        raise ConfigError(f"{name} is no policy: it knows no models; make one with 'tsuji router train'")
    return policy


def _wrong(group: Group, features: int) -> str:
    models, tasks = len(group.models), len(group.tasks)
    if not models or not group.stops:
        return "a group has no models or no stops"
    if any(len(numbers) != models for numbers in (group.quality, group.cost, group.level)):
        return "models and their means differ in number"
    if len(group.center) != features or len(group.scale) != features or 0.0 in group.scale:
        return "features and their scales differ in number"
    for rows, count in (
        (group.by_task, tasks),
        (group.cost_by_task, tasks),
        (group.weights, features),
        (group.cost_weights, features),
        (group.unnamed, features),
        (group.cost_unnamed, features),
    ):
        if len(rows) != count or any(len(row) != models for row in rows):
            return "a table of weights has the wrong size"
        if not all(isfinite(number) for row in rows for number in row):
            return "a weight is no number"
    if any(stop.model is not None and stop.model >= models for stop in group.stops):
        return "a stop names a model that is not there"
    return ""
