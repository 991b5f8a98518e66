"""`tsuji providers`: who there is, and whether their key is set; `tsuji providers NAME`: all that is known of one."""

from typing import Annotated, Any, cast

import typer

from .options import AsJson, ConfigFile

Name = Annotated[str | None, typer.Argument(help="All that is known of this one.", show_default=False)]


def providers(provider: Name = None, config: ConfigFile = None, json: AsJson = False) -> None:
    """List the providers: of the catalogue, and of the configuration."""
    import msgspec

    from tsuji.config import load_config
    from tsuji.config.facts import provider_facts

    from .terminal import print_json, print_table

    settings = load_config(config)
    ids = settings.provider_ids() if provider is None else [settings.provider(provider).id]
    rows = [msgspec.to_builtins(provider_facts(settings, settings.provider(id))) for id in ids]
    if json:
        print_json(rows)
    elif provider is None:
        print_table("", ["provider", "name", "key", "key from"], [_line(row) for row in rows])
    else:
        print_table("", ["", ""], [[name.replace("_", " "), _words(value)] for name, value in rows[0].items()])


def _line(row: dict[str, Any]) -> list[str]:
    import os

    used = [name for name in row["key_from"] if os.environ.get(name)]
    instead = [row["keyless"]] if row["keyless"] and row["key"] != "set" else []
    return [row["id"], row["name"], row["key"], [*used, *instead, *row["key_from"], "-"][0]]


def _words(value: Any) -> str:
    if value is None or value in ((), {}):
        return "-"
    if type(value) is bool:
        return "yes" if value else "no"
    if isinstance(value, dict):
        settings = cast("dict[str, list[str]]", value)
        value = [f"{name} ({' or '.join(env) or 'in the configuration'})" for name, env in settings.items()]
    return value if isinstance(value, str) else ", ".join(value)
