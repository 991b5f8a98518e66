"""`tsuji models`: what can be asked for, here and now."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import AsJson, ConfigFile

if TYPE_CHECKING:
    from tsuji.client.sync import Client
    from tsuji.config import Config

_SECONDS = 15.0
Section = dict[str, Any]
"""title; models: rows of id, description, context; error: why there are none."""


def models(
    provider: Annotated[str | None, typer.Argument(help="Only this provider's models.", show_default=False)] = None,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """List the models of a provider; without one: local ones, routes, and those of providers whose key is set."""
    from tsuji.client.sync import Client
    from tsuji.config import load_config

    from .terminal import print_json

    settings = load_config(config)
    if provider is not None:
        settings.provider(provider)
    with Client(settings, timeout=_SECONDS) as client:
        sections = _one(client, provider) if provider is not None else _all(client, settings)
    if json:
        print_json(sections)
    else:
        for at, section in enumerate(sections):
            _print(section, first=at == 0)
    if provider is not None and "error" in sections[0]:
        raise typer.Exit(1)


def _one(client: "Client", provider: str) -> list[Section]:
    return [_local() if provider == "local" else _hosted(client, provider)]


def _all(client: "Client", settings: "Config") -> list[Section]:
    """All providers are asked at the same time; one that fails spoils nothing."""
    from concurrent.futures import ThreadPoolExecutor

    from tsuji.config.facts import key_state

    ids = [id for id in settings.provider_ids() if id != "local"]
    asked = [id for id in ids if id in settings.providers or key_state(settings, settings.provider(id)) == "set"]
    with ThreadPoolExecutor(max_workers=max(len(asked), 1)) as threads:
        hosted = list(threads.map(_hosted, [client] * len(asked), asked))
    routes = [
        {"id": name, "description": " -> ".join([t.name for t in r.targets])} for name, r in settings.routes.items()
    ]
    return [_local(), *([{"title": "routes", "models": routes}] if routes else []), *hosted]


def _local() -> Section:
    def rows() -> list[Section]:
        from tsuji.engine.local import engine

        return [
            {
                "id": f"local:{model.name}",
                "description": model.description,
                "aliases": list(model.aliases),
                "size": model.size,
                "state": "running" if model.pid else "here" if model.present else "downloaded on first use",
            }
            for model in engine().models()
        ]

    return _section("local", rows)


def _hosted(client: "Client", provider: str) -> Section:
    def rows() -> list[Section]:
        return [
            {"id": f"{provider}:{model.id}", "description": getattr(model, "display_name", None) or ""}
            for model in client.list_models(provider)
        ]

    return _section(provider, rows)


def _section(title: str, rows: Callable[[], list[Section]]) -> Section:
    from tsuji.core.errors import TsujiError

    try:
        return {"title": title, "models": rows()}
    except TsujiError as error:
        return {"title": title, "models": [], "error": error.message}


def _print(section: Section, *, first: bool) -> None:
    from .terminal import console, print_table

    rows: list[Section] = section["models"]
    if rows and not first:
        console().print()
    if "error" in section:
        console(error=True).print(f"{section['title']}: {section['error']}", markup=False)
    elif not rows:
        console(error=True).print(f"{section['title']}: no models", markup=False)
    elif "state" in rows[0]:
        cells = [
            [r["id"], f"{r['size'] / 1e6:.0f} MB", r["state"], r["description"], ", ".join(r["aliases"])] for r in rows
        ]
        print_table("", [section["title"], "size", "state", "description", "also called"], cells)
    else:
        print_table("", [section["title"], ""], [[r["id"], r["description"]] for r in rows])
