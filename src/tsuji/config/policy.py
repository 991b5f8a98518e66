"""The policy file of a route with the strategy "learned": read, checked, and made into what routing goes by."""

from pathlib import Path as Folder

from tsuji.core.errors import ConfigError, TsujiError
from tsuji.routing import Target
from tsuji.routing.learned.policy import Policy, read_policy
from tsuji.routing.learned.rule import EXPLORE, TOLERANCE, Rule, known

from .problem import Path, Problems
from .provider import model_ref
from .reader import MISSING
from .schema_route import RouteTable

_FIELDS = ("policy", "tolerance", "max_cost", "explore")


def rule_of(table: RouteTable, targets: tuple[Target, ...], folder: Folder) -> Rule | None:
    """None for other strategies. Raises ConfigError for a file that is no policy."""
    if table.strategy != "learned" or table.policy is None:
        return None
    file = folder / Folder(table.policy).expanduser()
    policy = _read(file)
    group, models = known(policy, targets)
    tolerance = table.tolerance
    if tolerance is None:
        tolerance = TOLERANCE if table.max_cost is None else 0.0
    explore = EXPLORE if table.explore is None else table.explore
    return Rule(group, models, policy.digest, tolerance, table.max_cost, explore, str(file))


def check_policy(route: RouteTable, path: Path, folder: Folder, problems: Problems) -> None:
    if route.strategy != "learned":
        for name in _FIELDS:
            if getattr(route, name) is not None:
                problems.add((*path, name), f"has no effect with the strategy {route.strategy!r}", "note")
        return
    if route.policy is None:
        problems.add(path, "the strategy 'learned' needs policy = FILE, which 'tsuji router train' writes")
        return
    here = (*path, "policy")
    try:
        policy = _read(folder / Folder(route.policy).expanduser())
    except ConfigError as error:
        problems.add(here, error.message)
        return
    targets = [target for one in route.targets if one is not MISSING and (target := _target(one)) is not None]
    group, models = known(policy, targets)
    if targets and not models:
        some = ", ".join(group.models[:5])
        problems.add(here, f"knows none of the route's targets, but {some}; train one with outcomes of the targets")
        return
    for target in targets:
        if target.name not in models:
            problems.add(here, f"does not know {target.name!r}, which is asked only when all others fail", "note")
    if not group.learned:
        message = "is not certain to know better than single models; their means decide, whatever the prompt"
        problems.add(here, message, "note")


def _target(given: object) -> Target | None:
    try:
        ref = model_ref(given if isinstance(given, str) else str(getattr(given, "model", "")))
    except TsujiError:
        return None
    return Target(ref.provider, ref.model)


def _read(file: Folder) -> Policy:
    try:
        return read_policy(file.read_bytes(), str(file))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; make it with 'tsuji router train'") from None
