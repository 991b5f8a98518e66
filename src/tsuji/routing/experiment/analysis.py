"""An experiment's report: what may be said of its arms now, and would have been said at earlier looks."""

from collections.abc import Sequence
from math import inf

from msgspec.structs import replace

from tsuji.core.parts import Noun

from . import bounded
from .design import ERROR, Experiment, Guardrail, State
from .mismatch import mismatch
from .sequences import MIN_UNITS, Look, difference, one_mean, tuning
from .sums import Sums
from .units import Gathered, Whole
from .verdict import verdict

LOOKS = 60
"""At which the report has what would have been said, from the first units on."""


class Mean(Noun, frozen=True):
    """Of one arm. low, high: infinite while nothing can be said."""

    n: int
    mean: float
    low: float
    high: float


class ArmReport(Noun, frozen=True):
    """means: by metric. units: those whose window is over; requests: all."""

    name: str
    units: int
    requests: int
    shadow: bool
    stopped: bool
    means: dict[str, Mean]


class Comparison(Noun, frozen=True):
    """An arm against the control. p: the smallest of all looks, which holds at any of them. times: of the looks, in
    microseconds since 1970. sure: p is at most `alpha`, the experiment's shared among its arms.
    """

    metric: str
    arm: str
    looks: tuple[Look, ...]
    times: tuple[int, ...]
    p: float
    alpha: float

    @property
    def sure(self) -> bool:
        return self.p <= self.alpha


class Breach(Noun, frozen=True):
    """A guardrail that an arm is certain to have passed."""

    arm: int
    reason: str


class Report(Noun, frozen=True):
    """mismatch: p-value of the shares; None where they changed on the way. verdict: in plain words, line by line."""

    name: str
    arms: tuple[ArmReport, ...]
    comparisons: tuple[Comparison, ...]
    breaches: tuple[Breach, ...]
    mismatch: float | None
    moved: int
    late: int
    open: int
    verdict: tuple[str, ...] = ()


def scaled(experiment: Experiment, metric: str, value: float) -> float:
    """Between 0 and 1 where the metric has bounds."""
    bounds = experiment.bounds(metric)
    if bounds is None:
        return value
    low, high = bounds
    return min(max((value - low) / (high - low or 1.0), 0.0), 1.0)


class Tally:
    """Sums by metric and arm."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.sums = {metric: [Sums() for _ in experiment.arms] for metric in experiment.metrics}

    def add(self, unit: Whole) -> None:
        for metric, value in zip(self.experiment.metrics, unit.values, strict=True):
            if value is not None:
                self.sums[metric][unit.arm].add(scaled(self.experiment, metric, value), unit.share)

    def look(self, metric: str, arm: int, alpha: float) -> Look:
        """Against the control, in the metric's own unit."""
        sums, bounds = self.sums[metric], self.experiment.bounds(metric)
        if metric == ERROR:  # errors are rare: no normal distribution comes of them for long
            return _exact(sums[arm], sums[0], alpha)
        rho, least = (
            tuning(self.experiment.planned, alpha),
            MIN_UNITS * (2 if self.experiment.bandit is not None else 1),
        )
        found = difference(sums[arm], sums[0], alpha, rho, least=least, rare=bounds is not None)
        if bounds is None:
            return found
        by = bounds[1] - bounds[0]
        return Look(found.n, found.estimate * by, found.low * by, found.high * by, found.p)

    def mean(self, metric: str, arm: int, alpha: float) -> Mean:
        sums, bounds = self.sums[metric][arm], self.experiment.bounds(metric)
        if bounds is None:
            low, high = one_mean(sums, alpha, tuning(self.experiment.planned, alpha))
            return Mean(sums.n, sums.mean, low, high)
        low, high = bounded.interval(sums.total, sums.n, alpha)
        start, by = bounds[0], bounds[1] - bounds[0]
        return Mean(sums.n, start + sums.mean * by, start + low * by, start + high * by)

    def worse(self, metric: str, arm: int, alpha: float) -> tuple[float, float]:
        """Between which the arm's mean is worse than the control's, for certain. Exact where the metric has bounds."""
        bounds, sign = self.experiment.bounds(metric), self.experiment.sign(metric)
        if bounds is None:
            look = self.look(metric, arm, alpha)
            low, high = look.low, look.high
        else:
            one, control, by = self.sums[metric][arm], self.sums[metric][0], bounds[1] - bounds[0]
            low, high = bounded.difference(one.total, one.n, control.total, control.n, alpha)
            low, high = low * by, high * by
        return (low, high) if sign < 0 else (-high, -low)

    def may_be_worse(self, metric: str, arm: int, by: float, alpha: float) -> bool:
        """Whether `worse`, which takes longer, has to be asked."""
        bounds = self.experiment.bounds(metric)
        if bounds is None:
            return True
        one, control, sign = self.sums[metric][arm], self.sums[metric][0], -self.experiment.sign(metric)
        if not one.n or not control.n:
            return False
        by = sign * by / (bounds[1] - bounds[0])
        return bounded.p_value(one.total, one.n, control.total, control.n, by) <= alpha


def tally(experiment: Experiment, units: Sequence[Whole]) -> Tally:
    found = Tally(experiment)
    for unit in units:
        found.add(unit)
    return found


def breaches(found: Tally) -> list[Breach]:
    """Guardrails that arms have passed, with certainty shared among all of them."""
    experiment = found.experiment
    arms = experiment.live[1:]
    if not arms or not experiment.guardrails:
        return []
    alpha = experiment.guardrail_alpha / (len(arms) * len(experiment.guardrails))
    return [
        Breach(arm, reason)
        for arm in arms
        for rule in experiment.guardrails
        if (reason := _breach(found, rule, arm, alpha))
    ]


def _breach(found: Tally, rule: Guardrail, arm: int, alpha: float) -> str:
    metric = rule.metric
    if rule.worse_by is not None and found.may_be_worse(metric, arm, rule.worse_by, alpha):
        least = found.worse(metric, arm, alpha)[0]
        if least > rule.worse_by:
            return f"{metric} is worse than the control's by at least {least:.4g}; allowed are {rule.worse_by:g}"
    if rule.limit is not None:
        mean, sign = found.mean(metric, arm, alpha), found.experiment.sign(metric)
        edge = mean.low if sign < 0 else mean.high
        if (edge - rule.limit) * -sign > 0:
            return f"{metric} is at {'least' if sign < 0 else 'most'} {edge:.4g}; the limit is {rule.limit:g}"
    return ""


def analyse(experiment: Experiment, gathered: Gathered, state: State | None = None) -> Report:
    """state: which arms are stopped."""
    arms = range(1, len(experiment.arms))
    alpha = experiment.alpha / max(1, len(arms))
    found, points = Tally(experiment), _points(len(gathered.units))
    looks: dict[tuple[str, int], list[Look]] = {(m, a): [] for m in experiment.metrics for a in arms}
    times: list[int] = []
    for number, unit in enumerate(gathered.units, 1):
        found.add(unit)
        if number in points:
            times.append(unit.time)
            for (metric, arm), seen in looks.items():
                seen.append(found.look(metric, arm, alpha))
    stopped = state.stopped if state is not None else ()
    comparisons = [
        Comparison(
            m, experiment.arms[a].name, tuple(seen), tuple(times), min([one.p for one in seen], default=1.0), alpha
        )
        for (m, a), seen in looks.items()
    ]
    counts = [0] * len(experiment.arms)
    for unit in gathered.units:
        counts[unit.arm] += 1
    reports = [
        ArmReport(
            arm.name,
            counts[at],
            gathered.requests[at],
            arm.shadow,
            at in stopped,
            {metric: found.mean(metric, at, experiment.alpha) for metric in experiment.metrics},
        )
        for at, arm in enumerate(experiment.arms)
    ]
    report = Report(
        experiment.name,
        tuple(reports),
        tuple(comparisons),
        tuple(breaches(found)),
        _mismatch(experiment, gathered.units),
        gathered.moved,
        gathered.late,
        gathered.open,
    )
    return replace(report, verdict=tuple(verdict(experiment, report, state)))


def _exact(arm: Sums, control: Sums, alpha: float) -> Look:
    counts = (arm.total, arm.n, control.total, control.n)
    low, high = bounded.difference(*counts, alpha)
    if min(arm.n, control.n) < MIN_UNITS:
        low, high = -inf, inf
    p = bounded.p_value(*counts) if arm.n and control.n else 1.0
    return Look(arm.n + control.n, arm.mean - control.mean, low, high, p)


def _points(count: int) -> set[int]:
    """Numbers of units at which to look, more of them in the beginning, and at the end."""
    first = min(count, MIN_UNITS)
    ratio = (count / first) ** (1 / LOOKS) if first else 1.0
    return {round(first * ratio**at) for at in range(LOOKS + 1)}


def _mismatch(experiment: Experiment, units: Sequence[Whole]) -> float | None:
    """Of the units since shares changed last. None for a bandit, whose shares change all the time."""
    live = experiment.live
    if experiment.bandit is not None or len(live) < 2:
        return None
    total = sum([experiment.arms[at].share for at in live])
    shares = {at: experiment.arms[at].share / total for at in live if experiment.arms[at].share > 0}
    counts = dict.fromkeys(shares, 0)
    for unit in reversed(units):
        if experiment.arms[unit.arm].shadow:
            continue
        if abs(unit.share - shares.get(unit.arm, inf)) > 1e-6:
            break
        counts[unit.arm] += 1
    return mismatch(list(counts.values()), list(shares.values())) if sum(counts.values()) else None
