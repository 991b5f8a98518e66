"""The configuration in memory: what file, catalogue and environment say together."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji import catalog
from tsuji.core.errors import ConfigError, InvalidRequestError, MissingApiKeyError, ModelNotFoundError
from tsuji.core.model import parse_model
from tsuji.core.provider import Provider
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Route, Target

from .secret import Secret

if TYPE_CHECKING:
    from tsuji.catalog.prices import Price

_ROUTES_KEPT = 4096
_AUTHORS = {"responses": "openai", "bedrock": "openai"}  # an API key of Bedrock's is a bearer token, like OpenAI's
"""Dialects that have no provider of their name."""


class Server:
    """Where the gateway listens, and who may ask.

    keys: given as literals, `env:NAME`, `file:PATH` or Secret; the property is what they stand for.
    allowed_hosts: names beside loopback's that a request may name while there are no keys.
    allowed_origins: of web pages that may call.
    """

    __slots__ = ("_keys", "allowed_hosts", "allowed_origins", "host", "max_body", "port")

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 4141,
        keys: Sequence[str | Secret] = (),
        max_body: int = 100_000_000,
        allowed_hosts: Sequence[str] = (),
        allowed_origins: Sequence[str] = (),
    ) -> None:
        self.host = host
        self.port = port
        self._keys = tuple([_secret(key) for key in keys])
        self.max_body = max_body
        self.allowed_hosts = tuple(allowed_hosts)
        self.allowed_origins = tuple(allowed_origins)

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


class ProviderConfig(msgspec.Struct, frozen=True):
    """What the configuration says of a provider; None leaves the catalogue's word. With a dialect and a base_url it
    needs no catalogue row.

    quirks, headers, endpoints: by field or name; each replaces the row's of that name, or is added. timeouts: likewise.
    """

    dialect: str | None = None
    base_url: str | None = None
    api_key: str | Secret | None = None
    name: str | None = None
    headers: Mapping[str, str] = {}
    timeouts: Mapping[str, float] = {}
    quirks: Mapping[str, Any] = {}
    auth: Mapping[str, Any] | None = None
    endpoints: Mapping[str, str] = {}
    prices: str | None = None

    def __repr__(self) -> str:
        # Headers may carry keys as well.
        key = None if self.api_key is None else _secret(self.api_key)
        return f"ProviderConfig(dialect={self.dialect!r}, base_url={self.base_url!r}, api_key={key})"


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
    ) -> None:
        self.server = server or Server()
        self.providers = dict(providers or {})
        self.routes = dict(routes or {})
        self.drop_params = drop_params
        self.prices = dict(prices or {})
        self._merged: dict[str, Provider] = {}
        self._direct: dict[str, Route] = {}

    def provider_ids(self) -> tuple[str, ...]:
        """The catalogue's and the configuration's own, in alphabetical order."""
        return tuple(sorted({*catalog.provider_ids(), *self.providers}))

    def provider(self, id: str) -> Provider:
        """The provider, overrides and its base URL variable applied. Raises ModelNotFoundError with the nearest id."""
        found = self._merged.get(id)
        if found is None:
            given = self.providers.get(id)
            if given is None and id not in catalog.provider_ids():
                raise ModelNotFoundError(
                    f"no provider {id!r}; {catalog.nearest(id, self.provider_ids())}", param="model"
                )
            found = self._merged[id] = merge(id, given) if given else catalog.provider(id)
        if found.base_url_env and (value := os.environ.get(found.base_url_env)):
            return msgspec.structs.replace(found, base_url=_from_variable(found, value))
        return found

    def api_key(self, provider: Provider, explicit: str | None = None) -> str | None:
        """explicit, else the configuration's, else of the row's variables the first that is set; None if it needs none.

        Raises MissingApiKeyError, which says what to set.
        """
        if explicit:
            return explicit
        given = self.providers.get(provider.id)
        if given is not None and given.api_key is not None:
            secret = _secret(given.api_key)
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
        if provider.key_optional or provider.auth.scheme == "none":
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
            ref = parse_model(model)
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


def merge(id: str, given: ProviderConfig) -> Provider:
    """A provider of the configuration. Raises ConfigError where it is neither of the catalogue nor complete."""
    if id in catalog.provider_ids():
        base = catalog.provider(id)
    elif given.dialect and given.base_url:
        # Whoever made the dialect says how a key and a version are sent.
        author = catalog.provider(_AUTHORS.get(given.dialect, given.dialect))
        base = Provider(
            id=id,
            name=id,
            dialect=given.dialect,
            base_url=given.base_url,
            auth=author.auth,
            headers=author.headers,
            key_optional=True,
        )
    else:
        raise ConfigError(f"provider {id!r} is not in the catalogue: it needs a dialect and a base_url")
    changes: dict[str, Any] = {
        name: value for name in ("dialect", "base_url", "name", "prices") if (value := getattr(given, name)) is not None
    }
    if given.base_url:
        changes["base_url_env"] = None  # the configuration is nearer than the environment
    if given.auth is not None:
        changes["auth"] = msgspec.structs.replace(base.auth, **given.auth)
    if given.quirks:
        changes["quirks"] = msgspec.structs.replace(base.quirks, **given.quirks)
    changes["headers"] = {**base.headers, **given.headers}
    changes["endpoints"] = {**base.endpoints, **given.endpoints}
    return msgspec.structs.replace(base, **changes)


def _from_variable(provider: Provider, value: str) -> str:
    """A variable that ends in _HOST holds host[:port], perhaps with a scheme; scheme, port and path are the row's.

    OLLAMA_HOST is also what the server itself listens on, where 0.0.0.0 means every address:
    https://github.com/ollama/ollama/blob/main/docs/faq.mdx
    """
    if not (provider.base_url_env or "").endswith("_HOST"):
        return value
    from urllib.parse import urlsplit

    row = urlsplit(provider.base_url)
    given = urlsplit(value if "://" in value else f"{row.scheme}://{value}")
    host = f"[{given.hostname}]" if given.hostname and ":" in given.hostname else given.hostname or row.hostname
    port = given.port or (row.port if given.scheme == row.scheme else None)
    if host == "0.0.0.0":  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"{given.scheme}://{host}{f':{port}' if port else ''}{row.path}"


def _near_route(model: str, routes: Mapping[str, Route]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(model, routes, n=1, cutoff=0.7)
    return f"no route {model!r}; did you mean {close[0]!r}?" if close else ""


def _secret(key: str | Secret) -> Secret:
    return key if isinstance(key, Secret) else Secret(key)
