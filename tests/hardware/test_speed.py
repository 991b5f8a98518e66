"""Estimates of speed: known devices lie near what they were measured at, and each figure moves the right way."""

import csv
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsuji.core.errors import InvalidRequestError
from tsuji.hardware.speed import Estimate, decode, prefill
from tsuji.hardware.speed_compose import batched, layers_split, speculative, tensors_split
from tsuji.hardware.speed_facts import find_chip, find_shape
from tsuji.hardware.speed_rows import estimate_row, phase_of, run_of
from tsuji.hardware.speed_terms import Run, quant_family, quant_group

MEASURED = Path(__file__).parents[3] / "shared" / "hardware" / "measured_speed.csv"
CARD = {"device": "NVIDIA GeForce RTX 3090", "backend": "CUDA", "test": "tg128"}
LLAMA = CARD | {"model": "Llama-3-8B", "params_b": "8.03", "quant": "Q4_K_M", "size_gib": "4.58"}
MOE = LLAMA | {"model": "Qwen3-30B-A3B", "params_b": "30.53", "active_params_b": "3", "size_gib": "17.35"}


def _run(**cells: str) -> Run:
    run = run_of(LLAMA | cells, find_chip, find_shape)
    assert isinstance(run, Run), run
    return run


def _rate(**cells: str) -> float:
    row = LLAMA | cells
    return (decode if phase_of(row) == "decode" else prefill)(_run(**cells)).median


@pytest.mark.parametrize(
    ("faster", "slower"),
    [
        ({"device": "RTX 4090"}, {"device": "RTX 4060"}),
        ({}, {"depth": "32768"}),
        ({}, {"size_gib": "14.96", "quant": "F16"}),
        ({}, {"device": "Pi 5 - 8GB (NVIDIA RTX 3090)"}),
        ({"test": "pp512"}, {"test": "pp512", "depth": "32768"}),
        ({"test": "pp512"}, {"test": "pp512", "params_b": "70.55", "size_gib": "39.59", "model": "Llama-3-70B"}),
        ({"device": "RTX 3060 Ti"}, {"device": "RTX 3060 Ti", "size_gib": "12", "model": "none", "params_b": "20"}),
    ],
    ids=["card", "depth", "bytes", "host", "prefill-depth", "prefill-size", "spill"],
)
def test_a_rate_falls_with_what_costs_time(faster: dict[str, str], slower: dict[str, str]) -> None:
    assert _rate(**faster) > _rate(**slower)


def test_an_estimate_shows_what_it_is_made_of() -> None:
    estimate = decode(_run())
    assert estimate.low < estimate.median < estimate.high
    assert math.isclose(sum(part.seconds for part in estimate.parts), 1 / estimate.median)
    assert all(math.isclose(part.sheet_seconds * part.factor, part.seconds) for part in estimate.parts)
    assert estimate.inputs["bandwidth_gbs"] == 936
    assert estimate.inputs["layers"] == 32 and estimate.inputs["shape"] == "known"


def test_what_was_never_measured_widens_the_interval() -> None:
    known = decode(_run())
    strange = decode(msgspec.structs.replace(_run(), generation="a new one", engine="a new one"))
    assert strange.high / strange.low > known.high / known.low
    assert "weights/gen=CUDA a new one" in str(strange.inputs["not_measured"])


def test_a_mixture_reads_its_active_share() -> None:
    run = run_of(MOE, find_chip, find_shape)
    assert isinstance(run, Run)
    assert run.moe and math.isclose(run.read_gib, 17.35 * 3 / 30.53)


@pytest.mark.parametrize(
    ("quant", "group", "family"),
    [("UD-Q4_K_XL", "Q4_K_M", "k"), ("IQ2_K_R4", "IQ2", "i"), ("4-bit", "Q4_0", "legacy"), ("BF16", "BF16", "16")],
)
def test_types_share_kernels(quant: str, group: str, family: str) -> None:
    assert (quant_group(quant), quant_family(quant)) == (group, family)


@pytest.mark.parametrize(
    ("cells", "column"),
    [({"test": "pp"}, None), ({"test": "x"}, "test"), ({"params_b": "much"}, "params_b"), ({"depth": "-1"}, "depth")],
    ids=["open", "test", "params", "depth"],
)
def test_a_wrong_cell_is_named(cells: dict[str, str], column: str | None) -> None:
    if column is None:
        assert isinstance(estimate_row(LLAMA | cells, find_chip, find_shape), Estimate)
        return
    with pytest.raises(InvalidRequestError, match=column):
        estimate_row(LLAMA | cells, find_chip, find_shape)


NUMBERS = st.sampled_from(["", "0", "1e-12", "1", "512", "1e14", "nan", "-1", "x"])
COLUMNS = ("params_b", "active_params_b", "size_gib", "depth", "n_ubatch", "n_devices", "n_gen", "n_prompt")


@settings(deadline=None, max_examples=150)
@given(
    st.fixed_dictionaries(dict.fromkeys(COLUMNS, NUMBERS)),
    st.sampled_from(["pp512", "tg", "tg0", "pp0", "tg_avg", "pp_avg"]),
    st.sampled_from(["RTX 4090", "Raspberry Pi 5", "M2"]),
)
def test_any_cells_make_an_estimate_or_an_error(cells: dict[str, str], test: str, device: str) -> None:
    row = cells | {"device": device, "test": test}
    try:
        found = estimate_row(row, find_chip, find_shape)
    except InvalidRequestError as error:
        assert error.param in COLUMNS
        return
    assert isinstance(found, str) or 0 < found.low <= found.median <= found.high < math.inf


def test_an_unknown_device_is_said_and_not_guessed() -> None:
    assert run_of(LLAMA | {"device": "Abacus 9000"}, find_chip, find_shape) == (
        "device 'Abacus 9000' is not in the catalogue"
    )


def test_layers_in_a_row_wait_for_each_other() -> None:
    gpu, cpu = decode(_run()), decode(_run(device="AMD Ryzen 9 7950X", backend="CPU"))
    half = layers_split([(gpu, 0.5), (cpu, 0.5)])
    assert math.isclose(1 / half.median, 0.5 / gpu.median + 0.5 / cpu.median)
    assert layers_split([(gpu, 1.0)]).median == pytest.approx(gpu.median)
    with pytest.raises(InvalidRequestError, match="sum to 1"):
        layers_split([(gpu, 0.5), (cpu, 0.6)])


def test_tensors_split_gain_less_over_a_slower_link() -> None:
    one = decode(_run())
    fast = tensors_split([(one, 0.5), (one, 0.5)], 32, 4096, 100)
    slow = tensors_split([(one, 0.5), (one, 0.5)], 32, 4096, 0.1)
    assert one.median < fast.median < 2 * one.median
    assert slow.median < fast.median


def test_a_draft_pays_where_it_is_taken() -> None:
    target = decode(_run())
    draft = decode(_run(model="Llama-3.2-1B", params_b="1.24", size_gib="0.75"))
    assert speculative(target, draft, 0, 0.8).median == pytest.approx(target.median)
    assert speculative(target, draft, 4, 0.9).median > target.median > speculative(target, draft, 4, 0.05).median


def test_users_share_the_reading_of_weights() -> None:
    run = _run()
    one = decode(run)
    assert batched(run, one, 1).median == pytest.approx(one.median)
    assert one.median < batched(run, one, 8).median < 8 * one.median
    mixture = run_of(MOE, find_chip, find_shape)
    assert isinstance(mixture, Run)
    dense_gain = batched(run, one, 8).median / one.median
    assert batched(mixture, decode(mixture), 8).median / decode(mixture).median < dense_gain


@pytest.mark.skipif(not MEASURED.exists(), reason=f"the measured rows are not there: {MEASURED}")
def test_known_rows_lie_in_their_intervals_about_as_often_as_said() -> None:
    off: dict[str, list[float]] = {"decode": [], "prefill": []}
    inside = total = 0
    with MEASURED.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found = estimate_row(row, find_chip, find_shape)
            if isinstance(found, Estimate):
                rate = float(row["tokens_per_s"])
                off[phase_of(row)].append(abs(found.median / rate - 1))
                inside += found.low <= rate <= found.high
                total += 1
    assert total > 2000
    assert sorted(off["decode"])[len(off["decode"]) // 2] < 0.10
    assert sorted(off["prefill"])[len(off["prefill"]) // 2] < 0.15
    assert 0.7 < inside / total < 0.99
