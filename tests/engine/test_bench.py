"""What `tsuji bench` measures with the default model on this machine, and what it makes of the estimate."""

import math
from pathlib import Path

import msgspec
import pytest

from tsuji.core.errors import LocalEngineError
from tsuji.engine.bench import Measured, measure, record, recorded
from tsuji.engine.launch import checked_header
from tsuji.engine.local import LocalEngine
from tsuji.hardware.calibrate import Pair, calibrated
from tsuji.hardware.speed import Estimate, decode, prefill
from tsuji.hardware.speed_facts import find_chip, find_shape
from tsuji.hardware.speed_rows import run_of
from tsuji.hardware.speed_terms import Run

from .fixtures import fetched

ROW = Measured(
    time=1.0, name="default", model="smollm2-135m-instruct-q4_1", params_b=0.1345, quant="Q4_1", size_gib=0.09,
    test="tg8", depth=0,
    tokens_per_s=20.0, threads=2, engine="llama.cpp", device="Ryzen 9 7950X",
)  # fmt: skip


def _estimate(test: str, depth: int) -> Estimate:
    """What a processor of the catalogue is estimated at with the default model."""
    cells = {"device": ROW.device, "model": ROW.model, "params_b": str(ROW.params_b), "quant": ROW.quant}
    run = run_of(cells | {"size_gib": "0.09", "test": test, "depth": str(depth)}, find_chip, find_shape)
    assert isinstance(run, Run), run
    return decode(run) if test.startswith("tg") else prefill(run)


def test_a_bench_of_the_default_model_corrects_the_estimate(shared_engine: LocalEngine) -> None:
    file = fetched(shared_engine, "default")
    vocabulary = checked_header(file).vocabulary
    assert vocabulary
    runs: list[str] = []
    rates = list(measure(shared_engine.endpoint("default"), vocabulary, [0, 64], 32, 4, 2, runs.append))
    assert [(rate.test, rate.depth) for rate in rates] == [("pp32", 0), ("tg4", 0), ("pp32", 64), ("tg4", 64)]
    assert runs == ["pp32"] * 2 + ["tg4"] * 2 + ["pp32 at depth 64"] * 2 + ["tg4 at depth 64"] * 2
    for rate in rates:
        estimate = _estimate(rate.test, rate.depth)
        assert rate.tokens_per_s > 0 and estimate.low < estimate.median < estimate.high
        after = calibrated(estimate, [Pair(rate.tokens_per_s, estimate)])
        before_off, after_off = (abs(math.log(rate.tokens_per_s / e.median)) for e in (estimate, after))
        assert after_off < before_off
        assert after.high / after.low < estimate.high / estimate.low


def test_a_run_that_does_not_fit_the_context_is_refused(shared_engine: LocalEngine) -> None:
    fetched(shared_engine, "default")
    with pytest.raises(LocalEngineError):
        list(measure(shared_engine.endpoint("default"), 49152, [0], 100_000, 4, 1, lambda _: None))


def test_more_runs_leave_less_of_the_estimate() -> None:
    estimate = _estimate("tg8", 0)
    half = Pair(estimate.median / 2, estimate)
    one, many = calibrated(estimate, [half]), calibrated(estimate, [half] * 20)
    assert estimate.median / 2 < many.median < one.median < estimate.median
    assert many.high / many.low < one.high / one.low
    assert calibrated(estimate, []) == estimate


def test_the_record_outlives_a_line_cut_short(tmp_path: Path) -> None:
    assert recorded(tmp_path) == []
    path = record(tmp_path, [ROW])
    with path.open("ab") as file:
        file.write(b'{"time": 2.0, "mo\n')
    record(tmp_path, [msgspec.structs.replace(ROW, time=3.0)])
    assert [row.time for row in recorded(tmp_path)] == [1.0, 3.0]
