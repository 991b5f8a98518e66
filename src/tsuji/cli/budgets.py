"""`tsuji budgets`: limits on money, requests and tokens, and how they stand."""

import re
from enum import StrEnum
from time import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import AsJson, ConfigFile

if TYPE_CHECKING:
    from tsuji.ledger.limits import Limit
    from tsuji.ledger.limitstore import Standing

app = typer.Typer(
    help="Limit what keys, users, teams, routes, providers, targets and the gateway may spend, and see what is left.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_NANO = 1_000_000_000
_MONEY = re.compile(r"\$?([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_COUNT = re.compile(r"[0-9]{1,18}")


class Unpriced(StrEnum):
    REFUSE = "refuse"
    ALLOW = "allow"


Budget = Annotated[
    str | None,
    typer.Option(
        show_default=False,
        help="Dollars, as AMOUNT/PERIOD: 5/day, 100/month, 20/total; or of a span that rolls: 2.50/24h.",
    ),
]
Rpm = Annotated[int | None, typer.Option(min=0, show_default=False, help="Requests in any 60 seconds.")]
Tpm = Annotated[int | None, typer.Option(min=0, show_default=False, help="Tokens in any 60 seconds.")]
Concurrent = Annotated[int | None, typer.Option(min=0, show_default=False, help="Requests at one time.")]
_Which = Annotated[str | None, typer.Option(show_default=False, help="Whom it is on; '*': each on its own.")]


@app.command("set")
def set_limit(
    key: _Which = None,
    user: _Which = None,
    team: _Which = None,
    route: _Which = None,
    provider: _Which = None,
    target: Annotated[
        str | None, typer.Option(show_default=False, help="provider:model; '*': each on its own.")
    ] = None,
    budget: Budget = None,
    requests: Annotated[str | None, typer.Option(show_default=False, help="The same of requests: 1000/hour.")] = None,
    tokens: Annotated[str | None, typer.Option(show_default=False, help="The same of tokens: 1000000/day.")] = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrent: Concurrent = None,
    soft: Annotated[
        str | None, typer.Option(show_default=False, help="From here on answers say so; in dollars, or a count.")
    ] = None,
    unpriced: Annotated[
        Unpriced, typer.Option(help="With --budget: requests whose price is not known.")
    ] = Unpriced.REFUSE,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Set a limit; one of the same subject, unit and period is changed. With no subject, it is on the whole gateway."""
    from tsuji.ledger.keystore import find, first
    from tsuji.ledger.limitstore import put

    from .ledger import open_ledger
    from .terminal import console, print_json

    named = {"key": key, "user": user, "team": team, "route": route, "provider": provider, "target": target}
    subjects = [(kind, subject) for kind, subject in named.items() if subject is not None]
    if len(subjects) > 1:
        raise typer.BadParameter("a limit is on one of --key, --user, --team, --route, --provider and --target")
    with open_ledger(config) as (_, engine):
        kind, subject = subjects[0] if subjects else ("gateway", "")
        subject = first(engine, find(engine, subject)) if kind == "key" and subject != "*" else subject
        given = read_limits(kind, subject, budget, rpm, tpm, concurrent, requests=requests, tokens=tokens)
        if len(given) != 1:
            raise typer.BadParameter("say one of --budget, --requests, --tokens, --rpm, --tpm and --concurrent")
        one = put(engine, _with(given[0], soft, unpriced.value))
    if json:
        print_json(_facts(one))
    else:
        console(error=True).print(f"{one.id}: {_whose(one.kind, one.subject)}, {_allowed(one)}.", markup=False)


@app.command("list")
def list_limits(config: ConfigFile = None, json: AsJson = False) -> None:
    """Show all limits: what is spent, what is left, when it comes back. What workers hold to spend is neither."""
    from tsuji.ledger.limitstore import standings

    from .ledger import moment, open_ledger
    from .terminal import console, print_json, print_table

    with open_ledger(config) as (_, engine):
        found = standings(engine, int(time() * 1e6))
    if json:
        print_json([_standing(one) for one in found])
    elif not found:
        console(error=True).print("There are no limits. 'tsuji budgets set --budget 5/day' makes one.")
    else:
        rows = [
            [
                one.limit.id,
                _whose(one.limit.kind, one.subject),
                _allowed(one.limit),
                *[_shown(amount, one.limit.unit) for amount in (one.spent, one.held, one.left)],
                "-" if one.resets is None else moment(one.resets),
            ]
            for one in found
        ]
        print_table("", ["id", "of", "limit", "spent", "held", "left", "comes back (UTC)"], rows)


@app.command("remove")
def remove_limit(
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help="Its id.")], config: ConfigFile = None
) -> None:
    """Remove a limit. Every gateway knows within a second."""
    from tsuji.ledger.limitstore import remove

    from .ledger import open_ledger
    from .terminal import console

    with open_ledger(config) as (_, engine):
        remove(engine, limit)
    console(error=True).print(f"Removed {limit}.", markup=False)


def read_limits(
    kind: str,
    subject: str,
    budget: str | None,
    rpm: int | None,
    tpm: int | None,
    concurrent: int | None,
    *,
    requests: str | None = None,
    tokens: str | None = None,
) -> "list[Limit]":
    """Those that were asked for."""
    minute = "60s"
    asked: list[tuple[str, int, str]] = []
    for unit, text in (("usd", budget), ("requests", requests), ("tokens", tokens)):
        if text is not None:
            amount, _, period = text.partition("/")
            asked.append((unit, _amount(amount, unit), _period(period)))
    for unit, count, period in (
        ("requests", rpm, minute),
        ("tokens", tpm, minute),
        ("concurrent", concurrent, "total"),
    ):
        if count is not None:
            asked.append((unit, count, period))
    return [_limit(kind, subject, *one) for one in asked]


def _limit(kind: str, subject: str, unit: str, amount: int, period: str) -> "Limit":
    import msgspec

    from tsuji.ledger.limits import Limit, new_limit_id

    facts = {"kind": kind, "subject": subject, "unit": unit, "amount": amount, "period": period}
    return msgspec.convert({"id": new_limit_id(), "created": int(time() * 1e6), **facts}, Limit)


def _with(limit: "Limit", soft: str | None, unpriced: str) -> "Limit":
    import msgspec

    changes: dict[str, Any] = {"unpriced": unpriced}
    if soft is not None:
        changes["soft"] = _amount(soft, limit.unit)
    return msgspec.structs.replace(limit, **changes)


def _amount(text: str, unit: str) -> int:
    """Of dollars in nano-dollars, by the digits that were written."""
    text = text.strip()
    if unit == "usd":
        found = _MONEY.fullmatch(text)
        if found is None:
            raise typer.BadParameter(f"{text!r} is no amount of dollars, such as 5 or 2.50")
        return int(found[1]) * _NANO + int((found[2] or "").ljust(9, "0"))
    if not _COUNT.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no count, such as 1000")
    return int(text)


def _period(text: str) -> str:
    from tsuji.ledger.limits import CALENDAR, TOTAL

    from .ledger import span

    text = text.strip()
    if text in ("", TOTAL):
        return TOTAL
    return text if text in CALENDAR else f"{span(text)}s"


def _whose(kind: str, subject: str) -> str:
    return f"{kind} {subject}".strip()


def _allowed(limit: "Limit") -> str:
    soft = "" if limit.soft is None else f", soft from {_shown(limit.soft, limit.unit)}"
    period = "" if limit.period == "total" else f" per {limit.period}"
    what = {"usd": "", "concurrent": " at one time"}.get(limit.unit, f" {limit.unit}")
    return f"{_shown(limit.amount, limit.unit)}{what}{period}{soft}"


def _shown(amount: int, unit: str) -> str:
    return f"{amount:,}" if unit != "usd" else f"${amount / _NANO:,.{2 if amount % (_NANO // 100) == 0 else 6}f}"


def _facts(limit: "Limit") -> dict[str, Any]:
    """Amounts are nano-dollars where the unit is usd. Times are ISO 8601, UTC."""
    import msgspec

    from .ledger import iso

    return {**msgspec.to_builtins(limit), "created": iso(limit.created)}


def _standing(one: "Standing") -> dict[str, Any]:
    from .ledger import iso

    amounts = {"spent": one.spent, "held": one.held, "left": one.left, "resets": iso(one.resets)}
    return {**_facts(one.limit), "subject": one.subject, **amounts}
