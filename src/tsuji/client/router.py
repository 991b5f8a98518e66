"""The blocking client with routes that are given in the program."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsuji.config import Config, with_routes

from .sync import Client


class Router(Client):
    """A Client for routes: `Router({"fast": ["openai:gpt-5-mini", "mistral:small"]}).completion("fast", ...)`.

    routes: by name, each a list of targets or a table as the file's `[routes.NAME]`: strategy, retry, hedge, timeouts.
    config: what they are put into; None for the file that there is, if there is one. providers: by id, as the file has
    them. options: as Client's. Raises ConfigError with every mistake.
    """

    def __init__(
        self,
        routes: Mapping[str, Any],
        config: Config | str | Path | None = None,
        *,
        providers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(with_routes(config, routes, providers), **options)
