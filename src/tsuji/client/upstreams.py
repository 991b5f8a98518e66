"""The upstreams of one client: each made once, for as long as its address and its key stay the same."""

from collections import defaultdict
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji.config import Config
from tsuji.core.errors import TsujiError
from tsuji.core.provider import Provider, moved, spoken

from .keypool import KeyPool
from .signing import Signers, is_signed
from .upstream import Upstream, upstream

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.engine.endpoint import Endpoint
    from tsuji.http.tls import TlsConfig

_KEPT = 1024  # keys and addresses may come from a caller's own users


class Upstreams:
    """The key is looked up at each call, so that a change of the environment is seen."""

    def __init__(self, tls: "TlsConfig | None" = None) -> None:
        self._signers = Signers(tls)
        self._made: dict[tuple[Any, ...], Upstream] = {}
        self._pools: defaultdict[str, KeyPool] = defaultdict(KeyPool)

    def hosted(
        self, config: Config, provider_id: str, settings: Mapping[str, Any], prefer: str = ""
    ) -> "Upstream | Future[None]":
        """The upstream, or what has to be waited for before there is one.

        settings: api_key, api_base, extra_headers. prefer: a dialect to ask in, where the provider speaks it. Raises
        MissingApiKeyError, InvalidRequestError, ConfigError.
        """
        provider = config.provider(provider_id)
        address = settings.get("api_base")
        if address and address != provider.base_url:
            provider = moved(provider, address)
        if provider.dialects:
            provider = spoken(provider, prefer)
        explicit = settings.get("api_key")
        keys = () if explicit else config.pool(provider)
        key = self._pools[provider.id].pick(keys, monotonic()) if keys else config.api_key(provider, explicit)
        signer = None
        if provider.settings or is_signed(provider.auth, key):
            settled = self._signers.settle(provider, key)
            if not isinstance(settled, tuple):
                return settled
            provider, signer = settled
        extra = settings.get("extra_headers")
        name = (provider_id, provider.dialect, provider.base_url, key, tuple(extra.items()) if extra else None)
        found = self._made.get(name)
        if found is None or found.signer is not signer:
            found = self._keep(name, upstream(provider, key, extra, signer, pooled=bool(keys)))
        return found

    def failed(self, config: Config, used: Upstream, error: TsujiError) -> None:
        """Where only the key was refused, it rests, and the error says so."""
        if used.pooled is not None:
            pool = self._pools[used.provider.id]
            pool.failed(used.pooled, config.pool(used.provider), error, monotonic())

    def worked(self, used: Upstream) -> None:
        if used.pooled is not None:
            self._pools[used.provider.id].worked(used.pooled)

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
