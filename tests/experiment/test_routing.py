"""Assignment, and the statistics against what others have worked out."""

from collections import Counter
from math import exp, inf, isclose, lgamma, log
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.errors import InvalidRequestError
from tsuji.routing import Route, Target
from tsuji.routing.experiment import Arm, Bandit, Experiment, Guardrail, State, assign, bounded, enrolled
from tsuji.routing.experiment.analysis import analyse
from tsuji.routing.experiment.assign import shares_now
from tsuji.routing.experiment.bandit import shares
from tsuji.routing.experiment.mismatch import mismatch
from tsuji.routing.experiment.power import plan
from tsuji.routing.experiment.sequences import difference, p_value, radius, tuning
from tsuji.routing.experiment.sums import Sums
from tsuji.routing.experiment.units import MICRO, Row, gather

ARMS = (Arm("a", 0, 0.5), Arm("b", 1, 0.3), Arm("c", 2, 0.2))
USERS = Experiment("june", ARMS, unit="user", window=100)


def arms_of(experiment: Experiment, count: int = 4000, state: State | None = None) -> list[int]:
    return [assign(experiment, f"user{n}", 0.0, lambda: 0.5, state).arm for n in range(count)]


def test_users_fall_to_arms_by_their_shares_and_stay() -> None:
    found = arms_of(USERS)
    assert found == arms_of(USERS)
    counts = Counter(found)
    assert mismatch([counts[at] for at in range(3)], (0.5, 0.3, 0.2)) > 0.05
    other = arms_of(Experiment("june", ARMS, unit="user", window=100, salt="again"))
    assert 0.2 < sum(one == two for one, two in zip(found, other, strict=True)) / 4000 < 0.5


def test_when_shares_change_only_as_many_move_as_must() -> None:
    wider = Experiment("june", (Arm("a", 0, 0.5), Arm("b", 1, 0.5), Arm("c", 2, 0.2)), unit="user", window=100)
    moved = [(one, two) for one, two in zip(arms_of(USERS), arms_of(wider), strict=True) if one != two]
    assert {two for _, two in moved} == {1}
    assert abs(len(moved) / 4000 - (0.5 / 1.2 - 0.3)) < 0.02


def test_a_stopped_arm_gets_nothing_and_the_others_keep_theirs() -> None:
    found = arms_of(USERS, state=State(stopped=(1,)))
    assert set(found) == {0, 2}
    assert all(two == one for one, two in zip(arms_of(USERS), found, strict=True) if one != 1)
    assert shares_now(USERS, State(stopped=(0, 1, 2)), 0.0) == [1.0, 0.0, 0.0]  # the control is never stopped


def test_a_winner_gets_all_and_nothing_counts() -> None:
    found = assign(USERS, "ann", 0.0, lambda: 0.5, State(winner=2))
    assert (found.arm, found.target, found.counted, found.shadows) == (2, 2, False, ())


def test_a_bandits_shares_hold_for_a_time() -> None:
    experiment = Experiment("june", ARMS[:2], bandit=Bandit())
    state = State(shares=(0.1, 0.9), until=100.0)
    assert [assign(experiment, "", now, lambda: 0.5, state).share for now in (99.0, 100.0)] == [0.9, 0.625]


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=3, max_size=3), st.integers(0, 2**32))
def test_every_draw_falls_to_an_arm_with_a_share(weights: list[float], seed: int) -> None:
    arms = tuple([Arm(f"{at}", at, weight) for at, weight in enumerate(weights)])
    found = assign(Experiment("x", arms), "", 0.0, Random(seed).random)
    assert found.share > 0
    assert isclose(sum(shares_now(Experiment("x", arms), None, 0.0)), 1.0)


def test_the_arm_comes_first_and_the_others_stay() -> None:
    route = Route("r", tuple([Target("p", name) for name in "abc"]), strategy="experiment", experiment=USERS)
    found = assign(USERS, "user0", 0.0, lambda: 0.5)
    targets = [target.model for target in enrolled(route, found).targets]
    assert targets[0] == "abc"[found.arm]
    assert targets[1:] == [name for name in "abc" if name != targets[0]]


# Statistics.


def sums(values: list[float], p: float = 0.5) -> Sums:
    made = Sums()
    for value in values:
        made.add(value, p)
    return made


def test_weighted_sums_are_those_of_the_textbook() -> None:
    r = Random(1)
    values = [1e6 + r.gauss(0, 1) for _ in range(500)]
    mean = sum(values) / 500
    variance = sum([(v - mean) ** 2 for v in values]) / 499
    for p in (0.5, 0.01):
        made = sums(values, p)
        assert isclose(made.mean, mean)
        assert isclose(made.variance, variance / 500, rel_tol=1e-6)
        assert isclose(made.total, sum(values))


@pytest.mark.parametrize(("alpha", "planned"), [(0.05, 1000), (0.01, 50)])
def test_the_p_value_is_the_alpha_whose_interval_ends_at_0(alpha: float, planned: int) -> None:
    rho = tuning(planned, alpha)
    for n in (10, 1000, 100_000):
        half = radius(2.5, n, alpha, rho)
        assert isclose(p_value(half, 2.5, n, rho), alpha, rel_tol=1e-9)
        assert half >= radius(2.5, n, alpha, tuning(n, alpha)) * (1 - 1e-3)  # narrowest where it was planned


def test_nothing_is_said_too_early() -> None:
    few, many = sums([0.0, 1.0] * 49), sums([0.0, 1.0] * 60)
    assert difference(few, many, 0.05, 0.1).low == -inf
    assert difference(many, sums([0.0] * 119 + [1.0]), 0.05, 0.1, rare=True).p == 1.0
    assert difference(many, many, 0.05, 0.1).estimate == 0.0


@pytest.mark.parametrize(
    ("shares_", "concentration", "counts", "expected"),
    [
        ((0.5, 0.5), 100.0, (450, 550), 0.03492096561344593),
        ((0.5, 0.3, 0.2), 100.0, (520, 260, 220), 0.2543843401058179),
        ((0.9, 0.1), 100.0, (905, 95), 1.0),  # savvi has 2.88: it does not end at 1
        ((0.25, 0.75), 20.0, (30, 50), 0.21047986459573143),
    ],
)
def test_the_check_of_shares_is_savvis(
    shares_: tuple[float, ...], concentration: float, counts: tuple[int, ...], expected: float
) -> None:
    """Of savvi 0.3.1's Multinomial(alpha, shares, concentration), after update(counts)."""
    assert isclose(mismatch(counts, shares_, concentration), expected, rel_tol=1e-9)


@pytest.mark.parametrize("n", [10, 500, 100_000])
def test_the_interval_is_the_two_sided_normal_mixture(n: int) -> None:
    """As confseq's normal_mixture_bound has it (Howard et al., equation 14); its wheel has to be built in C++, so by
    the formula.
    """
    alpha, variance, rho = 0.05, 2.5, tuning(1000, 0.05)
    v, r = n * variance, variance / rho**2
    assert isclose(radius(variance, n, alpha, rho), ((v + r) * log((v + r) / (r * alpha**2))) ** 0.5 / n, rel_tol=1e-12)


def test_the_exact_interval_is_where_the_wealth_passes() -> None:
    """By the binomial likelihoods themselves, summed over a grid of the mixture."""
    s, n = 7, 40
    low, high = bounded.interval(s, n, 0.05)
    grid = [(k + 0.5) / 20_000 for k in range(20_000)]
    for p in (low, high):
        won = sum([exp(s * log(q / p) + (n - s) * log((1 - q) / (1 - p)) - 0.5 * log(q * (1 - q))) for q in grid])
        won /= 20_000 * exp(2 * lgamma(0.5))
        assert isclose(won, 20, rel_tol=1e-3)
    assert bounded.interval(0, 0, 0.05) == (0.0, 1.0)
    assert bounded.interval(0, 50, 0.05)[0] == 0.0


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 1), st.floats(0, 1))
def test_the_exact_difference_and_its_p_value_agree(n: int, m: int, x: float, y: float) -> None:
    total, other = x * n, y * m
    low, high = bounded.difference(total, n, other, m, 0.05)
    assert -1 <= low <= total / n - other / m + 1e-9 and total / n - other / m - 1e-9 <= high <= 1
    for edge in (low, high):
        if abs(edge) < 0.999:
            assert bounded.p_value(total, n, other, m, edge) <= 0.05 * 1.001
    mirrored = bounded.difference(other, m, total, n, 0.05)
    assert isclose(mirrored[0], -high, abs_tol=1e-6) and isclose(mirrored[1], -low, abs_tol=1e-6)


def test_thompson_shares_are_the_chances_to_be_the_best() -> None:
    r = Random(3)
    arms = [sums([r.gauss(m, 1) for _ in range(200)]) for m in (0.0, 0.1, 0.15)]
    found = shares(arms, 0.0, 1)
    wins = Counter(
        max(range(3), key=lambda at: r.gauss(arms[at].mean, arms[at].variance ** 0.5)) for _ in range(20_000)
    )
    assert all(abs(found[at] - wins[at] / 20_000) < 0.015 for at in range(3))
    least = shares(arms, 0.2, 1)
    assert min(least) >= 0.2 and isclose(sum(least), 1.0)
    assert shares([sums([1.0] * 5)] * 2, 0.1, -1) == (0.5, 0.5)
    assert shares([sums([0.0] * 50), sums([1.0] * 50)], 0.1, -1) == (0.9, 0.1)


def test_a_plan_is_refused_where_there_is_none() -> None:
    bad: list[Any] = [(0.0, (1.0, 1.0), (1.0, 1.0)), (1.0, (0.0, 0.0), (1.0, 1.0)), (1.0, (1.0, 1.0), (1.0,))]
    for arguments in [*bad, (1e-9, (1.0, 1.0), (1.0, 1.0))]:
        with pytest.raises(InvalidRequestError):
            plan(*arguments)
    two, three = plan(0.1, (1.0, 1.0), (1.0, 1.0)), plan(0.1, (1.0, 1.0), (1.0, 1.0, 1.0))
    assert two.once < two.total < three.total


# Units and the report.


def test_a_unit_counts_once_with_what_its_window_saw() -> None:
    def row(unit: str, second: int, arm: int, value: float | None) -> Row:
        return Row(unit, second * MICRO, arm, 0.5, (value,))

    rows = [
        row("x", 0, 0, 1.0),
        row("y", 10, 1, 5.0),
        row("x", 50, 0, 3.0),
        row("x", 60, 1, 9.0),
        row("x", 100, 0, 9.0),
    ]
    rows += [row("y", 20, 1, None), row("z", 170, 0, 7.0)]
    experiment = Experiment("june", ARMS[:2], metrics=("cost",), unit="user", window=100)
    found = gather(experiment, sorted(rows, key=lambda one: one.time), 200 * MICRO)
    assert [(unit.arm, unit.values) for unit in found.units] == [(0, (2.0,)), (1, (5.0,))]
    assert (found.moved, found.late, found.open, found.requests) == (1, 1, 1, [4, 3])


def rows_of(costs: tuple[float, ...], errors: tuple[float, ...], count: int = 900) -> list[Row]:
    r = Random(5)
    made: list[Row] = []
    for at in range(count):
        arm = at % len(costs)
        failed = float(r.random() < errors[arm])
        made.append(Row("", at, arm, 1 / len(costs), (r.gauss(costs[arm], 0.2), failed)))
    return made


@pytest.mark.parametrize(
    ("other", "said"),
    [(0.9, "'b' costs less than 'a'"), (1.1, "'b' costs more"), (1.0, "no difference in cost is certain yet")],
)
def test_the_verdict_says_it_in_words(other: float, said: str) -> None:
    experiment = Experiment("june", (Arm("a", 0), Arm("b", 1)), metrics=("cost", "error"))
    report = analyse(experiment, gather(experiment, rows_of((1.0, other), (0.0, 0.0)), 0))
    assert said in report.verdict[0]
    assert report.mismatch is not None and report.mismatch > 0.5


def test_guardrails_name_the_arm() -> None:
    rules = (Guardrail("error", worse_by=0.05), Guardrail("cost", limit=1.5))
    experiment = Experiment("june", ARMS, metrics=("cost", "error"), guardrails=rules)
    report = analyse(experiment, gather(experiment, rows_of((1.0, 1.0, 1.8), (0.01, 0.3, 0.01)), 0))
    assert [(one.arm, one.reason.split()[0]) for one in report.breaches] == [(1, "error"), (2, "cost")]


def test_lost_units_are_the_first_thing_said() -> None:
    experiment = Experiment("june", (Arm("a", 0), Arm("b", 1)), metrics=("cost", "error"))
    rows = [row for row in rows_of((1.0, 1.0), (0.0, 0.0)) if row.arm == 0 or row.time % 3]
    report = analyse(experiment, gather(experiment, rows, 0))
    assert report.verdict[0].startswith("Do not believe the rest")


def test_a_report_on_nothing() -> None:
    experiment = Experiment("june", ARMS, metrics=("cost", "feedback", "error"))
    report = analyse(experiment, gather(experiment, [], 0))
    assert report.mismatch is None
    assert report.verdict[0] == "'b': nothing has been counted yet."
