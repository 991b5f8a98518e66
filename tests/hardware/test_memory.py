"""What a model needs of memory: against llama.cpp's own dry run, live and recorded, and against logs of loads."""

import csv
from pathlib import Path

import pytest

from tests.hardware.weightless import dry_run, write
from tsuji.hardware.gguf import read_header
from tsuji.hardware.memory import KV_BYTES, Setting, compute_mib, kv_mib, layers_on, memory
from tsuji.hardware.memory_rows import estimate_rows
from tsuji.hardware.model import Model
from tsuji.hardware.model_file import of_gguf
from tsuji.hardware.models import model

SHARED = Path(__file__).parents[3] / "shared" / "hardware"
recorded = pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/hardware here")
LIVE = {
    "Llama 3.1 8B": Setting(context=8192),
    "Qwen 3 8B": Setting(context=32768, ubatch=1024, type_k="q8_0", type_v="q8_0"),
    "Gemma 3 12B": Setting(context=16384),
    "Gemma 3 1B": Setting(context=4096, flash_attention=False),
    "Qwen 3 30B A3B": Setting(context=40960, flash_attention=False),
    "Mistral Nemo 12B": Setting(context=16384, slots=4),
}


def known(name: str) -> Model:
    found = model(name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", LIVE)
def test_llama_cpp_says_the_same(name: str, tmp_path: Path) -> None:
    """Of a file with no weights in it, which is read as the catalogue's row, too."""
    row, setting = known(name), LIVE[name]
    write(tmp_path / "model.gguf", row)
    header = read_header(tmp_path / "model.gguf")
    read = of_gguf(header, row.name)
    weights, cache, compute = dry_run(tmp_path / "model.gguf", setting)
    assert header.tensor_bytes / 2**20 == pytest.approx(weights, abs=1)
    assert read.params_b == pytest.approx(row.params_b, rel=0.02)
    for shape in (row, read):
        assert kv_mib(shape, setting) == pytest.approx(cache, rel=0.01, abs=0.6)
        assert compute_mib(shape, setting) == pytest.approx(compute, rel=0.05 if setting.flash_attention else 0.12)


@recorded
def test_every_recorded_dry_run_agrees() -> None:
    with (SHARED / "llamacpp_dry_run_memory.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100
    for row, made in zip(rows, estimate_rows(rows), strict=True):
        assert made["median"] == pytest.approx(float(row["kv_mib"]), rel=0.01), row["model"]
        limit = 0.01 if row["flash_attn"] == "on" else 0.12
        assert made["inputs"]["compute_median"] == pytest.approx(float(row["compute_mib"]), rel=limit), row["model"]


@recorded
def test_caches_in_logs_are_met() -> None:
    """But for logs in which several loads are mixed."""
    with (SHARED / "measured_memory.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = [
        (float(row["mib"]), made["median"])
        for row, made in zip(rows, estimate_rows(rows), strict=True)
        if row["component"].startswith(("kv_total", "KV_buffer")) and made["median"]
    ]
    near = [abs(made - measured) <= max(0.03 * measured, 150) for measured, made in pairs]
    assert len(near) > 300
    assert sum(near) / len(near) > 0.85


def test_rows_that_cannot_be_said_say_why() -> None:
    rows = [
        {"component": "kv_total", "model": "nobody-9B", "ctx": "512"},
        {"component": "kv_total", "model": "Llama-3.1-8B", "ctx": ""},
        {"component": "estimate_error_pct", "model": "Llama-3.1-8B", "ctx": "512"},
        {"model": "Qwen3-8B", "n_ctx": "8192", "n_ubatch": "512", "flash_attn": "on", "kv_type": "f16"},
    ]
    rows += [{"component": "kv_total", "model": "Qwen3-8B", "ctx": "many"}, {"component": "", "model": "Qwen3-8B"}]
    made = estimate_rows(rows)
    assert [row["median"] is None for row in made] == [True, True, True, False, True, True]
    assert "many" in made[4]["inputs"]["why"]
    assert "no model of the catalogue" in made[0]["inputs"]["why"]
    assert "context" in made[1]["inputs"]["why"]
    assert made[3]["low"] < made[3]["median"] < made[3]["high"]


def test_a_window_bounds_the_cache_and_a_latent_vector_shrinks_it() -> None:
    gemma, flash, dense = known("Gemma 3 12B"), known("GLM 4.7 Flash"), known("Qwen 3 32B")
    assert kv_mib(gemma, Setting(context=131072)) < 10 * kv_mib(gemma, Setting(context=8192))  # and not 16
    assert kv_mib(flash, Setting(context=8192)) == 423.0
    assert kv_mib(dense, Setting(context=8192)) == 2048.0


@pytest.mark.parametrize("kind", KV_BYTES)
def test_types_of_the_cache_scale_it(kind: str) -> None:
    row = known("Llama 3.1 8B")
    made = kv_mib(row, Setting(context=8192, type_k=kind, type_v=kind))
    assert made == pytest.approx(1024 * KV_BYTES[kind] / 2)


def test_layers_are_split_as_llama_cpp_does() -> None:
    row = known("Llama 3 8B")
    assert [layers_on(row, device, 2) for device in range(2)] == [17, 15]
    assert [layers_on(row, device, 6) for device in range(6)] == [6, 5, 6, 5, 6, 4]


def test_the_input_table_is_not_on_the_card() -> None:
    row = known("Llama 3.1 8B")
    card, host = memory(row, 4692.0, Setting(context=4096), "CUDA"), memory(row, 4692.0, Setting(context=4096))
    assert card.on_devices < card.total
    assert host.embedding == 0
    assert card.kv == host.kv == 512.0
