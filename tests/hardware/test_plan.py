"""Plans: what is chosen for a machine, and why not something else."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tsuji.cli.app import app
from tsuji.core.errors import InvalidRequestError, TsujiError
from tsuji.engine.bench import Measured, record
from tsuji.hardware.device import Device
from tsuji.hardware.devices import device, devices
from tsuji.hardware.model import Model
from tsuji.hardware.models import model
from tsuji.hardware.plan import Goals, Machine, best, machine_of, plans
from tsuji.hardware.quant import quants


def on(name: str, count: int = 1, ram_gb: float | None = None) -> Machine:
    found = device(name)
    assert found is not None
    return machine_of(found, count, ram_gb * 1024 if ram_gb is not None else None)


def known(name: str) -> Model:
    found = model(name)
    assert found is not None
    return found


def test_quantizations_are_ordered_by_what_they_cost() -> None:
    assert [quant.bits for quant in quants()] == sorted((quant.bits for quant in quants()), reverse=True)
    assert [quant.kld for quant in quants()] == sorted(quant.kld for quant in quants())


def test_the_best_that_fits_and_is_fast_enough() -> None:
    small, large = (
        best(known("Qwen3-32B"), on("RTX 4090"), Goals()),
        best(known("Qwen3-32B"), on("RTX 4090 48GB mod"), Goals()),
    )
    assert small is not None and large is not None
    assert small.fits and large.fits
    assert small.memory.on_devices <= 24 * 1024 < large.memory.on_devices
    assert large.quant.kld < small.quant.kld


def test_a_higher_goal_takes_fewer_bits_or_says_no() -> None:
    calm = best(known("Qwen3-32B"), on("dgx-spark"), Goals(rate=1))
    eager = best(known("Qwen3-32B"), on("dgx-spark"), Goals(rate=12))
    hopeless = best(known("Qwen3-32B"), on("dgx-spark"), Goals(rate=500))
    assert calm is not None and eager is not None and hopeless is not None
    assert calm.meets and eager.quant.bits < calm.quant.bits
    assert not hopeless.meets and hopeless.bottleneck == "bandwidth"


def test_what_does_not_fit_spills_where_there_is_room() -> None:
    card = on("RTX 4090", ram_gb=96)
    spilled = best(known("gpt-oss-120b"), card, Goals())
    assert spilled is not None
    assert not spilled.fits and spilled.spilled_mib > 20_000
    assert spilled.bottleneck == "PCIe"
    assert "--n-cpu-moe" in spilled.flags
    assert plans(known("gpt-oss-120b"), on("RTX 4090"), Goals()) == []


def test_context_and_users_cost_memory() -> None:
    one, many = (best(known("Llama-3.1-8B"), on("RTX 3060"), Goals(users=users)) for users in (1, 4))
    assert one is not None and many is not None
    assert many.memory.kv > one.memory.kv or many.quant.bits < one.quant.bits
    assert many.decode.median < one.decode.median
    assert "-np 4" in many.flags


def test_vllm_is_offered_where_it_runs() -> None:
    found = best(known("Llama-3.1-8B"), on("2x RTX 3090", 2), Goals())
    apple = best(known("Llama-3.1-8B"), on("M3 Ultra"), Goals())
    assert found is not None and apple is not None
    assert found.vllm is not None and "--tensor-parallel-size 2" in found.vllm
    assert apple.vllm is None


def test_a_processor_needs_to_know_its_memory() -> None:
    with pytest.raises(InvalidRequestError, match="--ram"):
        on("EPYC 9554")
    found = best(known("Llama-3.1-8B"), on("EPYC 9554", ram_gb=64), Goals(rate=1))
    assert found is not None and found.fits


@pytest.mark.parametrize("row", [row for row in devices() if row.memory_gb is not None], ids=lambda row: row.name)
def test_every_device_has_a_plan_for_a_small_model(row: Device) -> None:
    found = device(row.name)
    assert found is not None
    try:
        plan = best(known("Qwen3-0.6B"), machine_of(found), Goals(context=2048, rate=0.1))
    except InvalidRequestError as error:
        assert "no speed can be said" in error.message
        return
    assert plan is None or plan.decode.low < plan.decode.median < plan.decode.high


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["fit", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_the_command_answers() -> None:
    said = run("qwen3-32b", "--on", "RTX 4090 48GB mod", "--context", "32k", "--explain")
    assert "llama-server -m" in said
    assert "x fitted" in said
    facts = json.loads(run("qwen3-32b", "--on", "dgx-spark", "--json", "--users", "2", "--goal", "5tok/s"))
    assert facts["plans"][0]["fits"]
    assert facts["plans"][0]["decode_tokens_per_s"]["low"] > 0


def test_no_more_context_than_it_was_trained_for() -> None:
    one, two = (best(known("Qwen3-8B"), on("RTX 4090"), Goals(context=context)) for context in (40_960, 1 << 30))
    assert one == two
    assert "trained for 40,960 tokens" in run("qwen3-8b", "--on", "RTX 4090", "--context", "1024M")


def test_the_command_lists_what_fits() -> None:
    facts = json.loads(run("--on", "RTX 3060", "--json"))
    assert len(facts["plans"]) > 30
    assert all(plan["fits"] for plan in facts["plans"])
    assert facts["plans"][0]["meets"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nobody-9b"], "near to it"),
        (["qwen3-8b", "--on", "RTX 9999"], "no device"),
        (["qwen3-8b", "--on", "RTX 4090", "--context", "many"], "no number of tokens"),
        (["qwen3-8b", "--on", "RTX 4090", "--goal", "fast"], "no rate"),
    ],
    ids=["model", "device", "context", "goal"],
)
def test_what_is_wrong_is_named(arguments: list[str], word: str) -> None:
    with pytest.raises(TsujiError, match=word):
        run(*arguments)


def test_what_was_measured_here_is_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TSUJI_HOME", str(tmp_path))
    (before,) = [plan for plan in json.loads(run("qwen3-0.6b", "--json"))["plans"] if plan["quantization"] == "Q8_0"]
    rates = {"tg32": 500.0, "pp512": 5000.0}
    record(tmp_path, [measured(test, rate) for test, rate in rates.items()] * 3)
    (after,) = [plan for plan in json.loads(run("qwen3-0.6b", "--json"))["plans"] if plan["quantization"] == "Q8_0"]
    rate, was = after["decode_tokens_per_s"], before["decode_tokens_per_s"]
    assert rate["median"] > was["median"]
    assert rate["high"] / rate["low"] < was["high"] / was["low"]


def measured(test: str, rate: float) -> Measured:
    facts = {"params_b": 0.6, "quant": "Q8_0", "size_gib": 0.6, "depth": 0, "threads": 2, "engine": "llama.cpp"}
    return Measured(time=0.0, name="small", model="Qwen3-0.6B-Q8_0", test=test, tokens_per_s=rate, **facts)
