"""`tsuji providers`: who there is, and whether their key is set."""

from typing import TYPE_CHECKING, Any

from .options import AsJson, ConfigFile

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.core.provider import Provider

_INSTEAD = {"": "not needed", "aws": "AWS credentials", "google": "Google credentials", "entra": "Entra ID"}


def providers(config: ConfigFile = None, json: AsJson = False) -> None:
    """List the providers: of the catalogue, and of the configuration."""
    from tsuji.config import load_config

    from .terminal import print_json, print_table

    settings = load_config(config)
    rows = [_row(settings, settings.provider(id)) for id in settings.provider_ids()]
    if json:
        print_json(rows)
        return
    columns = ["provider", "name", "dialect", "key from", "key", "base URL", "documentation"]
    print_table("", columns, [_shown(row) for row in rows])


def key_state(config: "Config", provider: "Provider") -> str:
    """ "set", "missing"; where none is set, "not needed" if it works without one, or what stands in for it."""
    from tsuji.core.errors import MissingApiKeyError

    try:
        key = config.api_key(provider)
    except MissingApiKeyError:
        return "missing"
    return "set" if key else _INSTEAD[provider.auth.keyless]


def _row(config: "Config", provider: "Provider") -> dict[str, Any]:
    given = config.providers.get(provider.id)
    in_config = given is not None and given.api_key is not None
    return {
        "id": provider.id,
        "name": provider.name,
        "dialect": provider.dialect,
        "key_from": ["the configuration"] if in_config else list(provider.env),
        "key": key_state(config, provider),
        "base_url": None if provider.id == "local" else provider.base_url,
        "docs": provider.docs,
        "configured": given is not None,
    }


def _shown(row: dict[str, Any]) -> list[str]:
    key_from = " or ".join(row["key_from"]) or "-"
    return [row["id"], row["name"], row["dialect"], key_from, row["key"], row["base_url"] or "-", row["docs"] or "-"]
