"""The upstreams of one client: each made once, for as long as its address and its key stay the same."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji.config import Config
from tsuji.core.provider import Provider

from .upstream import Upstream, upstream

if TYPE_CHECKING:
    from tsuji.engine.endpoint import Endpoint

_KEPT = 1024  # keys and addresses may come from a caller's own users


class Upstreams:
    """The key is looked up at each call, so that a change of the environment is seen."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Upstream] = {}

    def hosted(self, config: Config, provider_id: str, settings: Mapping[str, Any]) -> Upstream:
        """settings: api_key, api_base, extra_headers. Raises MissingApiKeyError, InvalidRequestError."""
        provider = config.provider(provider_id)
        key = config.api_key(provider, settings.get("api_key"))
        address = settings.get("api_base") or provider.base_url
        extra = settings.get("extra_headers")
        name = (provider_id, address, key, tuple(extra.items()) if extra else None)
        found = self._made.get(name)
        if found is None:
            if address != provider.base_url:
                provider = msgspec.structs.replace(provider, base_url=address)
            found = self._keep(name, upstream(provider, key, extra))
        return found

    def local(self, row: Provider, endpoint: "Endpoint") -> Upstream:
        name = (endpoint.base_url, endpoint.info.pid)
        found = self._made.get(name)
        if found is None:
            provider = msgspec.structs.replace(row, base_url=endpoint.base_url)
            found = self._keep(name, upstream(provider, None, endpoint.headers))
        return found

    def _keep(self, name: tuple[Any, ...], made: Upstream) -> Upstream:
        if len(self._made) >= _KEPT:
            self._made.clear()
        self._made[name] = made
        return made
