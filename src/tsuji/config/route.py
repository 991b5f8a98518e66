"""A route in memory, made of its table in the file."""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict

from tsuji import catalog
from tsuji.core.timeouts import Timeouts
from tsuji.routing import Circuit, Hedge, Retry, Route, Target
from tsuji.routing.rules import Affinity, Allowance, Sticky

from .caching import CacheRule, SemanticRule
from .config import Store
from .experiment import experiment_of
from .policy import rule_of
from .provider import ProviderConfig, model_ref
from .span import seconds

if TYPE_CHECKING:
    from tsuji.catalog.prices import Price

    from .schema import FileTable
    from .schema_route import PriceTable, RouteTable, StoreTable, TargetTable


def route_of(name: str, table: "RouteTable", providers: dict[str, ProviderConfig], folder: Path) -> Route:
    """Timeouts fall, each by itself, from target to route to provider to default. folder: of the file."""
    own = table.timeouts.given() if table.timeouts else {}
    whole = Timeouts(**own)
    targets: list[Target] = []
    for target in table.targets:
        ref = model_ref(target if isinstance(target, str) else target.model)
        given = providers.get(ref.provider)
        nearest = {} if isinstance(target, str) else (target.timeouts.given() if target.timeouts else {})
        prefill = None if isinstance(target, str) else target.prefill
        timeouts = Timeouts(**{**(given.timeouts if given else {}), **own, **nearest})
        targets.append(
            Target(
                provider=ref.provider,
                model=ref.model,
                timeouts=timeouts if timeouts != whole else None,
                prefill=catalog.prefills(ref.provider, ref.model) if prefill is None else prefill,
                thinks=catalog.thinks(ref.provider, ref.model),
                **({} if isinstance(target, str) else _extras(target)),
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
        learned=rule_of(table, tuple(targets), folder),
        require=table.require,
        sticky=Sticky(table.sticky.by, table.sticky.ttl) if table.sticky is not None else None,
        affinity=Affinity(table.affinity.prefix, table.affinity.load) if table.affinity is not None else None,
        retry=Retry(**asdict(table.retry)) if table.retry else Retry(),
        hedge=Hedge(**asdict(table.hedge)) if table.hedge else None,
        circuit=Circuit(**asdict(table.circuit)) if table.circuit else Circuit(),
    )


def _extras(table: "TargetTable") -> dict[str, Any]:
    limits, capabilities = table.limits, table.capabilities
    return {
        "weight": table.weight,
        "context": table.context,
        "tags": table.tags,
        "data": table.data,
        "capabilities": frozenset(capabilities) if capabilities is not None else None,
        "allowance": Allowance(limits.rpm, limits.tpm, limits.concurrent) if limits is not None else None,
    }


def price_of(table: "PriceTable") -> "Price":
    from decimal import Decimal

    from tsuji.catalog.prices import Price
    from tsuji.core.usage import NANO

    # By the decimal digits that were written: 0.1 dollars are 100 000 000 nano-dollars exactly.
    rates: dict[str, Any] = {name: round(Decimal(repr(value)) * NANO) for name, value in table.given().items()}
    return Price(**rates, source="config")


def store_of(table: "StoreTable") -> Store:
    return Store(table.prompts, table.answers, seconds(table.retention), table.redact)


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
        (id, msgspec.structs.replace(table, api_key=None, api_keys=None, timeouts=None))
        for id, table in sorted(file.providers.items())
        if id in names or catalog.canonical(id) in names
    ]
    return sha256(msgspec.json.encode([route, said, file.guardrails])).digest()[:8]
