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
from tsuji.http.url import is_loopback
from tsuji.routing import ONCE, Route, Target

from .caching import CacheConfig
from .guardrail import Guardrail
from .provider import ProviderConfig, merge, model_ref, relocated
from .secret import Secret
from .source import Source

if TYPE_CHECKING:
    from tsuji.catalog.prices import Price

_ROUTES_KEPT = 4096


class Tls(msgspec.Struct, frozen=True):
    """PEM files: a certificate with its chain, its key; and, if clients must show certificates, their authorities."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """One place to listen. socket: of a Unix socket, in place of host and port. mode: its permissions."""

    host: str = "127.0.0.1"
    port: int = 4141
    socket: Path | None = None
    mode: int = 0o600
    tls: Tls | None = None
    proxy_protocol: bool = False

    @property
    def is_local(self) -> bool:
        """Only programs on this machine can reach it, but for those that somebody lets in through a proxy."""
        return not self.proxy_protocol and (self.socket is not None or is_loopback(self.host))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return str(self.socket) if self.socket is not None else f"{host}:{self.port}"


class Server:
    """Where the gateway listens, and who may ask.

    socket, mode, tls, proxy_protocol: see Listen; more: other places to listen at. trusted_proxies: addresses, ranges
    and "unix". forwarded_header: in which they say whom they ask for. max_connections: None is what open files allow.
    keys: given as literals, `env:NAME`, `file:PATH` or Secret; the property is what they stand for.
    allowed_hosts: names beside loopback's that a request may name while there are no keys.
    allowed_origins: of web pages that may call. secret: what the ledger's keys are hashed with; None: made once.
    own_key: of this process, for a question to itself; "" where it has none. Others need a key no more for it.
    workers: processes under one parent; None: one process without a parent. drain: seconds that requests have to finish
    when a worker ends; drain_delay: seconds before that in which only readiness says so.
    metrics: "keyed", "open" or "off". access_log: "stderr", a file's path or None.
    """

    __slots__ = (
        "_keys",
        "access_log",
        "allowed_hosts",
        "allowed_origins",
        "drain",
        "drain_delay",
        "forwarded_header",
        "host",
        "max_body",
        "max_connections",
        "max_connections_per_address",
        "metrics",
        "mode",
        "more",
        "own_key",
        "port",
        "proxy_protocol",
        "secret",
        "socket",
        "tls",
        "trusted_proxies",
        "workers",
    )

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 4141,
        keys: Sequence[str | Secret] = (),
        max_body: int = 100_000_000,
        allowed_hosts: Sequence[str] = (),
        allowed_origins: Sequence[str] = (),
        secret: str | Secret | None = None,
        *,
        workers: int | None = None,
        drain: float = 30.0,
        drain_delay: float = 0.0,
        socket: Path | None = None,
        mode: int = 0o600,
        tls: Tls | None = None,
        proxy_protocol: bool = False,
        more: Sequence[Listen] = (),
        trusted_proxies: Sequence[str] = (),
        forwarded_header: str = "x-forwarded-for",
        max_connections: int | None = None,
        max_connections_per_address: int | None = None,
        metrics: str = "keyed",
        access_log: Path | str | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.socket = socket
        self.mode = mode
        self.tls = tls
        self.proxy_protocol = proxy_protocol
        self.more = tuple(more)
        self.trusted_proxies = tuple(trusted_proxies)
        self.forwarded_header = forwarded_header
        self.max_connections = max_connections
        self.max_connections_per_address = max_connections_per_address
        self._keys = tuple([Secret.of(key) for key in keys])
        self.max_body = max_body
        self.allowed_hosts = tuple(allowed_hosts)
        self.allowed_origins = tuple(allowed_origins)
        self.secret = None if secret is None else Secret.of(secret)
        self.own_key = ""
        self.workers = workers
        self.drain = drain
        self.drain_delay = drain_delay
        self.metrics = metrics
        self.access_log = access_log

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

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """That the configuration names, as it names them."""
        return self._keys if self.secret is None else (*self._keys, self.secret)

    @property
    def listeners(self) -> tuple[Listen, ...]:
        """All places to listen at, the main one first."""
        main = Listen(
            host=self.host,
            port=self.port,
            socket=self.socket,
            mode=self.mode,
            tls=self.tls,
            proxy_protocol=self.proxy_protocol,
        )
        return (main, *self.more)

    @property
    def is_local(self) -> bool:
        """Only programs on this machine can reach it. Behind a proxy there is somebody else."""
        return not self.trusted_proxies and all(listen.is_local for listen in self.listeners)

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


class Telemetry(msgspec.Struct, frozen=True):
    """What is sent to an OpenTelemetry collector. otlp: its URL, None: nothing. See schema.TelemetryTable."""

    otlp: str | None = None
    headers: Mapping[str, Secret] = {}
    traces: bool = True
    metrics: bool = True
    sample: float = 1.0
    propagate: bool = True
    interval: float = 60.0
    service_name: str = "tsuji"


class Store(msgspec.Struct, frozen=True):
    """What of a route's requests is stored. retention: seconds. redact: RE2's regular expressions."""

    prompts: bool = False
    answers: bool = False
    retention: int = 30 * 86400
    redact: tuple[str, ...] = ()


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
    prices: "provider:model" -> a price that stands in place of the known one. source: what it was made of, where that
    was a file or the defaults. stores: by the route's name. guardrails: by name.
    """

    def __init__(
        self,
        server: Server | None = None,
        providers: Mapping[str, ProviderConfig] | None = None,
        routes: Mapping[str, Route] | None = None,
        drop_params: bool = False,
        prices: "Mapping[str, Price] | None" = None,
        ledger: LedgerConfig | None = None,
        cache: CacheConfig | None = None,
        telemetry: Telemetry | None = None,
        stores: Mapping[str, Store] | None = None,
        guardrails: Mapping[str, Guardrail] | None = None,
        admin: AdminConfig | None = None,
    ) -> None:
        self.server = server or Server()
        self.telemetry = telemetry or Telemetry()
        self.stores = dict(stores or {})
        self.ledger = ledger or LedgerConfig()
        self.cache = cache or CacheConfig()
        self.admin = admin or AdminConfig()
        self.providers = {catalog.canonical(id): given for id, given in (providers or {}).items()}
        self.routes = dict(routes or {})
        self.drop_params = drop_params
        self.prices = dict(prices or {})
        self.source: Source | None = None
        self.guardrails = dict(guardrails or {})
        self._merged: dict[str, Provider] = {}
        self._direct: dict[str, Route] = {}

    def forget(self) -> None:
        """What has been worked out so far: its providers or routes are others now."""
        self._merged = {}
        self._direct = {}

    def files(self) -> set[Path]:
        """That it depends on: its own, those that secrets are read from, and policies."""
        given = [secret for provider in self.providers.values() for secret in provider.secrets]
        secrets = [*given, *self.server.secrets, *([] if self.ledger.url is None else [self.ledger.url])]
        policies = [Path(route.learned.file) for route in self.routes.values() if route.learned is not None]
        files = {*policies, *[file for secret in secrets if (file := secret.file) is not None]}
        return files if self.source is None or self.source.path is None else {*files, Path(self.source.path)}

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
        if given is not None and (secrets := given.secrets):
            return self._revealed(provider, secrets)[0]
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

    def pool(self, provider: Provider) -> tuple[str, ...]:
        """Its keys, where it has several; () where it has not. Those that are not there are left out.

        Raises MissingApiKeyError where none is.
        """
        given = self.providers.get(provider.id)
        return self._revealed(provider, given.secrets) if given is not None and given.api_keys else ()

    @staticmethod
    def _revealed(provider: Provider, secrets: Sequence[Secret]) -> tuple[str, ...]:
        found = tuple([key for secret in secrets if (key := secret.reveal()) is not None])
        if not found:
            where = " or ".join([secret.where for secret in secrets])
            raise MissingApiKeyError(
                f"the API key of {provider.name} is {where}, which is not there or is empty", provider=provider.id
            )
        return found

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
        found = Route(model, (Target(ref.provider, ref.model),), timeouts=timeouts, retry=ONCE)
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
