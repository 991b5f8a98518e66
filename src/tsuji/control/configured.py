"""What is configured: routes, providers, prices; and how this process is."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tsuji import __version__
from tsuji.catalog.prices import Price
from tsuji.config import Config
from tsuji.config.facts import ProviderFacts, provider_facts
from tsuji.config.provider import model_ref
from tsuji.core.errors import InvalidRequestError, LedgerError
from tsuji.core.timeouts import Timeouts
from tsuji.ledger import keystore
from tsuji.ledger.database import explained
from tsuji.routing import Route, Target

from .call import Call
from .shapes import Body


class PriceQuery(Body, frozen=True, kw_only=True):
    target: (
        Annotated[
            str,
            Meta(
                max_length=400,
                pattern=r"^[^\u0000-\u001f\u007f-\u009f:/]+[:/][^\u0000-\u001f\u007f-\u009f]+$(?!\n)",
                description="`provider:model`; left out, all targets of routes.",
            ),
        ]
        | None
    ) = None


class TargetFacts(msgspec.Struct, frozen=True):
    """target: "provider:model". timeouts: seconds; null: the route's."""

    target: str
    weight: float
    timeouts: Timeouts | None


class RouteFacts(msgspec.Struct, frozen=True):
    """timeouts: seconds. drop_params: null takes the whole configuration's word."""

    name: str
    strategy: str
    timeouts: Timeouts
    drop_params: bool | None
    targets: list[TargetFacts]


class Routes(msgspec.Struct, frozen=True):
    items: list[RouteFacts]


class Providers(msgspec.Struct, frozen=True):
    items: list[ProviderFacts]


class PriceFacts(msgspec.Struct, frozen=True):
    """price: nano-dollars per million tokens of each kind; null: unknown."""

    target: str
    price: Price | None


class Prices(msgspec.Struct, frozen=True):
    items: list[PriceFacts]


class Health(msgspec.Struct, frozen=True):
    """down: why the ledger cannot be used now; null: it can. database: "sqlite" or "postgresql", where it can."""

    status: Literal["ok", "down"]
    version: str
    database: str | None
    down: str | None


class Alive(msgspec.Struct, frozen=True):
    status: Literal["ok"]


def list_routes(call: Call) -> Routes:
    """List the routes of the configuration's file as it is now."""
    return Routes([_route(route) for route in call.admin.read().routes.values()])


def list_providers(call: Call) -> Providers:
    """List the providers, of the catalogue and of the configuration's file as it is now."""
    config = call.admin.read()
    return Providers([provider_facts(config, config.provider(id)) for id in config.provider_ids()])


def list_prices(call: Call, query: PriceQuery) -> Prices:
    """List what targets cost now."""
    config = call.admin.read()
    if query.target is not None:
        try:
            ref = model_ref(query.target)
            return Prices([_price(config, Target(ref.provider, ref.model))])
        except InvalidRequestError as error:
            raise InvalidRequestError(error.message, param="target") from None
    targets = {target.name: target for route in config.routes.values() for target in route.targets}
    return Prices([_price(config, targets[name]) for name in sorted(targets)])


def health(call: Call) -> Health:
    """Say how this process is, and whether the ledger can be used."""
    try:
        with explained():
            keystore.version(call.engine)
    except LedgerError as error:
        return Health("down", __version__, None, error.message)
    return Health("ok", __version__, call.engine.dialect.name, None)


def alive(call: Call) -> Alive:
    """Say that this process answers. It asks for no token, and says nothing else."""
    return Alive("ok")


def _route(route: Route) -> RouteFacts:
    targets = [TargetFacts(target.name, target.weight, target.timeouts) for target in route.targets]
    return RouteFacts(route.name, route.strategy, route.timeouts, route.drop_params, targets)


def _price(config: Config, target: Target) -> PriceFacts:
    return PriceFacts(target.name, config.price(target))
