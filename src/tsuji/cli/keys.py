"""`tsuji keys`: virtual keys of the gateway."""

from time import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .budgets import Budget, Concurrent, Rpm, Tpm, read_limits
from .options import AsJson, ConfigFile

if TYPE_CHECKING:
    from tsuji.ledger.keys import Key, Scopes

app = typer.Typer(
    help="Make, list, revoke and rotate the gateway's virtual keys.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_List = list[str] | None
_Models = Annotated[
    _List, typer.Option(help="Routes and provider:model it is for, with *; may be repeated. Default: all.")
]
_Operations = Annotated[
    _List, typer.Option(help="What it is for: chat, embeddings, models, metrics; may be repeated. Default: all.")
]
_Ip = Annotated[_List, typer.Option(help="Address or range that it may be used from; may be repeated.")]
_Require = Annotated[
    _List, typer.Option(help="What a target must be for it: a tag, no_training or local_only; may be repeated.")
]
_Which = Annotated[str, typer.Argument(metavar="KEY", help="Its id, or its name if no other key is called so.")]


def _now() -> int:
    return int(time() * 1e6)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What to call it; a name for people.")],
    models: _Models = None,
    operations: _Operations = None,
    ip: _Ip = None,
    require: _Require = None,
    explain: Annotated[bool, typer.Option("--explain", help="It may be told how targets are chosen.")] = False,
    expires: Annotated[
        str | None, typer.Option(help="After how long it ends: 30m, 12h, 30d.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option(help="Whose it is.", show_default=False)] = None,
    team: Annotated[str | None, typer.Option(help="Whose it is.", show_default=False)] = None,
    tag: Annotated[_List, typer.Option(help="On every record of its requests; may be repeated.")] = None,
    metadata: Annotated[_List, typer.Option(help="NAME=VALUE, kept with it; may be repeated.")] = None,
    budget: Budget = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrent: Concurrent = None,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Make a key. It is shown this once, on standard output."""
    from tsuji.ledger.keys import Key, new_id, new_key
    from tsuji.ledger.keystore import create
    from tsuji.ledger.opening import hasher

    from .ledger import open_ledger, span

    now, shown = _now(), new_key()
    scopes = _scopes(models, operations, ip, require, explain=explain)
    with open_ledger(config) as (settings, engine):
        key = Key(
            id=new_id(),
            digest=hasher(settings, engine).digest(shown.encode()),
            name=name,
            user_id=user,
            team_id=team,
            created=now,
            expires=None if expires is None else now + span(expires) * 1_000_000,
            scopes=scopes,
            tags=tuple(tag or ()),
            metadata=dict([_pair(text) for text in metadata or ()]),
        )
        create(engine, key, read_limits("key", key.id, budget, rpm, tpm, concurrent))
    _show(key, shown, json)


@app.command("list")
def list_keys(config: ConfigFile = None, json: AsJson = False) -> None:
    """Show all keys: whose they are, what they are for, how long they live."""
    from tsuji.ledger.database import explained
    from tsuji.ledger.keystore import all_keys

    from .ledger import moment, open_ledger
    from .terminal import console, print_json, print_table

    with open_ledger(config) as (_, engine), explained():
        _, keys = all_keys(engine)
    if json:
        print_json([_facts(key) for key in keys])
    elif not keys:
        console(error=True).print("There are no keys. 'tsuji keys create NAME' makes one.")
    else:
        now = _now()
        rows = [[k.id, k.name, _owner(k), k.standing(now), moment(k.expires), _purpose(k)] for k in keys]
        print_table("", ["id", "name", "owner", "state", "expires (UTC)", "for"], rows)


@app.command("revoke")
def revoke(key: _Which, config: ConfigFile = None) -> None:
    """End a key. Every gateway refuses it within a second."""
    from tsuji.ledger.keystore import find, revoke

    from .ledger import open_ledger
    from .terminal import console

    with open_ledger(config) as (_, engine):
        found = find(engine, key)
        revoke(engine, found.id, _now())
    console(error=True).print(f"Revoked {found.id} ({found.name}).", markup=False)


@app.command("rotate")
def rotate(
    key: _Which,
    overlap: Annotated[str, typer.Option(help="For how long the old one stays good: 0s, 30m, 1h, 7d.")] = "1h",
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Make a new key for all that an old one was for; both are good for a while."""
    from tsuji.ledger.keys import new_key
    from tsuji.ledger.keystore import find, rotate
    from tsuji.ledger.opening import hasher

    from .ledger import moment, open_ledger, span
    from .terminal import console

    now, shown = _now(), new_key()
    until = now + span(overlap) * 1_000_000
    with open_ledger(config) as (settings, engine):
        old = find(engine, key)
        new = rotate(engine, old.id, hasher(settings, engine).digest(shown.encode()), now, until)
    _show(new, shown, json)
    console(error=True).print(f"The old one, {old.id}, ends {moment(until)} UTC at the latest.", markup=False)


def _scopes(models: _List, operations: _List, ip: _List, require: _List, *, explain: bool) -> "Scopes":
    """Raises InvalidRequestError for an operation or an address that is none."""
    from tsuji.ledger.grant import check_scopes
    from tsuji.ledger.keys import Scopes

    scopes = Scopes(_split(models), _split(operations), _split(ip), _split(require), explain)
    check_scopes(scopes)
    return scopes


def _split(given: _List) -> tuple[str, ...]:
    return tuple([piece.strip() for text in given or () for piece in text.split(",") if piece.strip()])


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    return name, value


def _show(key: "Key", shown: str, json: bool) -> None:
    from .terminal import console, print_json

    if json:
        print_json({"key": shown, **_facts(key)})
        return
    typer.echo(shown)
    console(error=True).print(
        f"{key.id} ({key.name}). The key is shown this once: the ledger has no more than a keyed hash of it.",
        markup=False,
    )


def _facts(key: "Key") -> dict[str, Any]:
    """Everything but the hash. Times are ISO 8601, UTC."""
    import msgspec

    from .ledger import iso

    facts: dict[str, Any] = msgspec.to_builtins(key)
    del facts["digest"]
    times = {name: iso(facts[name]) for name in ("created", "expires", "revoked")}
    return {**facts, **times, "state": key.state(_now())}


def _owner(key: "Key") -> str:
    return " / ".join([owner for owner in (key.user_id, key.team_id) if owner]) or "-"


def _purpose(key: "Key") -> str:
    scopes = key.scopes
    said = [", ".join(names) for names in (scopes.models, scopes.operations, scopes.networks) if names]
    said += [f"only {', '.join(scopes.require)}"] if scopes.require else []
    return "; ".join(said) or "everything"
