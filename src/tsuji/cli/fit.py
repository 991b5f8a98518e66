"""`tsuji fit`: what a machine can run of a model, or of all models: quantization, memory, speed, flags."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsuji.core.errors import ConfigError, ModelNotFoundError

from .options import AsJson
from .terminal import console, print_json, print_table

if TYPE_CHECKING:
    from tsuji.hardware.model import Model
    from tsuji.hardware.plan import Goals, Machine, Plan

HERE = "this machine"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmM]?)(?:i?b)?$")
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:tok(?:ens)?/s|t/s)?$")

On = Annotated[
    str,
    typer.Option("--on", help='A device: "RTX 4090 48GB mod", dgx-spark, "2x RTX 3090", "Mac Studio M3 Ultra 512GB".'),
]
Context = Annotated[str, typer.Option("--context", help="Tokens for each user: 8192, 32k, 1M.")]
Users = Annotated[int, typer.Option("--users", min=1, max=10_000, help="At the same time.")]
Goal = Annotated[str, typer.Option("--goal", help="Tokens per second for each user, as in 20tok/s.")]
Ram = Annotated[
    float | None, typer.Option("--ram", min=0, help="GB of the host's memory, for what a card cannot hold.")
]
Loss = Annotated[float, typer.Option("--max-loss", min=0, help="KL divergence from 16 bits that is borne, in nats.")]


def fit(
    model: Annotated[str | None, typer.Argument(help="Its name. Left out: everything that fits, best first.")] = None,
    on: On = HERE,
    context: Context = "8192",
    users: Users = 1,
    goal: Goal = "10",
    ram: Ram = None,
    max_loss: Loss = 0.2,
    explain: Annotated[bool, typer.Option("--explain", help="Every input and formula, with numbers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what a machine can run, at which quantization, how fast, and with which flags."""
    from tsuji.hardware.plan import Goals

    machine = machine_on(on, ram)
    goals = Goals(context=tokens(context), users=users, rate=rate_of(goal), max_kld=max_loss)
    if model is None:
        _everything(machine, goals, as_json)
    else:
        _one(model_named(model), machine, goals, explain=explain, as_json=as_json)


def tokens(said: str) -> int:
    """ "32k" is 32,768. Raises ConfigError."""
    found = _SIZE.match(said.strip())
    count = float(found[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[found[2].lower()] if found else 0
    if not 1 <= count <= 1 << 30:
        raise ConfigError(f"--context {said!r} is no number of tokens; write 8192, 32k or 1M")
    return int(count)


def rate_of(said: str) -> float:
    """ "20tok/s" is 20.0. Raises ConfigError."""
    found = _RATE.match(said.strip().lower())
    if not found:
        raise ConfigError(f"--goal {said!r} is no rate; write 20tok/s")
    return float(found[1])


def model_named(name: str) -> "Model":
    """Raises ModelNotFoundError with names that are near."""
    from tsuji.hardware.models import model, nearest

    found = model(name)
    if found is None:
        near = nearest(name)
        hint = f"; near to it: {', '.join(near)}" if near else ""
        raise ModelNotFoundError(f"{name!r} is no model of the catalogue{hint}", model=name)
    return found


def machine_on(said: str, ram_gb: float | None) -> "Machine":
    """A device of the catalogue, or what this machine has. Raises ConfigError."""
    from tsuji.hardware.devices import named, nearest
    from tsuji.hardware.plan import machine_of

    if said == HERE:
        from .bench import measured_on

        return measured_on(_here(ram_gb))
    found = named(said)
    if found is None:
        near = nearest(said)
        hint = f"; near to it: {', '.join(near)}" if near else ""
        raise ConfigError(f"--on {said!r} is no device of the catalogue{hint}")
    ram = ram_gb if ram_gb is not None else (found.memory_gb if found.device.memory_gb is None else None)
    return machine_of(found.device, found.count, ram * 1024 if ram is not None else None)


def _here(ram_gb: float | None) -> "Machine":
    from tsuji.hardware.detect import detect, measured_bandwidth, processor_of
    from tsuji.hardware.plan import Machine

    found = detect()
    ram = ram_gb * 1024 if ram_gb is not None else found.host.free_mib
    known = [card for card in found.cards if card.device is not None and card.free_mib is not None]
    if known:
        card = max(known, key=lambda card: card.free_mib or 0)
        alike = [other for other in known if other.name == card.name]
        assert card.device is not None and card.free_mib is not None
        free = min(other.free_mib or 0.0 for other in alike)
        return Machine(device=card.device, count=len(alike), free_mib=free, ram_mib=None if card.unified else ram)
    if ram is None:
        raise ConfigError("this system does not say how much memory there is; say it: --ram 16")
    return processor_of(found.host, ram, measured_bandwidth(found.host.cores))


def _one(model: "Model", machine: "Machine", goals: "Goals", *, explain: bool, as_json: bool) -> None:
    from tsuji.hardware.plan import explained, plans, within

    found = plans(model, machine, goals)
    if as_json:
        facts = {"model": model.name, "device": machine.device.name, "devices": machine.count}
        print_json({**facts, "plans": [facts_of(plan) | (explained(plan) if explain else {}) for plan in found]})
        return
    out = console()
    licence = f"{model.licence}, commercial use: {model.commercial}" if model.licence else ""
    kept = within(model, goals)
    out.print(f"{model.name} on {_called(machine)}, {asked(kept)}. {licence}")
    if kept.context < goals.context:
        out.print(f"It was trained for {kept.context:,} tokens of context, and gets no more.")
    if not found:
        out.print(f"It does not fit, at any quantization within a loss of {goals.max_kld:g}: {_needs(model, goals)}")
        raise typer.Exit(1)
    print_table("", _COLUMNS, [_row(plan) for plan in found])
    first = found[0]
    out.print(f"\nllama-server -m {model.name.replace(' ', '-')}-{first.quant.name}.gguf {first.flags}")
    if first.vllm:
        out.print(first.vllm)
    out.print(f"What holds it back first: {first.bottleneck}.{_short(first, goals)}")
    if explain:
        _explain(first)


def _everything(machine: "Machine", goals: "Goals", as_json: bool) -> None:
    """By what models are worth of: size, as far as their quality at that quantization carries it."""
    from tsuji.hardware.models import models
    from tsuji.hardware.plan import best

    found = [plan for model in models() if (plan := best(model, machine, goals)) is not None and plan.fits]
    sizes = {model.name: model.params_b for model in models()}
    found.sort(key=lambda plan: (not plan.meets, -sizes[plan.model] * (1 - plan.quant.kld)))
    if as_json:
        print_json(
            {"device": machine.device.name, "devices": machine.count, "plans": [facts_of(plan) for plan in found]}
        )
        return
    title = f"What fits {_called(machine)}, {asked(goals)}"
    print_table(title, ("model", *_COLUMNS), [[plan.model, *_row(plan)] for plan in found])


_COLUMNS = (
    "quantization",
    "loss",
    "memory, GiB",
    "of",
    "decode, tok/s",
    "80 %",
    "prefill, tok/s",
    "KV",
    "holds back",
    "",
)


def _row(plan: "Plan") -> list[str]:
    rate, needed = plan.decode, plan.memory
    held = "meets the goal" if plan.meets else "slower than the goal" if plan.fits else "spills"
    if plan.spilled_mib:
        held = f"{plan.spilled_mib / 1024:.1f} GiB spill into the host's memory"
    return [
        plan.quant.name,
        f"{plan.quant.kld:.3f}",
        f"{needed.on_devices / 1024:.1f}",
        f"{plan.free_mib / 1024:.1f}",
        f"{rate.median:.3g}",
        f"{rate.low:.3g} to {rate.high:.3g}",
        f"{plan.prefill.median:,.0f}",
        plan.cache_type,
        plan.bottleneck,
        held,
    ]


def facts_of(plan: "Plan") -> dict[str, Any]:
    """For --json."""
    return {
        "model": plan.model,
        "quantization": plan.quant.name,
        "kl_divergence": plan.quant.kld,
        "memory_mib": round(plan.memory.on_devices, 1),
        "free_mib": round(plan.free_mib, 1),
        "fits": plan.fits,
        "meets": plan.meets,
        "spilled_mib": round(plan.spilled_mib, 1),
        "decode_tokens_per_s": _interval(plan.decode.median, plan.decode.low, plan.decode.high),
        "prefill_tokens_per_s": _interval(plan.prefill.median, plan.prefill.low, plan.prefill.high),
        "cache_type": plan.cache_type,
        "bottleneck": plan.bottleneck,
        "llama_server": plan.flags,
        "vllm": plan.vllm,
    }


def _interval(median: float, low: float, high: float) -> dict[str, float]:
    return {"median": round(median, 3), "low": round(low, 3), "high": round(high, 3)}


def _called(machine: "Machine") -> str:
    many = f"{machine.count} x " if machine.count > 1 else ""
    return f"{many}{machine.device.name} ({machine.free_mib * machine.count / 1024:.1f} GiB free)"


def asked(goals: "Goals") -> str:
    """For a title."""
    return f"{goals.context:,} tokens of context, {goals.users} user{'s' if goals.users > 1 else ''}"


def _needs(model: "Model", goals: "Goals") -> str:
    from tsuji.hardware.memory import Setting, memory
    from tsuji.hardware.quant import quants, weights_mib

    smallest = [quant for quant in quants() if quant.kld <= goals.max_kld][-1:] or [quants()[0]]
    setting = Setting(context=goals.context * goals.users, slots=goals.users, type_k="q8_0", type_v="q8_0")
    need = memory(model, weights_mib(model, smallest[0]), setting, "CUDA").on_devices
    return f"{smallest[0].name} needs {need / 1024:.1f} GiB. Less context, fewer users or --max-loss may help."


def _short(plan: "Plan", goals: "Goals") -> str:
    if plan.fits and not plan.meets:
        return f" No quantization within the loss reaches {goals.rate:g} tokens per second."
    return ""


def _explain(plan: "Plan") -> None:
    from tsuji.hardware.plan import explained

    facts = explained(plan)
    print_table("\nMemory, MiB", ("part", "MiB"), [[name, f"{mib:,}"] for name, mib in facts["memory_mib"].items()])
    parts = [
        [part["name"], part["formula"], f"{part['ms_by_data_sheet']}", f"{part['fitted_factor']}", f"{part['ms']}"]
        for part in facts["decode"]["parts"]
    ]
    print_table("\nA token of decode", ("part", "formula", "ms by data sheet", "x fitted", "= ms"), parts)
    print_table("\nInputs", ("name", "value"), [[key, str(value)] for key, value in facts["decode"]["inputs"].items()])
