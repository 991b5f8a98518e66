"""Where a request can go: a target of a route with everything that can be worked out before a request comes."""

import re
from collections import defaultdict
from contextlib import suppress
from time import monotonic, time
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from tsuji.client.keypool import KeyPool
from tsuji.client.signing import Signers
from tsuji.client.upstream import Upstream, upstream
from tsuji.core.errors import AuthenticationError, ConfigError, InvalidRequestError, ModelNotFoundError, TsujiError
from tsuji.core.provider import Provider, spoken
from tsuji.routing import Route, Target
from tsuji.wire import DIALECTS, dialect

from . import reply
from .ceiling import Ceilings

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tsuji.catalog.prices import Price
    from tsuji.config import Config
    from tsuji.engine.endpoint import Endpoint
    from tsuji.providers import Signer

LOCAL = "local"
_REMEMBERED = 1024
_PRICE_SECONDS = 10.0
_TIERS = 16
_TELLING = re.compile("auth|cookie|key|secret|token", re.IGNORECASE)
"""Names of headers whose values are secrets."""
_SECRET = 8
"""Letters that a secret has at least."""
_PLAIN = (
    b"Accept-Encoding: identity\r\n"  # a local hop gains nothing from gzip, and neither does the time to first token
)


class Destination(msgspec.Struct):
    """target: as the route names it. model: as the provider does; model_json: the same as JSON.

    headers: rendered lines for the provider. lines: header lines for the client. paths: request targets by
    (operation, stream), filled as they are first used. prices: by service tier, each with the time it was looked up at,
    on the driver's clock; one that is None is unknown. endpoint: of a model of the local engine. key: the provider's,
    for `redact`. variants: the same model in the provider's other dialects, filled as they are first used. pool: of the
    provider's keys, where it has several: `keys`; by_key: the same with the others, filled likewise.
    """

    target: Target
    upstream: Upstream
    model: str
    model_json: msgspec.Raw
    headers: bytes
    lines: bytes
    paths: dict[tuple[str, bool], bytes] = {}
    prices: "dict[str | None, tuple[Price | None, float]]" = {}
    endpoint: "Endpoint | None" = None
    key: str | None = None
    variants: "dict[str, Destination | None]" = {}
    pool: KeyPool | None = None
    keys: tuple[str, ...] = ()
    by_key: "dict[str, Destination]" = {}

    def redact(self, document: bytes) -> bytes:
        """Without our key, which some providers repeat in their errors, as it is or as a URL or JSON spells it.

        What stands for "no key" is a common word.
        """
        signer, headers = self.upstream.signer, self.upstream.provider.headers
        secrets = [self.key, signer.secret if signer is not None else None]
        secrets += [value for name, value in headers.items() if _TELLING.search(name)]
        for secret in secrets:
            if secret is not None and len(secret) >= _SECRET:
                in_url = quote(secret, safe="")
                for spelling in (secret, in_url, quote(in_url), quote(secret), secret.replace("/", r"\/")):
                    document = document.replace(spelling.encode(), b"***")
        return document

    def __repr__(self) -> str:
        return f"Destination({self.target.name!r})"


def check_reach(route: Route) -> None:
    """Whoever shows a key is not thereby let into this machine's files: the config says which of them are models."""
    if any(target.provider == LOCAL and target.model.endswith(".gguf") for target in route.targets):
        raise ModelNotFoundError(
            "this gateway has keys, so a file is no model's name; let a route name the file, and ask for the route",
            param="model",
        )


class Destinations:
    """All that this configuration leads to, made on first use and kept.

    Raises ModelNotFoundError, MissingApiKeyError or ConfigError for what cannot be reached.
    """

    def __init__(self, config: "Config", signers: Signers | None = None) -> None:
        self._config = config
        self.signers = signers or Signers()
        self.ceilings = Ceilings(config)
        self._routes: dict[str, Route] = {}
        self._found: dict[int, Destination] = {}  # by the target's id, which is cheaper than its hash
        self._local: dict[tuple[Target, str], tuple[Endpoint, Destination]] = {}
        self._pools: defaultdict[str, KeyPool] = defaultdict(KeyPool)

    def warm(self) -> None:
        """Does before the first request what it would wait for: dialects, prices and what the routes lead to.

        What cannot be reached says so when it is asked for: its key may still be set, another target may do.
        """
        for name in DIALECTS:
            dialect(name)
        targets = [target for route in self._config.routes.values() for target in route.targets]
        for target in [target for target in targets if target.provider != LOCAL]:
            with suppress(TsujiError):
                found = self.find(target, "", "chat")
                if isinstance(found, Destination):  # else its credentials are on their way
                    self.price(found, 0.0)

    def route(self, model: str) -> Route:
        found = self._routes.get(model)
        if found is None:
            found = self._config.route(model)
            if self._config.server.keys and model not in self._config.routes:
                check_reach(found)
            if len(self._routes) >= _REMEMBERED:
                self._routes.clear()
            self._routes[model] = found
        return found

    def find(self, target: Target, dialect: str, operation: str) -> "Destination | Future[None]":
        """Where the target is for a client who speaks `dialect`; or what to wait for before it can be asked."""
        found = self._found.get(id(target))
        if found is None or found.target is not target:
            made = self._hosted(target, "")
            if not isinstance(made, Destination):
                return made
            found = made
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[id(target)] = found
        if found.pool is not None:
            other = self._other(found, found.pool.pick(found.keys, monotonic()))
            if not isinstance(other, Destination):
                return other
            found = other
        if found.variants and dialect in found.variants:
            variant = self._variant(found, target, dialect, operation)
            if not isinstance(variant, Destination):
                return variant
            found = variant
        signer = found.upstream.signer
        return found if signer is None or signer.ready(time()) else signer.refresh()

    def _other(self, main: Destination, key: str) -> "Destination | Future[None]":
        """The same with that key."""
        found = main if key == main.key else main.by_key.get(key)
        if found is None:
            made = self._hosted(main.target, "", key)
            if not isinstance(made, Destination):
                return made
            found = main.by_key[key] = made
        return found

    def _variant(self, main: Destination, target: Target, dialect: str, operation: str) -> "Destination | Future[None]":
        """A variant is for chats and their tokens, and for vectors where it says where to ask for them."""
        found = main.variants[dialect]
        if found is None:
            made = self._hosted(target, dialect, main.key if main.pool is not None else None)
            if not isinstance(made, Destination):
                return made
            found = main.variants[dialect] = made
        return found if operation != "embeddings" or operation in found.upstream.provider.endpoints else main

    def _hosted(self, target: Target, dialect: str, key: str | None = None) -> "Destination | Future[None]":
        """key: of several; None for the one there is, or the first."""
        whole = self._config.provider(target.provider)
        provider = spoken(whole, dialect)
        key = key or self._config.api_key(provider)
        settled = self.signers.settle(provider, key)
        if not isinstance(settled, tuple):
            return settled
        made = self._make(target, _called(*settled, key), target.model)
        made.key = key
        made.keys = self._config.pool(provider)
        made.pool = self._pools[target.provider] if made.keys else None
        if provider is whole:
            made.variants = dict.fromkeys(whole.dialects)
        return made

    async def local(self, target: Target, operation: str) -> Destination:
        """The same for a model of the local engine, which is loaded first where it must be."""
        from tsuji.engine.local import engine

        endpoint = await engine().aendpoint(target.model, operation)
        known = self._local.get((target, operation))
        if known is not None and known[0] is endpoint:
            return known[1]
        provider = msgspec.structs.replace(self._config.provider(LOCAL), base_url=endpoint.base_url)
        found = self._make(target, upstream(provider, None, endpoint.headers), endpoint.model)
        found.endpoint = endpoint
        self._local[target, operation] = (endpoint, found)
        return found

    def refused(self, destination: Destination, error: TsujiError) -> None:
        """The provider has said no: to this key, perhaps, and not to the others."""
        if destination.pool is not None and destination.key is not None:
            destination.pool.failed(destination.key, destination.keys, error, monotonic())
        if isinstance(error, AuthenticationError):
            self.forget(destination.target)

    def forget(self, target: Target) -> None:
        """Its key was refused: it may have been changed since it was read."""
        self._found.pop(id(target), None)

    def price(self, destination: Destination, now: float, tier: str | None = None) -> "Price | None":
        """Of this time: prices change by date and by time of day. tier: of service."""
        known = destination.prices.get(tier)
        if known is not None and 0 <= now - known[1] <= _PRICE_SECONDS:
            return known[0]
        if len(destination.prices) >= _TIERS:  # a provider may say anything
            destination.prices.clear()
        price = self._config.price(destination.target, tier)
        destination.prices[tier] = price, now
        return price

    def _make(self, target: Target, ready: Upstream, model: str) -> Destination:
        return Destination(
            target=target,
            upstream=ready,
            model=model,
            model_json=msgspec.Raw(msgspec.json.encode(model)),
            headers=ready.headers + _PLAIN,
            lines=b"x-tsuji-target: " + reply.value(target.name) + b"\r\n",
        )


def _called(provider: Provider, signer: "Signer | None", key: str | None) -> Upstream:
    """Raises ConfigError for a URL, a header or a key that cannot be sent: none of them came from the caller."""
    try:
        return upstream(provider, key, signer=signer)
    except InvalidRequestError as error:
        raise ConfigError(
            f"provider {provider.id!r} cannot be called: {error.message}", provider=provider.id
        ) from error
