"""A route in memory, made of its table in the file."""

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji import catalog
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Route, Target

from .caching import CacheRule, SemanticRule
from .config import Store
from .experiment import experiment_of
from .provider import ProviderConfig, model_ref

if TYPE_CHECKING:
    from tsuji.catalog.prices import Price

    from .schema import FileTable
    from .schema_route import PriceTable, RouteTable, StoreTable

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def route_of(name: str, table: "RouteTable", providers: dict[str, ProviderConfig]) -> Route:
    """Timeouts fall, each by itself, from target to route to provider to default."""
    own = table.timeouts.given() if table.timeouts else {}
    whole = Timeouts(**own)
    targets: list[Target] = []
    for target in table.targets:
        ref = model_ref(target if isinstance(target, str) else target.model)
        given = providers.get(ref.provider)
        nearest = {} if isinstance(target, str) else (target.timeouts.given() if target.timeouts else {})
        timeouts = Timeouts(**{**(given.timeouts if given else {}), **own, **nearest})
        targets.append(
            Target(
                provider=ref.provider,
                model=ref.model,
                weight=1.0 if isinstance(target, str) else target.weight,
                timeouts=timeouts if timeouts != whole else None,
            )
        )
    return Route(
        name,
        tuple(targets),
        strategy=table.strategy,
        timeouts=whole,
        drop_params=table.drop_params,
        guardrails=table.guardrails,
        refuse_unpriced=table.refuse_unpriced,
        experiment=experiment_of(name, table),
    )


def price_of(table: "PriceTable") -> "Price":
    from decimal import Decimal

    from tsuji.catalog.prices import Price
    from tsuji.core.usage import NANO

    # By the decimal digits that were written: 0.1 dollars are 100 000 000 nano-dollars exactly.
    rates: dict[str, Any] = {name: round(Decimal(repr(value)) * NANO) for name, value in table.given().items()}
    return Price(**rates, source="config")


def store_of(table: "StoreTable") -> Store:
    seconds = int(table.retention[:-1]) * _SECONDS[table.retention[-1]]
    return Store(table.prompts, table.answers, seconds, table.redact)


def cache_rule(file: "FileTable", route: "RouteTable") -> CacheRule:
    table = msgspec.to_builtins(route.cache)
    semantic = table.pop("semantic")
    return CacheRule(
        **table,
        semantic=SemanticRule(**semantic) if semantic is not None else None,
        generation=_generation(file, route),
    )


def _generation(file: "FileTable", route: "RouteTable") -> bytes:
    """Of all that the file says of who answers on the route, but for keys and times."""
    names = {model_ref(target if isinstance(target, str) else target.model).provider for target in route.targets}
    said = [
        (id, msgspec.structs.replace(table, api_key=None, timeouts=None))
        for id, table in sorted(file.providers.items())
        if id in names or catalog.canonical(id) in names
    ]
    return sha256(msgspec.json.encode([route, said, file.guardrails])).digest()[:8]
