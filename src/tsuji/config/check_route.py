"""What is wrong with routes and their targets.

A route may not be called like a provider, a target may not name a route, and no target stands twice in one route. A
route called "provider:model" is allowed: it takes the place of that model for those who ask for it directly.
"""

from collections.abc import Collection
from pathlib import Path as Folder
from typing import Any

from tsuji import catalog
from tsuji.core.errors import InvalidRequestError, TsujiError
from tsuji.core.model import ModelRef
from tsuji.routing.choose import SPREAD
from tsuji.routing.filters import LOCAL_ONLY, NO_TRAINING

from .experiment import check_experiment
from .policy import check_policy
from .problem import Path, Problems
from .provider import model_ref
from .reader import MISSING
from .schema import FileTable
from .schema_route import RetryTable, RouteTable, TargetTable


def check_route(
    name: str, route: RouteTable, known: Collection[str], routes: Collection[str], folder: Folder, problems: Problems
) -> None:
    path: Path = ("routes", name)
    if not name:
        problems.add(path, "a route needs a name")
    elif name in known:
        problems.add(path, "is a provider's name as well; call the route differently")
    elif _names_provider(name, known):
        problems.add(path, f"takes the place of the model {name!r} for all who ask for it directly", "note")
    _insistence(route, path, problems)
    seen: set[str] = set()
    for at, target in enumerate(route.targets):
        here: Path = (*path, "targets", at)
        if target is MISSING:
            continue
        ref = check_target(target.model if isinstance(target, TargetTable) else target, here, known, routes, problems)
        if ref is not None and str(ref) in seen:
            problems.add(here, f"{str(ref)!r} stands in this route already; each target is tried once")
        seen.add(str(ref))
        if isinstance(target, TargetTable):
            _target_extras(target, route, here, problems)
    _choosing(route, path, problems)
    check_policy(route, path, folder, problems)

    def check_model(text: str, where: Path) -> None:
        if text not in routes:
            check_target(text, where, known, routes, problems)

    check_experiment(route, path, problems, check_model)


def _insistence(route: RouteTable, path: Path, problems: Problems) -> None:
    tries = route.retry.tries if route.retry is not None else RetryTable().tries
    if len(route.targets) > tries:
        problems.add((*path, "targets"), f"has more targets than the {tries} tries of a request (retry.tries)", "note")
    if route.hedge is not None and len(route.targets) == 1:
        problems.add((*path, "hedge"), "has no effect on a route of one target", "note")


def _names_provider(name: str, known: Collection[str]) -> bool:
    try:
        return model_ref(name).provider in known
    except TsujiError:
        return False


def check_target(
    text: str, path: Path, known: Collection[str], routes: Collection[str], problems: Problems
) -> ModelRef | None:
    try:
        ref = model_ref(text)
    except InvalidRequestError:
        if text in routes:
            problems.add(
                path, f"{text!r} is a route; a target is 'provider:model', so list that route's targets instead"
            )
        elif text in known:
            problems.add(path, f"{text!r} names a provider but no model; write '{text}:MODEL'")
        else:
            problems.add(path, f"{text!r} names no provider; write 'provider:model', such as 'local:default'")
        return None
    if ref.provider not in known:
        problems.add(path, f"no provider {ref.provider!r}; {catalog.nearest(ref.provider, tuple(known))}")
        return None
    return ref


def _choosing(route: RouteTable, path: Path, problems: Problems) -> None:
    """What a route says of choosing that cannot come true."""
    targets = [target for target in route.targets if target is not MISSING]
    if route.affinity is not None:
        if route.strategy not in SPREAD:
            message = f"has no effect with the strategy {route.strategy!r}, which has a first target of its own"
            problems.add((*path, "affinity"), message, "note")
        elif route.sticky is not None:
            problems.add((*path, "sticky"), "has no effect beside affinity, which says more", "note")
    for word in route.require:
        if not any(_may_be(target, word) for target in targets):
            where = "data" if word in (LOCAL_ONLY, NO_TRAINING) else "tags"
            problems.add((*path, "require"), f"no target has {word!r} among its {where}, so none could be asked")
    if route.strategy == "weighted" and targets and not any(_weight(target) for target in targets):
        problems.add((*path, "targets"), "all weights are 0; one must be more")


def _may_be(target: str | TargetTable, word: str) -> bool:
    local = (target if isinstance(target, str) else target.model).startswith("local:")
    if word in (LOCAL_ONLY, NO_TRAINING):
        return local or (not isinstance(target, str) and bool({word, LOCAL_ONLY} & {*target.data}))
    return not isinstance(target, str) and word in target.tags


def _weight(target: str | TargetTable) -> float:
    return 1.0 if isinstance(target, str) else target.weight


_BY_WEIGHT = ("weighted", "least_busy")


def _target_extras(target: TargetTable, route: RouteTable, path: Path, problems: Problems) -> None:
    if target.weight != 1.0 and route.strategy not in _BY_WEIGHT and route.affinity is None:
        problems.add((*path, "weight"), f"has no effect with the strategy {route.strategy!r}", "note")
    price = target.price
    if price is not None and (price.input is None or price.output is None):
        missing = "input" if price.input is None else "output"
        problems.add((*path, "price"), f"no price for {missing}: what uses it will cost 'unknown'", "note")


def check_prices(file: FileTable, problems: Problems) -> None:
    """One model at one provider costs the same in every route."""
    seen: dict[str, Any] = {}
    for name, route in file.routes.items():
        for at, target in enumerate(route.targets):
            if target is MISSING or isinstance(target, str) or target.price is None:
                continue
            if seen.setdefault(target.model, target.price) != target.price:
                message = f"{target.model!r} has another price in another route; give it the same in both"
                problems.add(("routes", name, "targets", at, "price"), message)
