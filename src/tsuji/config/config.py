"""The configuration in memory: what file, catalogue and environment say together."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tsuji import catalog
from tsuji.core.errors import ConfigError, InvalidRequestError, MissingApiKeyError, ModelNotFoundError
from tsuji.core.provider import Provider
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Route, Target

from .provider import ProviderConfig, merge, model_ref, relocated
from .secret import Secret

if TYPE_CHECKING:
    from tsuji.catalog.prices import Price

_ROUTES_KEPT = 4096


class Server:
    """Where the gateway listens, and who may ask.

    keys: given as literals, `env:NAME`, `file:PATH` or Secret; the property is what they stand for.
    allowed_hosts: names beside loopback's that a request may name while there are no keys.
    allowed_origins: of web pages that may call. secret: what the ledger's keys are hashed with; None: made once.
    own_key: of this process, for a question to itself; "" where it has none. Others need a key no more for it.
    """

    __slots__ = ("_keys", "allowed_hosts", "allowed_origins", "host", "max_body", "own_key", "port", "secret")

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 4141,
        keys: Sequence[str | Secret] = (),
        max_body: int = 100_000_000,
        allowed_hosts: Sequence[str] = (),
        allowed_origins: Sequence[str] = (),
        secret: str | Secret | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._keys = tuple([Secret.of(key) for key in keys])
        self.max_body = max_body
        self.allowed_hosts = tuple(allowed_hosts)
        self.allowed_origins = tuple(allowed_origins)
        self.secret = None if secret is None else Secret.of(secret)
        self.own_key = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Read anew at each use. Raises ConfigError if one is not there: fewer keys than configured is no option."""
        found: list[str] = []
        for secret in self._keys:
            key = secret.reveal()
            if key is None:
                raise ConfigError(
                    f"server.keys names {secret.where}, which is not there or is empty", param="server.keys"
                )
            found.append(key)
        return tuple(found)

    def __repr__(self) -> str:
        return f"Server(host={self.host!r}, port={self.port}, keys={list(self._keys)})"


class LedgerConfig(msgspec.Struct, frozen=True):
    """Where virtual keys and usage records are kept.

    url: of the database; None: ledger.db in `folder`. folder: where records wait for it; None: see `default_home`.
    on_failure: "continue" or "stop": whether requests go on while records cannot be written.
    """

    enabled: bool = True
    url: Secret | None = None
    folder: Path | None = None
    on_failure: str = "continue"


class AdminConfig(msgspec.Struct, frozen=True):
    """Where the admin API listens, and its token; None: made once. allowed_hosts: names beside loopback's that a
    request may name.
    """

    host: str = "127.0.0.1"
    port: int = 4142
    token: Secret | None = None
    allowed_hosts: tuple[str, ...] = ()


class Config:
    """All of it. Immutable by convention; every question that the request path asks is answered from here.

    providers: by id; a name of the catalogue overrides it. routes: by the name that clients ask for.
    prices: "provider:model" -> a price that stands in place of the known one.
    """

    def __init__(
        self,
        server: Server | None = None,
        providers: Mapping[str, ProviderConfig] | None = None,
        routes: Mapping[str, Route] | None = None,
        drop_params: bool = False,
        prices: "Mapping[str, Price] | None" = None,
        ledger: LedgerConfig | None = None,
        admin: AdminConfig | None = None,
    ) -> None:
        self.server = server or Server()
        self.ledger = ledger or LedgerConfig()
        self.admin = admin or AdminConfig()
        self.providers = {catalog.canonical(id): given for id, given in (providers or {}).items()}
        self.routes = dict(routes or {})
        self.drop_params = drop_params
        self.prices = dict(prices or {})
        self._merged: dict[str, Provider] = {}
        self._direct: dict[str, Route] = {}

    def provider_ids(self) -> tuple[str, ...]:
        """The catalogue's and the configuration's own, in alphabetical order."""
        return tuple(sorted({*catalog.provider_ids(), *self.providers}))

    def provider(self, id: str) -> Provider:
        """The provider, overrides and its base URL variable applied, its settings not.

        Raises ModelNotFoundError with the nearest id.
        """
        found = self._merged.get(id)
        if found is None:
            name = catalog.canonical(id)
            given = self.providers.get(name)
            if given is None and name not in catalog.provider_ids():
                raise ModelNotFoundError(
                    f"no provider {id!r}; {catalog.nearest(id, self.provider_ids())}", param="model"
                )
            found = self._merged[id] = merge(name, given) if given else catalog.provider(name)
        return relocated(found) if found.base_url_env else found

    def api_key(self, provider: Provider, explicit: str | None = None) -> str | None:
        """explicit, else the configuration's, else of the row's variables the first that is set; None if it can do
        without.

        Raises MissingApiKeyError, which says what to set.
        """
        if explicit:
            return explicit
        given = self.providers.get(provider.id)
        if given is not None and given.api_key is not None:
            secret = Secret.of(given.api_key)
            key = secret.reveal()
            if key is None:
                raise MissingApiKeyError(
                    f"the API key of {provider.name} is {secret.where}, which is not there or is empty",
                    provider=provider.id,
                )
            return key
        for name in provider.env:
            if key := os.environ.get(name):
                return key
        if provider.key_optional or provider.auth.keyless or provider.auth.scheme == "none":
            return None
        variables = " or ".join(provider.env)
        raise MissingApiKeyError(
            f"no API key for {provider.name}; set {variables + ', or ' if variables else ''}"
            f"api_key under [providers.{provider.id}] in tsuji.toml",
            provider=provider.id,
        )

    def route(self, model: str) -> Route:
        """The route of that name, else "provider:model" or "provider/model" as a route of one target.

        Raises ModelNotFoundError for a provider or route that there is not, InvalidRequestError for an empty name.
        """
        found = self.routes.get(model) or self._direct.get(model)
        if found is not None:
            return found
        try:
            ref = model_ref(model)
        except InvalidRequestError as error:
            if not model:
                raise
            near = _near_route(model, self.routes)
            raise ModelNotFoundError(near or error.message, param="model") from None
        if ref.provider not in self.providers and ref.provider not in catalog.provider_ids():
            near = _near_route(model, self.routes) or catalog.nearest(ref.provider, self.provider_ids())
            raise ModelNotFoundError(f"no provider {ref.provider!r}; {near}", param="model")
        given = self.providers.get(ref.provider)
        timeouts = Timeouts(**given.timeouts) if given and given.timeouts else Timeouts()
        found = Route(model, (Target(ref.provider, ref.model),), timeouts=timeouts)
        if len(self._direct) >= _ROUTES_KEPT:
            self._direct.clear()  # the names come from clients
        self._direct[model] = found
        return found

    def price(self, target: Target, service_tier: str | None = None) -> "Price | None":
        """What the target costs now; None if that is not known. service_tier: what the answer says it was served at."""
        from tsuji.catalog.prices import price

        own = self.prices.get(target.name)
        return price(self.provider(target.provider), target.model, own, service_tier=service_tier)

    def __repr__(self) -> str:
        return f"Config(server={self.server}, providers={list(self.providers)}, routes={list(self.routes)})"


def _near_route(model: str, routes: Mapping[str, Route]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(model, routes, n=1, cutoff=0.7)
    return f"no route {model!r}; did you mean {close[0]!r}?" if close else ""
