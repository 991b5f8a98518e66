"""What is remembered of targets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.errors import InvalidRequestError, RateLimitError, UpstreamConnectionError, UpstreamError
from tsuji.routing import Circuit, Health, Target
from tsuji.routing.sketch import Ewma, PeakEwma, Sketch

A = Target("a", "m")
CIRCUIT = Circuit()


@given(st.lists(st.floats(0.001, 900.0), min_size=1, max_size=300), st.floats(0.01, 1.0))
def test_a_quantile_is_right_within_its_error(values: list[float], q: float) -> None:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    ordered = sorted(values)
    exact = ordered[min(max(-int(-q * len(values) // 1) - 1, 0), len(values) - 1)]
    found = Sketch.quantile(sketch, q)
    near = [v for v in (exact, ordered[max(ordered.index(exact) - 1, 0)]) if v / 1.1 <= found <= v * 1.1]
    assert near


def test_a_sketch_forgets() -> None:
    sketch = Sketch()
    for _ in range(1000):
        sketch.add(1.0)
    for _ in range(3000):
        sketch.add(0.1)
    assert sketch.quantile(0.95) == pytest.approx(0.1, rel=0.1)


def test_a_sketch_answers_of_late_when_it_is_asked_often() -> None:
    sketch = Sketch()
    assert sketch.quantile(0.5) == 0.0
    for _ in range(200):
        sketch.add(0.1)
        sketch.quantile(0.5)
    for _ in range(400):
        sketch.add(2.0)
        found = sketch.quantile(0.5)
    assert found == pytest.approx(2.0, rel=0.1)


def test_peak_ewma_takes_a_rise_at_once_and_forgets_slowly() -> None:
    mean = PeakEwma(10.0)
    mean.add(0.1, 0.0)
    mean.add(5.0, 1.0)
    assert mean.value == 5.0
    mean.add(0.1, 2.0)
    assert mean.value is not None
    assert 4.0 < mean.value < 5.0
    mean.add(0.1, 60.0)
    assert mean.value == pytest.approx(0.1, rel=0.5)
    assert mean.at == 60.0


def test_ewma_counts_values_that_come_at_once() -> None:
    mean = Ewma(10.0)
    for _ in range(60):
        mean.add(50.0, 1.0)
    mean.add(0.0, 1.0)
    assert mean.value == pytest.approx(45.0)


def test_one_health_for_equal_targets() -> None:
    health = Health()
    assert health.of(A) is health.of(Target("a", "m", weight=2.0))
    assert health.of(A) is not health.of(Target("a", "n"))


def test_names_from_clients_fill_no_memory() -> None:
    health = Health()
    for number in range(5000):
        health.of(Target("a", str(number)))
    assert len(health.facts(0.0)) <= 4096


def test_a_request_at_fault_blames_no_target() -> None:
    one = Health().of(A)
    one.started(0.0)
    one.failed(InvalidRequestError("bad"), 0.0, CIRCUIT, 0.5)
    assert (one.error_rate, one.state(0.0), one.in_flight) == (0.0, "closed", 0)


def test_few_failures_among_many_answers_open_no_circuit() -> None:
    one = Health().of(A)
    for number in range(40):
        one.started(0.0)
        if number % 4:
            one.succeeded(0.0)
        else:
            one.failed(UpstreamError("500"), 0.0, CIRCUIT, 0.5)
    assert one.state(0.0) == "closed"
    assert one.error_rate == 0.25


def test_a_circuit_stays_open_longer_with_each_probe_that_fails_up_to_its_limit() -> None:
    one, now, lengths = Health().of(A), 0.0, []
    for _ in range(5):
        one.started(now)
        one.failed(UpstreamConnectionError("refused"), now, CIRCUIT, 1.0)
        lengths.append(one.open_until - now)
        now = one.open_until
    assert lengths == pytest.approx([5.0, 10.0, 15.0, 15.0, 15.0])
    one.started(now)
    one.succeeded(now)
    assert one.state(now) == "closed"


def test_many_that_fail_at_once_open_a_circuit_once() -> None:
    one = Health().of(A)
    for _ in range(20):
        one.started(0.0)
    for _ in range(20):
        one.failed(UpstreamError("500"), 1.0, CIRCUIT, 1.0)
    assert one.open_until == pytest.approx(6.0)
    assert one.in_flight == 0


def test_a_probe_that_never_ends_keeps_others_away_for_a_while_only() -> None:
    one = Health().of(A)
    one.started(0.0)
    one.failed(UpstreamConnectionError("refused"), 0.0, CIRCUIT, 1.0)
    one.started(6.0)
    assert not one.available(7.0)
    assert one.available(70.0)


def test_a_provider_that_answers_no_is_alive() -> None:
    one = Health().of(A)
    one.started(0.0)
    one.failed(UpstreamConnectionError("refused"), 0.0, CIRCUIT, 1.0)
    one.started(6.0)
    one.failed(InvalidRequestError("bad", body={"error": "bad"}), 6.0, CIRCUIT, 1.0)
    assert one.state(6.0) == "closed"


def test_rests_without_a_word_of_how_long_grow_and_end_with_an_answer() -> None:
    one, now, rests = Health().of(A), 0.0, []
    for _ in range(7):
        one.started(now)
        one.failed(RateLimitError("slow"), now, CIRCUIT, 1.0)
        rests.append(one.rest_until - now)
        now = one.rest_until
    assert rests == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0])
    one.started(now)
    one.succeeded(now)
    one.started(now)
    one.failed(RateLimitError("slow"), now, CIRCUIT, 1.0)
    assert one.rest_until - now == pytest.approx(1.0)


def test_another_worker_learns_of_circuits_and_rests() -> None:
    mine, other = Health(), Health()
    sick, limited = mine.of(A), mine.of(Target("b", "m"))
    for one in (sick, limited):
        other.of(one.target)
        one.started(10.0)
    sick.failed(UpstreamConnectionError("refused"), 10.0, CIRCUIT, 1.0)
    limited.failed(RateLimitError("slow", retry_after=7.0), 10.0, CIRCUIT, 1.0)
    limited.heard(0.5, 10.0)
    told = json.loads(json.dumps(mine.facts(11.0)))
    other.learn(told, 500.0)  # its clock is another
    assert other.of(A).state(503.9) == "open"
    assert other.of(A).state(504.1) == "half_open"
    assert not other.of(limited.target).available(505.9)
    assert other.of(limited.target).available(506.1)
    assert other.of(limited.target).ttft.value == 0.5
