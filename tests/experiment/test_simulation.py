"""Looked at all the time, the statistics are wrong as seldom as they say. `make experiment-sim` does more of it."""

from collections.abc import Callable

import pytest

from tests.experiment import simulating
from tests.experiment.simulating import Outcome, bernoulli, drifting, later, rates, run, skewed

RUNS, UNITS = 150, 1000
NONE: dict[str, Callable[[int], Outcome]] = {
    "shares of 60 %": lambda seed: run("feedback", bernoulli(0.6, 0.6), 0, UNITS, seed),
    "errors of 1 %": lambda seed: run("error", bernoulli(0.01, 0.01), 0, UNITS, seed, every=100),
    "costs": lambda seed: run("cost", skewed(), 0, UNITS, seed),
    "costs that rise while a share is raised": lambda seed: run("cost", drifting, 0, 2 * UNITS, seed, share=later),
    "a bandit on costs": lambda seed: run("cost", skewed(), 0, UNITS, seed, bandit=True, every=50),
    "users who differ": lambda seed: simulating.clustered(UNITS // 2, seed, by_user=True),
}


@pytest.mark.parametrize("name", NONE)
def test_where_there_is_no_difference_one_is_found_in_a_twentieth_at_most(name: str) -> None:
    got = rates(RUNS, NONE[name])
    assert got.found <= 0.05
    assert got.held >= 0.95


def test_the_plain_test_would_not_do() -> None:
    """So it is not the simulation that is kind."""
    assert rates(RUNS, lambda seed: simulating.plain_test(UNITS, seed)).found > 0.15
    assert rates(40, lambda seed: simulating.clustered(UNITS // 2, seed, by_user=False)).found > 0.15


def test_the_planned_power_is_reached_and_intervals_hold_the_truth() -> None:
    _, got = simulating.planned(RUNS, 0.12)
    assert got.found >= 0.8
    assert got.held >= 0.95


def test_guardrails_stop_what_is_bad_and_leave_what_is_allowed() -> None:
    assert rates(RUNS, lambda seed: simulating.guarded(UNITS, seed, (0.01, 0.03), 50)).found <= 0.01
    assert rates(40, lambda seed: simulating.guarded(UNITS, seed, (0.01, 0.12), 50)).found >= 0.9


def test_units_that_get_lost_are_noticed() -> None:
    assert rates(RUNS, lambda seed: simulating.lost(2000, seed, 0.0)).found <= 0.01
    assert rates(RUNS, lambda seed: simulating.lost(3000, seed, 0.2)).found >= 0.9
