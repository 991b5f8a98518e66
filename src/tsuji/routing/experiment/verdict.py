"""What a report comes to, in plain words."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .design import ERROR, UNITS, Experiment, State
from .sequences import MIN_RARE, MIN_UNITS

if TYPE_CHECKING:
    from .analysis import Comparison, Report

_WORDS = {
    "cost": ("costs less", "costs more"),
    "latency": ("is faster", "is slower"),
    "first_token": ("begins sooner", "begins later"),
    "error": ("fails less often", "fails more often"),
    "feedback": ("is liked better", "is liked less"),
    "judge": ("is judged better", "is judged worse"),
}
_LEAST = 1e-9
MISMATCH = 0.001
"""Below which p-value of the shares nothing else is to be believed."""


def verdict(experiment: Experiment, report: "Report", state: State | None) -> list[str]:
    """The first line is what matters most."""
    lines: list[str] = []
    if report.mismatch is not None and report.mismatch < MISMATCH:
        lines.append(
            f"Do not believe the rest: units fell to the arms otherwise than the shares say "
            f"({chance(report.mismatch)}). Something loses units of one arm; find out what."
        )
    if state is not None and state.winner is not None:
        lines.append(f"The experiment is over; all requests go to {experiment.arms[state.winner].name!r}.")
    lines += [f"{report.arms[one.arm].name!r} passes a guardrail: {one.reason}." for one in report.breaches]
    first = experiment.metrics[0]
    lines += [_compared(experiment, one, report) for one in report.comparisons if one.metric == first]
    lines += _others(experiment, report)
    return lines


def _compared(experiment: Experiment, one: "Comparison", report: "Report") -> str:
    control = experiment.arms[0].name
    if not one.looks:
        return f"{one.arm!r}: nothing has been counted yet."
    look = one.looks[-1]
    if look.low == float("-inf"):
        fewest = min([arm.means[one.metric].n for arm in report.arms if arm.name in (one.arm, control)])
        least = MIN_UNITS * (2 if experiment.bandit is not None and one.metric != ERROR else 1)
        rare = experiment.bounds(one.metric) is not None and one.metric != ERROR
        more = f" and {MIN_RARE} of the rarer outcome" if rare else ""
        return f"{one.arm!r} against {control!r}: too early, {fewest} units; {least} in each arm{more} are the least."
    between = f"between {number(look.low, one.metric)} and {number(look.high, one.metric)}"
    if not one.sure:
        return (
            f"{one.arm!r} against {control!r}: no difference in {one.metric} is certain yet ({chance(one.p)}); "
            f"if there is one, it is {between}."
        )
    better = look.estimate * experiment.sign(one.metric) > 0
    word = _WORDS[one.metric][0 if better else 1]
    return f"{one.arm!r} {word} than {control!r}: the difference is {between} ({chance(one.p)})."


def _others(experiment: Experiment, report: "Report") -> Iterable[str]:
    if experiment.bandit is not None:
        yield (
            "Shares follow what is learnt. Intervals of differences in cost and times weigh each unit by the "
            "probability that it had, and hold; so do those of bounded metrics while the arms stay as they are."
        )
    if len(experiment.metrics) > 1:
        others = ", ".join(experiment.metrics[1:])
        yield f"The decision is on {experiment.metrics[0]}. Intervals of {others} hold each by itself, not all at once."
    if report.moved:
        yield f"{report.moved} requests came to another arm than their {experiment.unit}'s first, and do not count."


def chance(p: float) -> str:
    """A p-value, as far as it means anything."""
    return f"p = {p:.2g}" if p >= _LEAST else f"p < {_LEAST:g}"


def number(value: float, metric: str) -> str:
    """With its unit."""
    unit = UNITS[metric]
    return f"{value:+.4g} {unit}".rstrip()
