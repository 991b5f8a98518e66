"""Experiments that never were, looked at all the time: how often would the statistics have been wrong?

`python -m tests.experiment.simulating` runs many and writes docs/experiments-simulation.md; the tests run a few. It is
the product's own code that is asked at every look.
"""

import sys
import time
from collections.abc import Callable
from math import exp, sqrt
from pathlib import Path
from random import Random
from typing import NamedTuple

from tsuji.routing.experiment import Arm, Bandit, Experiment, Guardrail
from tsuji.routing.experiment.analysis import Tally, breaches
from tsuji.routing.experiment.bandit import shares
from tsuji.routing.experiment.mismatch import mismatch
from tsuji.routing.experiment.power import plan
from tsuji.routing.experiment.units import MICRO, Row, Whole, gather

ARMS = (Arm("control", 0), Arm("other", 1))
ALPHA = 0.05


class Outcome(NamedTuple):
    """found: after how many units a difference was certain; 0 for never. held: every interval had the truth in it."""

    found: int
    held: bool


class Rates(NamedTuple):
    """median: of the units after which a difference was found."""

    found: float
    held: float
    median: int


Draw = Callable[[Random, int, int, int], float]
"""A unit's value: of the generator, the arm, its number and of how many."""


def bernoulli(control: float, other: float) -> Draw:
    return lambda r, arm, at, of: float(r.random() < (other if arm else control))


def skewed(ratio: float = 1.0) -> Draw:
    """Log-normal, as costs are: the mean of the other arm is `ratio` times 1."""
    return lambda r, arm, at, of: exp(r.gauss(-0.5, 1.0)) * (ratio if arm else 1.0)


def drifting(r: Random, arm: int, at: int, of: int) -> float:
    """The same in both arms, and three times as much in the end as in the beginning."""
    return exp(r.gauss(-0.5, 1.0)) * (1 + 2 * at / of)


def run(
    metric: str,
    draw: Draw,
    truth: float,
    units: int,
    seed: int,
    *,
    every: int = 20,
    share: Callable[[int, int], float] = lambda at, of: 0.5,
    bandit: bool = False,
) -> Outcome:
    """share: of the other arm, by a unit's number and of how many."""
    experiment = Experiment("s", ARMS, metrics=(metric,), planned=units, bandit=Bandit() if bandit else None)  # type: ignore[arg-type]
    tally, r = Tally(experiment), Random(seed)
    found, held, learnt = 0, True, 0.5
    for at in range(units):
        p = learnt if bandit else share(at, units)
        arm = int(r.random() < p)
        tally.add(Whole(at, arm, p if arm else 1 - p, (draw(r, arm, at, units),)))
        if (at + 1) % every == 0:
            look = tally.look(metric, 1, ALPHA)
            held = held and look.low <= truth <= look.high
            if not found and look.p <= ALPHA:
                found = at + 1
            if bandit:
                learnt = shares(tally.sums[metric], 0.1, experiment.sign(metric))[1]
    return Outcome(found, held)


def rates(runs: int, one: Callable[[int], Outcome]) -> Rates:
    outcomes = [one(seed) for seed in range(runs)]
    found = sorted([outcome.found for outcome in outcomes if outcome.found])
    held = sum([outcome.held for outcome in outcomes]) / runs
    return Rates(len(found) / runs, held, found[len(found) // 2] if found else 0)


def plain_test(units: int, seed: int, every: int = 20) -> Outcome:
    """What most dashboards do: a z test at each look."""
    r, n, total = Random(seed), [0, 0], [0, 0]
    found = 0
    for at in range(units):
        arm = int(r.random() < 0.5)
        n[arm] += 1
        total[arm] += int(r.random() < 0.6)
        if (at + 1) % every == 0 and min(n) >= 50 and not found:
            means = [t / k for t, k in zip(total, n, strict=True)]
            deviation = sqrt(sum([m * (1 - m) / k for m, k in zip(means, n, strict=True)]))
            found = at + 1 if abs(means[1] - means[0]) > 1.96 * deviation else 0
    return Outcome(found, True)


def clustered(users: int, seed: int, *, by_user: bool, every: int = 50) -> Outcome:
    """Users differ, most come seldom and some very often, and an arm is for a user. by_user: as the product counts."""
    r = Random(seed)
    experiment = Experiment(
        "s", ARMS, metrics=("feedback",), unit="user" if by_user else "request", window=86_400, planned=users
    )
    rows: list[Row] = []
    for user in range(users):
        arm, taste = int(r.random() < 0.5), r.betavariate(1.2, 0.8)
        begin = user * 60 * MICRO
        for _ in range(min(60, int(r.paretovariate(1.1)))):
            when = begin + int(r.random() * 43_200 * MICRO)
            rows.append(Row(f"u{user}" if by_user else "", when, arm, 0.5, (float(r.random() < taste),)))
    rows.sort(key=lambda row: row.time)
    tally = Tally(experiment)
    for at, unit in enumerate(gather(experiment, rows, 10**18).units, 1):
        tally.add(unit)
        if at % every == 0 and tally.look("feedback", 1, ALPHA).p <= ALPHA:
            return Outcome(at, True)
    return Outcome(0, True)


def guarded(units: int, seed: int, rates_of: tuple[float, float], every: int = 20) -> Outcome:
    """Errors, with a guardrail at two points more than the control's."""
    experiment = Experiment("s", ARMS, metrics=("error",), guardrails=(Guardrail("error", worse_by=0.02),))
    tally, r = Tally(experiment), Random(seed)
    for at in range(units):
        arm = int(r.random() < 0.5)
        tally.add(Whole(at, arm, 0.5, (float(r.random() < rates_of[arm]),)))
        if (at + 1) % every == 0 and breaches(tally):
            return Outcome(at + 1, True)
    return Outcome(0, True)


def lost(units: int, seed: int, loses: float, every: int = 20) -> Outcome:
    """The other arm loses a part of its units."""
    r, counts = Random(seed), [0, 0]
    for at in range(units):
        arm = int(r.random() < 0.5)
        if not (arm and r.random() < loses):
            counts[arm] += 1
        if (at + 1) % every == 0 and mismatch(counts, (0.5, 0.5)) <= 0.001:
            return Outcome(at + 1, True)
    return Outcome(0, True)


def later(at: int, of: int) -> float:
    """A share that is raised on the way, as when an arm is rolled out."""
    return 0.1 if at < of // 2 else 0.5


def planned(runs: int, effect: float = 0.06) -> tuple[int, Rates]:
    """(units, rates) of an experiment run as `tsuji experiment plan` says, for 60 % and an effect."""
    sides = (0.6, 0.6 + effect)
    deviations = (sqrt(sides[0] * (1 - sides[0])), sqrt(sides[1] * (1 - sides[1])))
    units = plan(effect, deviations, (1.0, 1.0)).total
    return units, rates(runs, lambda seed: run("feedback", bernoulli(*sides), effect, units, seed))


Line = tuple[str, str, Callable[[int], Outcome]]
"""What is simulated, what is wanted, and one run of it."""
_NONE = "at most 5 %"
_WRONG = "(goes wrong)"


def nothing_there(units: int) -> list[Line]:
    same, rare, many = bernoulli(0.6, 0.6), bernoulli(0.01, 0.01), units // 2
    return [
        ("a z test at each look", _WRONG, lambda s: plain_test(units, s)),
        ("60 % in both arms", _NONE, lambda s: run("feedback", same, 0, units, s)),
        ("4 % in both arms", _NONE, lambda s: run("feedback", bernoulli(0.04, 0.04), 0, units, s)),
        ("errors, 1 % in both arms (exact)", _NONE, lambda s: run("error", rare, 0, units, s, every=100)),
        ("cost, log-normal", _NONE, lambda s: run("cost", skewed(), 0, units, s)),
        ("cost that trebles, share raised midway", _NONE, lambda s: run("cost", drifting, 0, units, s, share=later)),
        ("bandit, cost", _NONE, lambda s: run("cost", skewed(), 0, units, s, bandit=True)),
        ("bandit, 60 % in both arms", _NONE, lambda s: run("feedback", same, 0, units, s, bandit=True)),
        ("bandit, errors 1 % (exact)", _NONE, lambda s: run("error", rare, 0, units, s, bandit=True, every=100)),
        ("users who differ, by user", _NONE, lambda s: clustered(many, s, by_user=True)),
        ("the same, each request by itself", _WRONG, lambda s: clustered(many, s, by_user=False)),
        ("guardrail of 2 points, errors 1 % and 3 %", "at most 1 %", lambda s: guarded(units, s, (0.01, 0.03))),
        ("shares: nothing is lost", "at most 0.1 %", lambda s: lost(units, s, 0.0)),
    ]


def something_there(units: int) -> list[Line]:
    return [
        ("60 % and 70 %", "", lambda s: run("feedback", bernoulli(0.6, 0.7), 0.1, units, s)),
        ("cost, 20 % less", "", lambda s: run("cost", skewed(0.8), -0.2, units, s)),
        ("errors, 1 % and 4 % (exact)", "", lambda s: run("error", bernoulli(0.01, 0.04), 0.03, units, s, every=100)),
        ("bandit, cost, 30 % less", "", lambda s: run("cost", skewed(0.7), -0.3, units, s, bandit=True)),
        ("guardrail of 2 points, errors 1 % and 8 %", "", lambda s: guarded(units, s, (0.01, 0.08))),
        ("shares: an arm loses a sixth", "", lambda s: lost(units, s, 1 / 6)),
    ]


def table(runs: int, lines: list[Line]) -> str:
    made = list[str]()
    for what, wanted, one in lines:
        began, got = time.monotonic(), rates(runs, one)
        stop = f", half by {got.median:,}" if got.found > 0.2 else ""
        interval = not what.startswith(("guardrail", "shares", "a z", "users", "the same"))
        made.append(f"| {what} | {wanted} | {got.found:.1%}{stop} | {f'{got.held:.1%}' if interval else ''} |")
        sys.stderr.write(f"{made[-1]} {time.monotonic() - began:.0f} s\n")
    return "\n".join(made)


PAGE = """# Experiments, simulated

Written by `make experiment-sim`: {runs:,} experiments of {units:,} units a row, looked at after every 20 units
(users: 50, errors: 100) by the code that `tsuji experiment report` runs. "Found": how often a difference was certain
at any look, and the units at which half of those were. "Held": how often *every* interval, at all looks, had the true
difference in it; 95 % are promised. A rate of 5 % is told from {runs:,} runs to within {error:.1f} points.

Where there is no difference:

| | wanted | found | held |
|---|---|--:|--:|
{none}

Where there is one:

| | | found | held |
|---|---|--:|--:|
{some}

`tsuji experiment plan` for 60 % against 66 % at a power of 80 % says {planned:,} units; simulated with as many, the
difference was found in {power:.1%} of {runs:,}, half of these by {median:,}, and all intervals held it in {held:.1%}.
"""


def main() -> None:
    runs, units = int(sys.argv[1]), int(sys.argv[2])
    none, some = table(runs, nothing_there(units)), table(runs, something_there(units))
    needed, got = planned(runs)
    page = PAGE.format(
        runs=runs,
        units=units,
        none=none,
        some=some,
        planned=needed,
        power=got.found,
        median=got.median,
        held=got.held,
        error=196 * sqrt(0.05 * 0.95 / runs),
    )
    Path("docs/experiments-simulation.md").write_text(page)


if __name__ == "__main__":
    main()
