"""`tsuji providers`: who there is, and whether their key is set; `tsuji providers NAME`: all that is known of one."""

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from .options import AsJson, ConfigFile

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.core.provider import Provider

KEYLESS = {"aws": "AWS credentials", "google": "Google credentials", "entra": "Entra ID"}
"""What stands in for a key, by Auth.keyless."""
Name = Annotated[str | None, typer.Argument(help="All that is known of this one.", show_default=False)]


def providers(provider: Name = None, config: ConfigFile = None, json: AsJson = False) -> None:
    """List the providers: of the catalogue, and of the configuration."""
    from tsuji.config import load_config

    from .terminal import print_json, print_table

    settings = load_config(config)
    ids = settings.provider_ids() if provider is None else [settings.provider(provider).id]
    rows = [_row(settings, settings.provider(id)) for id in ids]
    if json:
        print_json(rows)
    elif provider is None:
        print_table("", ["provider", "name", "key", "key from"], [_line(row) for row in rows])
    else:
        print_table("", ["", ""], [[name.replace("_", " "), _words(value)] for name, value in rows[0].items()])


def key_state(config: "Config", provider: "Provider") -> str:
    """ "set", "missing", or "not needed" where the provider works without one and none is set."""
    from tsuji.core.errors import MissingApiKeyError

    try:
        key = config.api_key(provider)
    except MissingApiKeyError:
        return "missing"
    return "set" if key else "not needed"


def _row(config: "Config", provider: "Provider") -> dict[str, Any]:
    given = config.providers.get(provider.id)
    in_config = given is not None and given.api_key is not None
    return {
        "id": provider.id,
        "aliases": list(provider.aliases),
        "name": provider.name,
        "dialect": provider.dialect,
        "other_dialects": list(provider.dialects),
        "operations": list(provider.operations),
        "key_from": ["the configuration"] if in_config else list(provider.env),
        "keyless": KEYLESS.get(provider.auth.keyless),
        "key": key_state(config, provider),
        "base_url": None if provider.id == "local" else provider.base_url,
        "settings": {name: list(one.env) for name, one in provider.settings.items()},
        "docs": provider.docs,
        "verified": provider.verified,
        "configured": given is not None,
    }


def _line(row: dict[str, Any]) -> list[str]:
    import os

    used = [name for name in row["key_from"] if os.environ.get(name)]
    instead = [row["keyless"]] if row["keyless"] and row["key"] != "set" else []
    return [row["id"], row["name"], row["key"], [*used, *instead, *row["key_from"], "-"][0]]


def _words(value: Any) -> str:
    if value is None or value in ([], {}):
        return "-"
    if type(value) is bool:
        return "yes" if value else "no"
    if isinstance(value, dict):
        settings = cast("dict[str, list[str]]", value)
        value = [f"{name} ({' or '.join(env) or 'in the configuration'})" for name, env in settings.items()]
    return value if isinstance(value, str) else ", ".join(value)
