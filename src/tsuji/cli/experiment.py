"""`tsuji experiment`: plan one, see what may be said of it, stop it."""

from pathlib import Path
from random import Random
from time import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import AsJson, ConfigFile

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.routing.experiment import Experiment

app = typer.Typer(
    help="Compare targets on a route, with statistics that may be looked at any day.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_SEED = 20_240_607
_MICRO = 1_000_000


@app.command()
def plan(
    effect: Annotated[float, typer.Option(help="The difference that is to be found, in the metric's unit.")],
    base: Annotated[
        float | None, typer.Option(help="Of a share, such as an error rate: what it is now.", show_default=False)
    ] = None,
    deviation: Annotated[
        float | None, typer.Option(help="Of anything else: its standard deviation.", show_default=False)
    ] = None,
    shares: Annotated[str, typer.Option(help="Of the arms, the control first.")] = "1,1",
    alpha: Annotated[float, typer.Option(help="Probability of a difference where there is none.")] = 0.05,
    power: Annotated[float, typer.Option(help="Probability that the effect is found.")] = 0.8,
    runs: Annotated[int, typer.Option(min=10, max=100_000, help="Of the simulation that checks the plan.")] = 1000,
    json: AsJson = False,
) -> None:
    """How many users, sessions or requests each arm needs, when it is looked at all the time."""
    from msgspec.structs import asdict

    from tsuji.routing.experiment import power as planning

    from .terminal import console, print_json

    found = planning.plan(effect, _deviations(effect, base, deviation), _shares(shares), alpha, power)
    reached, wrong, middle = planning.simulate(found, Random(_SEED).gauss, runs)  # noqa: S311 - a simulation
    if json:
        checked = {"runs": runs, "found": reached, "false": wrong, "median_units": middle}
        print_json(asdict(found) | {"simulation": checked})
        return
    out = console()
    each = ", ".join([f"{n:,}" for n in found.units])
    out.print(f"{found.total:,} units in all ({each} by arm); looked at once, {found.once:,} would do.", markup=False)
    out.print(
        f"Checked by {runs:,} simulated experiments of 100 looks: the effect was found in {reached:.1%} of them, "
        f"in half of these by {middle:,} units; where there was none, one was found in {wrong:.1%}.",
        markup=False,
    )
    out.print(f"In the configuration: planned = {found.total}", markup=False)


@app.command("list")
def list_(config: ConfigFile = None, json: AsJson = False) -> None:
    """All experiments, those of the configuration and those that there have been."""
    from tsuji.ledger import outcomes
    from tsuji.ledger.database import explained

    from .ledger import moment, open_ledger
    from .terminal import print_json, print_table

    with open_ledger(config) as (settings, engine), explained():
        known = _known(settings)
        found = outcomes.summaries(engine)
        stopped = outcomes.stops(engine, {row.experiment for row in found} | known.keys())
    seen = {(row.experiment, row.arm) for row in found}
    for name, (_, experiment) in known.items():
        found += [
            outcomes.Summary(name, arm.name, 0, 0, 0, 0, 0) for arm in experiment.arms if (name, arm.name) not in seen
        ]
    rows: list[dict[str, Any]] = []
    for row in sorted(found):
        over = [one for one in stopped.get(row.experiment, []) if one.arm in ("", row.arm)]
        state = "" if row.experiment in known else "not in the configuration"
        state = f"stopped by {over[0].who}" if over else state or "running"
        rows.append(
            row._asdict() | {"route": known[row.experiment][0] if row.experiment in known else "", "state": state}
        )
    if json:
        print_json(rows)
        return
    table = [
        [
            r["experiment"], r["route"], r["arm"], f"{r['requests'] - r['shadows']:,}", f"{r['shadows']:,}",
            f"${r['cost'] / 1e9:,.4f}", moment(r["last"]) if r["last"] else "", r["state"],
        ]
        for r in rows
    ]  # fmt: skip
    print_table("", ["experiment", "route", "arm", "requests", "mirrored", "cost", "last", "state"], table)


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="Of the experiment.")],
    png: Annotated[
        Path | None, typer.Option(help="Write a picture, too: needs tsuji[plots].", show_default=False)
    ] = None,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """What may be said of an experiment's arms now. Look as often as you like."""
    from tsuji.ledger import outcomes
    from tsuji.ledger.database import explained
    from tsuji.routing.experiment.analysis import analyse
    from tsuji.routing.experiment.units import gather

    from .experiment_text import as_json, show
    from .ledger import open_ledger
    from .terminal import console, print_json

    with open_ledger(config) as (settings, engine), explained():
        _, experiment = _one(settings, name)
        gathered = gather(experiment, outcomes.rows(engine, experiment), int(time() * _MICRO))
        state = outcomes.state_of(experiment, outcomes.stops(engine, [name]).get(name, []))
    found = analyse(experiment, gathered, state)
    if png is not None:
        from .experiment_picture import draw

        draw(experiment, found, png)
    if json:
        print_json(as_json(found))
        return
    show(console(), experiment, found)
    if png is not None:
        console(error=True).print(f"The picture is in {png}.", markup=False)


@app.command()
def stop(
    name: Annotated[str, typer.Argument(help="Of the experiment.")],
    arm: Annotated[str | None, typer.Option(help="Only this arm, which gets nothing more.", show_default=False)] = None,
    winner: Annotated[str | None, typer.Option(help="The arm that gets all. Default: the control.")] = None,
    reason: Annotated[str, typer.Option(help="For the audit.")] = "",
    config: ConfigFile = None,
) -> None:
    """End an experiment, or take one arm out of it; gateways hear of it within two seconds."""
    from tsuji.ledger import audit, outcomes
    from tsuji.ledger.database import explained

    from .ledger import open_ledger
    from .terminal import console

    if arm is not None and winner is not None:
        raise typer.BadParameter("--arm takes one arm out, --winner ends the experiment: choose one")
    with open_ledger(config) as (settings, engine), explained():
        _, experiment = _one(settings, name)
        best = None if arm is not None else winner or experiment.arms[0].name
        _check_arm(experiment, arm or best or "", out=arm is not None)
        made = outcomes.stop(engine, name, arm or "", best, int(time() * _MICRO), audit.CLI, reason)
    what = f"arm {arm!r} of {name!r} gets nothing more" if arm else f"{name!r} is over: {best!r} gets all requests"
    console().print(
        f"{what[0].upper() if not arm else 'A'}{what[1:]}." if made else "It was stopped before.", markup=False
    )


@app.command()
def resume(
    name: Annotated[str, typer.Argument(help="Of the experiment.")],
    arm: Annotated[str | None, typer.Option(help="Only this arm.", show_default=False)] = None,
    config: ConfigFile = None,
) -> None:
    """Take back what `stop` or a guardrail did."""
    from tsuji.ledger import audit, outcomes
    from tsuji.ledger.database import explained

    from .ledger import open_ledger
    from .terminal import console

    with open_ledger(config) as (_, engine), explained():
        made = outcomes.resume(engine, name, arm or "", audit.CLI)
    console().print("It goes on." if made else "It had not been stopped.", markup=False)


def _known(settings: "Config") -> "dict[str, tuple[str, Experiment]]":
    found = {name: route.experiment for name, route in settings.routes.items() if route.experiment is not None}
    return {experiment.name: (route, experiment) for route, experiment in found.items()}


def _one(settings: "Config", name: str) -> "tuple[str, Experiment]":
    """Raises InvalidRequestError."""
    from tsuji.core.errors import InvalidRequestError

    known = _known(settings)
    if name not in known:
        there = f"there are: {', '.join(sorted(known))}" if known else "it has none"
        raise InvalidRequestError(
            f"the configuration has no experiment {name!r}; {there}. A report needs its description, so put it back"
        )
    return known[name]


def _check_arm(experiment: "Experiment", arm: str, *, out: bool) -> None:
    arms = [one.name for one in experiment.arms]
    if arm not in arms:
        raise typer.BadParameter(f"{arm!r} is no arm of {experiment.name!r}, which has {', '.join(arms)}")
    if out and arm == arms[0]:
        raise typer.BadParameter(f"{arm!r} is the control; what others are compared with cannot be taken out")
    if not out and experiment.arms[arms.index(arm)].shadow:
        raise typer.BadParameter(f"{arm!r} is a shadow, and answers nobody; make it an arm first")


def _deviations(effect: float, base: float | None, deviation: float | None) -> tuple[float, float]:
    if (base is None) == (deviation is None):
        raise typer.BadParameter("give --base for a share, or --deviation for anything else")
    if base is None:
        return deviation or 0.0, deviation or 0.0
    if not (0 <= base <= 1 and 0 <= base + effect <= 1):
        raise typer.BadParameter("a share and what the effect makes of it lie between 0 and 1")
    after = base + effect
    return (base * (1 - base)) ** 0.5, (after * (1 - after)) ** 0.5


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple([float(part) for part in text.split(",")])
    except ValueError:
        raise typer.BadParameter(f"{text!r} are no shares; write 1,1 or 0.8,0.2") from None
