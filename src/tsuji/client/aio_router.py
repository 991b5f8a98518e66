"""The asyncio client with routes that are given in the program."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsuji.config import Config, with_routes

from .aio import AsyncClient


class AsyncRouter(AsyncClient):
    """As Router, for asyncio."""

    def __init__(
        self,
        routes: Mapping[str, Any],
        config: Config | str | Path | None = None,
        *,
        providers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(with_routes(config, routes, providers), **options)
