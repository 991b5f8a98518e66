"""Which quantization of a model a machine should run, how it is split, how fast that is, and what holds it back."""

import math
from typing import Any, Literal

import msgspec

from tsuji.core.errors import InvalidRequestError

from .calibrate import Pair, calibrated
from .device import Device
from .memory import Memory, Setting, memory
from .memory_vllm import paged
from .model import Model
from .quant import MXFP4, Quant, quants, weights_mib
from .speed import Estimate, decode, prefill
from .speed_compose import batched
from .speed_facts import chip_of, shape_of
from .speed_terms import Run

Bottleneck = Literal["memory", "bandwidth", "compute", "latency", "PCIe"]
MARGIN = 0.03
"""Of a device's memory, left free: loads differ by that from what is worked out (docs/hardware.md)."""
SYSTEM_MIB = 3072.0
"""Of a machine with one memory, for the system and its programs: assumed."""
APPLE_SHARES = ((36 * 1024.0, 0.67), (math.inf, 0.75))
"""Of its memory, macOS gives the GPU two thirds up to 36 GB and three quarters beyond (iogpu.wired_limit_mb)."""
CACHE_TYPES = ("f16", "q8_0")
_GIB = 1024.0
_BY_PART: dict[str, Bottleneck] = {
    "weights": "bandwidth",
    "kv": "bandwidth",
    "scores": "compute",
    "compute": "compute",
    "spill": "PCIe",
    "hops": "latency",
    "fixed": "latency",
}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """`count` devices alike.

    free_mib: of each one's memory, that a model may have. ram_mib: of the host, beside it, for what does not fit; None:
    unknown, and then nothing is put there. decoded, prefilled: what was measured on it, beside what had been estimated.
    """

    device: Device
    count: int = 1
    free_mib: float
    ram_mib: float | None = None
    decoded: tuple[Pair, ...] = ()
    prefilled: tuple[Pair, ...] = ()


class Goals(msgspec.Struct, frozen=True, kw_only=True):
    """context: tokens of each user. rate: tokens a second for each; a fast reader reads 10. max_kld: loss of quality
    that is borne, in nats (KL divergence from 16 bits); below that of Q8_0, 16 bits are considered too.
    """

    context: int = 8192
    users: int = 1
    rate: float = 10.0
    max_kld: float = 0.2


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One way of running a model. fits: all of it is on the devices; spilled_mib is what is not. meets: the goals.

    decode: tokens a second of one user, with all of them at work, at half the context; prefill: of a prompt as long as
    half the context, at most 2,048. flags: of llama-server; vllm: the same for vLLM, where it runs there.
    """

    model: str
    quant: Quant
    memory: Memory
    free_mib: float
    fits: bool
    spilled_mib: float
    meets: bool
    cache_type: str
    decode: Estimate
    prefill: Estimate
    bottleneck: Bottleneck
    flags: str
    vllm: str | None = None


def machine_of(device: Device, count: int = 1, ram_mib: float | None = None) -> Machine:
    """Of a device with nothing else on it. Raises InvalidRequestError where its memory is unknown."""
    if device.memory_gb is None:
        if ram_mib is None:
            raise InvalidRequestError(f"{device.name} has no memory of its own; say how much there is: --ram 64")
        return Machine(device=device, count=count, free_mib=max(ram_mib - SYSTEM_MIB, 0.0))
    whole = device.memory_gb * _GIB
    if device.vendor == "Apple":
        free = whole * next(share for limit, share in APPLE_SHARES if whole <= limit)
    elif device.unified:
        free = max(whole - SYSTEM_MIB, whole / 2)
    else:
        free = whole * (1 - MARGIN)
    return Machine(device=device, count=count, free_mib=free, ram_mib=None if device.unified else ram_mib)


def plans(model: Model, machine: Machine, goals: Goals) -> list[Plan]:
    """Every quantization within the borne loss, best first: those that meet the goals, by quality; then those that fit;
    then those that spill into the host's memory, by rate. Empty where nothing can hold it.

    Raises InvalidRequestError where the device's figures do not suffice for a speed.
    """
    goals = within(model, goals)
    found = [plan for quant in _choices(model, goals) for plan in _of(model, quant, machine, goals)]
    return sorted(found, key=_rank)


def within(model: Model, goals: Goals) -> Goals:
    """With no more context than the model was trained for."""
    return msgspec.structs.replace(goals, context=min(goals.context, model.context or goals.context))


def best(model: Model, machine: Machine, goals: Goals) -> Plan | None:
    """The first of `plans`."""
    return next(iter(plans(model, machine, goals)), None)


def _rank(plan: Plan) -> tuple[bool, bool, float, float]:
    """Of plans that miss the rate, the faster is the better."""
    return (not plan.meets, not plan.fits, plan.quant.kld if plan.meets else 0.0, -plan.decode.median)


def _choices(model: Model, goals: Goals) -> list[Quant]:
    """Q8_0 cannot be told from 16 bits in use, at half the memory and twice the speed."""
    whole, *smaller = quants()
    if model.architecture == "gpt-oss":
        return [MXFP4]
    borne = [quant for quant in smaller if quant.kld <= goals.max_kld]
    return borne or [whole]


def _of(model: Model, quant: Quant, machine: Machine, goals: Goals) -> list[Plan]:
    """With a cache of 16 bits; where that does not fit and one of 8 does, with that."""
    made = [_plan(model, quant, machine, goals, kind) for kind in CACHE_TYPES]
    held = [plan for plan in made if plan is not None]
    whole = [plan for plan in held if plan.fits]
    return whole[:1] or held[:1]


def _plan(model: Model, quant: Quant, machine: Machine, goals: Goals, kind: str) -> Plan | None:
    """None where there is no room for it, with the host's memory too."""
    setting = Setting(
        context=goals.context * goals.users,
        slots=goals.users,
        type_k=kind,
        type_v=kind,
        devices=machine.count,
    )
    needed = memory(model, weights_mib(model, quant), setting, machine.device.backend)
    free = machine.free_mib * machine.count
    used = needed.total if machine.device.unified else needed.on_devices
    spilled = max(used - free, 0.0)
    if spilled and (machine.ram_mib is None or spilled > machine.ram_mib - SYSTEM_MIB or spilled > needed.weights):
        return None
    run = _run(model, quant, machine, goals, needed, spilled)
    one = calibrated(decode(run), machine.decoded)
    rate = one if goals.users == 1 else _each(batched(run, one, goals.users), goals.users)
    prompt = msgspec.structs.replace(run, tokens=float(min(goals.context / 2, 2048)), depth=0.0)
    return Plan(
        model=model.name,
        quant=quant,
        memory=needed,
        free_mib=free,
        fits=not spilled,
        spilled_mib=spilled,
        meets=not spilled and rate.median >= goals.rate,
        cache_type=kind,
        decode=rate,
        prefill=calibrated(prefill(prompt), machine.prefilled),
        bottleneck=_bottleneck(one, spilled, needed, free),
        flags=_flags(model, setting, kind, spilled / needed.weights),
        vllm=_vllm(model, machine, goals),
    )


def _run(model: Model, quant: Quant, machine: Machine, goals: Goals, needed: Memory, spilled: float) -> Run:
    chip = chip_of(machine.device, count=machine.count)
    if chip is None:
        raise InvalidRequestError(
            f"of {machine.device.name} neither bandwidth nor rates are known: no speed can be said"
        )
    size = (needed.weights - (needed.embedding if model.tied else 0.0)) / _GIB
    held = (size - spilled / _GIB) if spilled else None
    return Run(
        device=chip.name,
        vendor=chip.vendor,
        backend=machine.device.backend,
        generation=chip.generation,
        bandwidth_gbs=chip.bandwidth_gbs,
        fp32_tflops=chip.fp32_tflops,
        fp16_tflops=chip.fp16_tflops,
        # what is read there, so that what was found to spill does
        memory_gb=held * 2**30 / 1e9 / 0.93 / machine.count if held is not None else None,
        discrete=chip.discrete,
        devices=machine.count,
        params_b=model.params_b,
        active_params_b=model.active_params_b or model.params_b,
        size_gib=size,
        quant=quant.name,
        shape=shape_of(model),
        tokens=128.0,
        depth=goals.context / 2,
        flash=True,
    )


def _each(together: Estimate, users: int) -> Estimate:
    return msgspec.structs.replace(
        together, median=together.median / users, low=together.low / users, high=together.high / users
    )


def _bottleneck(one: Estimate, spilled: float, needed: Memory, free: float) -> Bottleneck:
    """What a faster machine would have to have more of first: room, where little is left; else what time goes into."""
    if spilled:
        return "PCIe"
    if needed.on_devices > 0.97 * free:
        return "memory"
    times: dict[Bottleneck, float] = {}
    for part in one.parts:
        name = _BY_PART.get(part.name, "latency")
        times[name] = times.get(name, 0.0) + part.seconds
    return max(times, key=times.__getitem__)


def _flags(model: Model, setting: Setting, kind: str, share: float) -> str:
    """Of llama-server. share: of the weights, that does not fit: experts of so many layers, or so many layers, stay."""
    found = [f"-c {setting.context}", f"-np {setting.slots}", "-fa on"]
    if kind != "f16":
        found.append(f"-ctk {kind} -ctv {kind}")
    kept = math.ceil(share * model.layers)
    if share and model.experts:
        found += ["-ngl 99", f"--n-cpu-moe {min(kept + 1, model.layers)}"]
    else:
        found.append(f"-ngl {model.layers - kept if share else 99}")
    return " ".join(found)


def _vllm(model: Model, machine: Machine, goals: Goals) -> str | None:
    """vLLM loads what is published: 16 bits (gpt-oss: MXFP4), where all users fit; its GGUF support is experimental."""
    whole = machine.device.memory_gb
    if machine.device.backend not in ("CUDA", "ROCm") or whole is None:
        return None
    repository = model.source.removeprefix("https://huggingface.co/").partition("/blob/")[0]
    published = MXFP4 if model.architecture == "gpt-oss" else quants()[0]
    share = min(0.95, round(machine.free_mib / (whole * _GIB), 2))
    held = paged(
        model,
        whole * _GIB,
        weights_mib(model, published),
        context=goals.context,
        utilization=share,
        cards=machine.count,
        sequences=goals.users,
    )
    if held.at_once < goals.users:
        return None
    parallel = f" --tensor-parallel-size {machine.count}" if machine.count > 1 else ""
    return (
        f"vllm serve {repository} --max-model-len {goals.context} --max-num-seqs {goals.users} "
        f"--gpu-memory-utilization {share}{parallel}"
    )


def explained(plan: Plan) -> dict[str, Any]:
    """Every input and formula with its numbers, for `--explain` and `--json`."""
    needed = plan.memory
    return {
        "memory_mib": {
            "weights": round(needed.weights, 1),
            "input table (stays with the CPU)": round(needed.embedding, 1),
            "KV cache": round(needed.kv, 1),
            "compute buffer": round(needed.compute, 1),
            "backend": round(needed.overhead, 1),
            "on devices": round(needed.on_devices, 1),
            "free": round(plan.free_mib, 1),
        },
        "decode": {
            "inputs": plan.decode.inputs,
            "parts": [
                {
                    "name": part.name,
                    "formula": part.formula,
                    "ms_by_data_sheet": round(part.sheet_seconds * 1e3, 4),
                    "fitted_factor": round(part.factor, 3),
                    "ms": round(part.seconds * 1e3, 4),
                }
                for part in plan.decode.parts
            ],
        },
    }
