"""An experiment in memory, and what can be wrong with its table."""

from collections.abc import Callable

import msgspec

from tsuji.core.errors import TsujiError
from tsuji.routing.experiment import Arm, Bandit, Experiment, FeedbackScale, Guardrail, Judge

from .problem import Path, Problems
from .provider import model_ref
from .reader import MISSING
from .schema import FileTable
from .schema_experiment import ExperimentTable, GuardrailMetricTable
from .schema_route import RouteTable, TargetTable


def experiment_of(name: str, route: RouteTable) -> Experiment | None:
    table = route.experiment
    if table is None or route.strategy != "experiment":
        return None
    targets = [_target(target) for target in route.targets]
    scale = table.feedback
    return Experiment(
        name=table.name or name,
        arms=tuple([Arm(arm.name, targets.index(_target(arm.target)), arm.share, arm.shadow) for arm in table.arms]),
        metrics=table.metrics,
        unit=table.unit,
        window=0 if table.unit == "request" else int(table.window),
        salt=table.salt,
        alpha=table.alpha,
        guardrail_alpha=table.guardrail_alpha,
        planned=table.planned,
        feedback=FeedbackScale(scale.low, scale.high, dict(scale.values)),
        guardrails=tuple([Guardrail(rule.metric, rule.worse_by, rule.limit) for rule in table.guardrails]),
        bandit=Bandit(table.bandit.floor) if table.bandit is not None else None,
        judge=Judge(**msgspec.structs.asdict(table.judge)) if table.judge is not None else None,
        shadows=table.shadows,
    )


def check_experiment(
    route: RouteTable, path: Path, problems: Problems, check_model: Callable[[str, Path], None]
) -> None:
    """check_model: notes what is wrong with a model that is no route."""
    table, here = route.experiment, (*path, "experiment")
    if table is None:
        if route.strategy == "experiment":
            problems.add(path, "the strategy 'experiment' needs a table [routes.NAME.experiment] with arms")
        return
    if route.cache is not None and route.strategy == "experiment":
        problems.add((*path, "cache"), "would give answers of one arm to units of another; leave it out")
    if route.strategy != "experiment":
        problems.add(here, f"has no effect with the strategy {route.strategy!r}", "note")
    _check_arms(route, table, here, problems)
    for at, rule in enumerate(table.guardrails):
        if rule is not MISSING:
            _check_guardrail(rule, table, (*here, "guardrails", at), problems)
    if table.feedback.low >= table.feedback.high:
        problems.add((*here, "feedback"), "low must be below high")
    if "judge" in table.metrics and table.judge is None:
        problems.add((*here, "judge"), "the metric 'judge' needs a judge, with a model")
    if table.judge is not None:
        if "judge" not in table.metrics:
            problems.add((*here, "judge"), "has no effect: 'judge' is not among the metrics", "note")
        check_model(table.judge.model, (*here, "judge", "model"))
    live = [arm for arm in table.arms if arm is not MISSING and not arm.shadow]
    if table.bandit is not None:
        if table.unit != "request":
            problems.add((*here, "bandit"), f"moves shares all the time, so no {table.unit} could stay in its arm")
        if table.bandit.floor * len(live) > 1:
            problems.add(
                (*here, "bandit", "floor"), f"{len(live)} arms cannot each have {table.bandit.floor:g} at least"
            )


def check_names(file: FileTable, problems: Problems) -> None:
    """Reports go by an experiment's name, whichever route it is on."""
    seen: set[str] = set()
    for name, route in file.routes.items():
        if route.experiment is None:
            continue
        own = route.experiment.name or name
        if own in seen:
            problems.add(("routes", name, "experiment", "name"), f"another experiment is called {own!r}")
        seen.add(own)


def _check_arms(route: RouteTable, table: ExperimentTable, path: Path, problems: Problems) -> None:
    targets = {_target(target) for target in route.targets if target is not MISSING}
    seen: set[str] = set()
    arms = [(at, arm) for at, arm in enumerate(table.arms) if arm is not MISSING]
    for at, arm in arms:
        here: Path = (*path, "arms", at)
        if not arm.name or arm.name in seen:
            problems.add((*here, "name"), "each arm needs a name of its own")
        seen.add(arm.name)
        if _target(arm.target) not in targets:
            problems.add((*here, "target"), f"{arm.target!r} is not among the route's targets; list it there too")
        if arm.shadow and arm.share > 1:
            problems.add((*here, "share"), "of a shadow it is a part of the requests: 1 at most")
    if arms and arms[0][1].shadow:
        problems.add((*path, "arms", 0), "the first arm is the control, and cannot be a shadow")
    elif arms and arms[0][1].share <= 0:
        problems.add((*path, "arms", 0, "share"), "the first arm is the control; its share must be above 0")
    if len(arms) == 1:
        problems.add((*path, "arms"), "one arm alone compares nothing; it needs another, or a shadow")


def _check_guardrail(rule: GuardrailMetricTable, table: ExperimentTable, path: Path, problems: Problems) -> None:
    if rule.metric not in table.metrics:
        problems.add(path, f"{rule.metric!r} is not among the experiment's metrics; add it there")
    if (rule.worse_by is None) == (rule.limit is None):
        problems.add(path, "needs one of worse_by and limit")


def _target(target: str | TargetTable) -> str:
    text = target if isinstance(target, str) else target.model
    try:
        return str(model_ref(text))
    except TsujiError:
        return text
