"""`tsuji hw`: what was detected; devices compared on a model; which to buy; estimates for tables of runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsuji.core.errors import ConfigError, TsujiError

from .fit import Context, Goal, Loss, Users, asked, machine_on, model_named, rate_of, tokens
from .hw_estimate import estimate
from .options import AsJson
from .terminal import console, print_json, print_table

if TYPE_CHECKING:
    from tsuji.hardware.device import Device
    from tsuji.hardware.model import Model
    from tsuji.hardware.money import Assumptions
    from tsuji.hardware.plan import Goals, Plan

app = typer.Typer(invoke_without_command=True, help="Hardware: what there is here, what others would do, what to buy.")
app.command("estimate")(estimate)

Named = Annotated[str, typer.Argument(help="The model's name.")]
_MOST_RENTED = 8
_KINDS = ("gpu-consumer", "gpu-modded", "gpu-workstation", "gpu-datacenter", "unified")


@app.callback()
def hw(context: typer.Context, as_json: AsJson = False) -> None:
    """Say what this machine has, and from where that is known."""
    if context.invoked_subcommand is None:
        _detected(as_json)


def _detected(as_json: bool) -> None:
    from tsuji.hardware.detect import detect, measured_bandwidth

    found = detect()
    bandwidth = measured_bandwidth(found.host.cores)
    host = found.host
    if as_json:
        import msgspec

        print_json({**msgspec.to_builtins(found), "measured_bandwidth_gbs": round(bandwidth, 1)})
        return
    free = f"{_gib(host.free_mib)} free ({host.limited_by})" if host.limited_by else _gib(host.free_mib)
    rows = [
        ["processor", f"{host.processor}, {host.cores} cores to use", "/proc/cpuinfo, affinity, control group"],
        ["instructions", " ".join(host.isa) or "unknown", "/proc/cpuinfo"],
        ["memory", f"{_gib(host.ram_mib)}, {free}", "/proc/meminfo, control group"],
        ["bandwidth", f"{bandwidth:.1f} GB/s, read and written", "measured now: copies of 64 MiB on every core"],
    ]
    for card in found.cards:
        known = card.device.name if card.device else "not in the catalogue"
        size = f"{_gib(card.total_mib)}, {_gib(card.free_mib)} free"
        rows.append([card.name, f"{size}; {known}{'; ' + card.note if card.note else ''}", card.source])
    if not found.cards:
        rows.append(["graphics", "none found", "nvidia-smi, /sys/class/drm"])
    print_table("", ("what", "how much", "from"), rows)


def _gib(mib: float | None) -> str:
    return f"{mib / 1024:.1f} GiB" if mib is not None else "unknown"


@app.command("compare")
def compare(
    model: Named,
    devices: Annotated[list[str], typer.Argument(help="Devices, as --on of `tsuji fit` takes them.")],
    context: Context = "8192",
    users: Users = 1,
    goal: Goal = "10",
    max_loss: Loss = 0.2,
    png: Annotated[Path | None, typer.Option("--png", help="Draw it, too.", show_default=False)] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            help="CSV of runs (columns of tsuji hw estimate --speed): their points are drawn.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare devices on a model: memory, speed with its interval, what holds back."""
    meant = model_named(model)
    goals = _goals(context, users, goal, max_loss)
    found = [(name, _best(meant, name, goals)) for name in devices]
    if as_json:
        print_json({"model": meant.name, "devices": [_facts(name, plan) for name, plan in found]})
    else:
        print_table(
            f"{meant.name}, {asked(goals)}",
            _COMPARED,
            [_row(*one) for one in found],
        )
    if png is not None:
        from .hw_picture import draw

        draw(meant, found, png, measured)


_COMPARED = ("device", "quantization", "memory, GiB", "of", "decode, tok/s", "80 %", "prefill, tok/s", "holds back")


def _row(name: str, plan: "Plan | None") -> list[str]:
    if plan is None:
        return [name, "does not fit", *["-"] * 6]
    rate = plan.decode
    return [
        name,
        plan.quant.name,
        f"{plan.memory.on_devices / 1024:.1f}",
        f"{plan.free_mib / 1024:.1f}",
        f"{rate.median:.3g}",
        f"{rate.low:.3g} to {rate.high:.3g}",
        f"{plan.prefill.median:,.0f}",
        plan.bottleneck,
    ]


def _facts(name: str, plan: "Plan | None") -> dict[str, Any]:
    from .fit import facts_of

    return {"device": name, "plan": facts_of(plan) if plan is not None else None}


def _best(model: "Model", name: str, goals: "Goals") -> "Plan | None":
    from tsuji.hardware.plan import best

    return best(model, machine_on(name, None), goals)


def _goals(context: str, users: int, goal: str, max_loss: float) -> "Goals":
    from tsuji.hardware.plan import Goals

    return Goals(context=tokens(context), users=users, rate=rate_of(goal), max_kld=max_loss)


@app.command("buy")
def buy(
    model: Named,
    budget: Annotated[float, typer.Option(min=0, help="Dollars, for the devices alone.")] = 5000.0,
    context: Context = "8192",
    users: Users = 1,
    goal: Goal = "10",
    max_loss: Loss = 0.2,
    most: Annotated[int, typer.Option(min=1, max=8, help="Devices alike in one machine.")] = 2,
    usd_kwh: Annotated[float, typer.Option(min=0, help="Dollars for a kilowatt-hour.")] = 0.17,
    months: Annotated[float, typer.Option(min=1, help="That the machine serves.")] = 36.0,
    busy: Annotated[float, typer.Option(min=0.001, max=1, help="Share of the time in which it works.")] = 0.25,
    as_json: AsJson = False,
) -> None:
    """Rank what may be bought for a model: inference and training judged apart, with what a million tokens cost."""
    from tsuji.hardware.hosted import cheapest
    from tsuji.hardware.money import Assumptions

    meant = model_named(model)
    goals = _goals(context, users, goal, max_loss)
    given = Assumptions(usd_kwh=usd_kwh, months=months, busy=busy)
    offer = cheapest(meant)
    hosted = (offer.usd_input, offer.usd_output) if offer is not None else None
    found = [one for row in _sold(budget) for one in [_bought(meant, row, budget, most, goals, given, hosted)] if one]
    found.sort(key=lambda one: (not one["meets"], one["usd_million"]))
    rented = _rented(meant, goals, given)
    if as_json:
        import msgspec

        shown = offer._asdict() if offer is not None else None
        assumed = msgspec.to_builtins(given)
        print_json({"model": meant.name, "hosted": shown, "assumed": assumed, "devices": found, "rented": rented})
        return
    _print_bought(meant, found, offer, given)
    _print_rented(rented)


def _sold(budget: float) -> "list[Device]":
    from tsuji.hardware.devices import devices

    return [
        row
        for row in devices()
        if row.kind in _KINDS
        and row.launch_price_usd
        and row.launch_price_usd <= budget
        and row.tdp_w
        and row.memory_gb
    ]


def _bought(
    model: "Model",
    row: "Device",
    budget: float,
    most: int,
    goals: "Goals",
    given: "Assumptions",
    hosted: "tuple[float, float] | None",
) -> dict[str, Any] | None:
    """The fewest of them that meet the goals; else as many as there may be. None where the model does not fit."""
    from tsuji.hardware.money import break_even, owning
    from tsuji.hardware.plan import best, machine_of
    from tsuji.hardware.training import training

    price, watts = row.launch_price_usd or 0.0, row.tdp_w or 0.0
    plan, count = None, 0
    for number in range(1, min(most, int(budget // price)) + 1 if not row.unified else 2):
        try:
            tried = best(model, machine_of(row, number), goals)
        except TsujiError:
            return None
        if tried is not None and tried.fits:
            plan, count = tried, number
            if tried.meets:
                break
    if plan is None:
        return None
    rate = plan.decode.median * goals.users
    own = owning(price * count, watts * count, rate, given)
    even = break_even(price * count, watts * count, rate, hosted, given) if hosted is not None else None
    taught = training(model, row, "lora").tokens_per_s
    return {
        "device": row.name,
        "count": count,
        "price_usd": price * count,
        "quantization": plan.quant.name,
        "meets": plan.meets,
        "decode_tokens_per_s": round(plan.decode.median, 2),
        "low": round(plan.decode.low, 2),
        "high": round(plan.decode.high, 2),
        "prefill_tokens_per_s": round(plan.prefill.median, 1),
        "lora_tokens_per_s": round(taught * count, 1) if taught is not None else None,
        "usd_million": round(own.usd_million, 3),
        "power_usd_month": round(own.power_usd_month, 2),
        "break_even_tokens_day": round(even.tokens_day) if even and even.tokens_day is not None else None,
        "break_even_months": round(even.months, 1) if even and even.months is not None else None,
    }


def _rented(model: "Model", goals: "Goals", given: "Assumptions") -> list[dict[str, Any]]:
    """Machines by the hour that meet the goals, cheapest first; they are paid for while they wait, too."""
    from tsuji.hardware.devices import device, instances
    from tsuji.hardware.plan import best, machine_of

    found: list[dict[str, Any]] = []
    for row in instances():
        of = device(row.device)
        plan = best(model, machine_of(of, row.count), goals) if of is not None else None
        if plan is not None and plan.meets:
            rate = plan.decode.median * goals.users
            cost = row.price_usd_hour / (rate * 3600 * given.busy) * 1e6
            facts = {"instance": row.name, "usd_hour": row.price_usd_hour, "quantization": plan.quant.name}
            found.append({**facts, "decode_tokens_per_s": round(plan.decode.median, 2), "usd_million": round(cost, 2)})
    return sorted(found, key=lambda one: one["usd_million"])


def _print_rented(rented: list[dict[str, Any]]) -> None:
    rows = [
        [
            one["instance"],
            f"{one['usd_hour']:.2f}",
            one["quantization"],
            f"{one['decode_tokens_per_s']:.3g}",
            f"{one['usd_million']:.2f}",
        ]
        for one in rented[:_MOST_RENTED]
    ]
    if rows:
        columns = ("by the hour", "$/hour (late 2025)", "quantization", "decode, tok/s", "$/M")
        print_table("\nThe same, rented, busy as long", columns, rows)


def _print_bought(model: "Model", found: list[dict[str, Any]], offer: Any, given: "Assumptions") -> None:
    out = console()
    if not found:
        raise ConfigError("nothing of that price fits the model; raise --budget or --most, or --max-loss")
    rows = [
        [
            f"{one['count']} x {one['device']}" if one["count"] > 1 else one["device"],
            f"{one['price_usd']:,.0f}",
            one["quantization"],
            f"{one['decode_tokens_per_s']:.3g} ({one['low']:.3g} to {one['high']:.3g})",
            f"{one['prefill_tokens_per_s']:,.0f}",
            f"{one['lora_tokens_per_s']:,.0f}" if one["lora_tokens_per_s"] is not None else "-",
            f"{one['usd_million']:.2f}",
            f"{one['break_even_months']:,.0f}" if one["break_even_months"] is not None else "never",
            "" if one["meets"] else "slower than the goal",
        ]
        for one in found
    ]
    columns = (
        "device",
        "launch price, $",
        "quantization",
        "decode, tok/s",
        "prefill, tok/s",
        "LoRA, tok/s",
        "$/M",
        "months",
        "",
    )
    print_table(f"{model.name}: what may be bought, by what a million tokens cost", columns, rows)
    out.print(
        f"\nAssumed: launch prices, {given.usd_kwh:g} $/kWh, {given.months:g} months, {given.resale:.0%} resale, busy "
        f"{given.busy:.0%} of the time, {given.host_w:g} W of host. Decode is inference, which bandwidth decides; LoRA "
        "is training, which compute decides. months: until it has earned its price against the cheapest provider below."
    )
    if offer is None:
        out.print("No provider's price for this model is known, so there is nothing to compare with.")
    else:
        out.print(
            f"Cheapest hosted: {offer.provider}:{offer.name}, {offer.usd_input:g} $/M in, {offer.usd_output:g} $/M out."
        )
