"""Routes and providers that a program gives, in the terms of the file."""

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any, cast

import msgspec

from tsuji import catalog
from tsuji.core.errors import ConfigError
from tsuji.routing import Route

from .config import Config
from .load import load_config
from .provider import ProviderConfig, provider_config


def with_routes(
    config: Config | str | Path | None,
    routes: Mapping[str, Any],
    providers: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration with these routes and providers, which come before its own of the same name.

    config: or a file's path; None for the file that there is, if there is one. routes: by name, each a list of
    targets, a table as the file's `[routes.NAME]`, or a Route. providers: by id, each a table as the file's
    `[providers.ID]` or a ProviderConfig. Raises ConfigError with every mistake.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    ready = {name: route for name, route in routes.items() if isinstance(route, Route)}
    own = {id: given for id, given in (providers or {}).items() if isinstance(given, ProviderConfig)}
    tables = {name: _table(route) for name, route in routes.items() if name not in ready}
    beside = {id: given for id, given in (providers or {}).items() if id not in own}
    known = {**config.providers, **own}
    made_providers, made_routes = (
        _made({"routes": tables, "providers": beside}, known) if tables or beside else ({}, {})
    )
    both = copy(config)
    both.providers = {**known, **made_providers}
    both.routes = {**config.routes, **ready, **made_routes}
    both.forget()
    return both


def _table(route: Any) -> Any:
    return dict(cast("Mapping[str, Any]", route)) if isinstance(route, Mapping) else {"targets": route}


def _made(
    document: dict[str, Any], known: Mapping[str, ProviderConfig]
) -> tuple[dict[str, ProviderConfig], dict[str, Route]]:
    from .check import check
    from .problem import Problems
    from .reader import read
    from .route import route_of

    problems = Problems({})
    try:
        plain = msgspec.json.decode(msgspec.json.encode(document))  # tuples are lists there
    except TypeError as error:
        raise ConfigError(f"routes and providers are given as the file has them: {error}") from None
    file = read(plain, problems)
    check(file, Path(), problems, known)
    if problems.errors:
        lines = "\n  ".join([str(problem) for problem in problems.errors])
        raise ConfigError(f"the routes cannot be used\n  {lines}", param=problems.errors[0].key)
    made = {catalog.canonical(id): provider_config(table, Path()) for id, table in file.providers.items()}
    return made, {name: route_of(name, table, {**known, **made}, Path()) for name, table in file.routes.items()}
