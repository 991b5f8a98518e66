"""Hard filters: which targets may serve a request at all, whatever a strategy thinks of them.

A need more never lets a target in that was out. What is not known of a window or a capability removes nothing; what is
not said of data and tags does: a promise that nobody made is none.
"""

from collections.abc import Sequence

from tsuji.core.errors import (
    PermissionDeniedError,
    RateLimitError,
    TsujiError,
    UnsupportedParameterError,
)

from .choice import Removed
from .health import Health
from .known import Facts, Known
from .needs import Needs
from .route import Route, Target

LOCAL_ONLY = "local_only"
NO_TRAINING = "no_training"
REQUIRE, CAPABILITY, CONTEXT, LIMITS, BUDGET = "require", "capability", "context", "limits", "budget"
_PARAMS = {"tools": "tools", "json_schema": "response_format", "thinking": "reasoning_effort"}
"""Fields of OpenAI's that bring a need; the others are parts of messages."""


def filtered(
    route: Route, needs: Needs, known: Known, health: Health, now: float
) -> tuple[list[Target], list[Removed], float]:
    """(those left, in the route's order; those removed; seconds after which a limit may let one in)."""
    window = known.window(route)
    if window is not None and not needs.require and (needs.tokens or 0) + (needs.output or 0) <= window:
        return list(route.targets), [], 0.0
    left: list[Target] = []
    removed: list[Removed] = []
    soonest = 0.0
    require = route.require + needs.require if needs.require else route.require
    for target in route.targets:
        facts = known.facts(target)
        found = _lacks(target, facts, require, needs.capabilities)
        if found is None and target.allowance is not None:
            asked = (needs.tokens or 0) + (needs.output or 0)
            why, wait = known.meters.full(target.name, health.of(target), target.allowance, asked, now)
            if why:
                found = LIMITS, why
                soonest = wait if not soonest else min(soonest, wait)
        if found is None and (why := known.spent(target)):
            found = BUDGET, why
        if found is None and needs.tokens is not None:
            found = _too_long(facts, needs.tokens, needs.output)
        if found is None:
            left.append(target)
        else:
            removed.append(Removed(target, *found))
    return left, removed, soonest


def only_length(route: Route) -> bool:
    """The route removes no target but for the length of a prompt."""
    return not route.require and all(one.capabilities is None and one.allowance is None for one in route.targets)


def _lacks(
    target: Target, facts: Facts, require: Sequence[str], capabilities: frozenset[str]
) -> tuple[str, str] | None:
    """(filter, reason)."""
    for word in require:
        if not _has(target, facts, word):
            return REQUIRE, f"is not {word!r}"
    has = target.capabilities
    if has is not None and not capabilities <= has:
        return CAPABILITY, f"has no {', '.join(sorted(capabilities - has))}"
    return None


def _too_long(facts: Facts, tokens: int, output: int | None) -> tuple[str, str] | None:
    context = facts.context
    if context is None or tokens + (output or 0) <= context:
        return None
    asked = f" and {output} of the answer" if output else ""
    return CONTEXT, f"has a window of {context} tokens ({facts.said}); about {tokens}{asked} do not fit"


def _has(target: Target, facts: Facts, word: str) -> bool:
    if word in (LOCAL_ONLY, NO_TRAINING):
        return facts.local or word in target.data or LOCAL_ONLY in target.data
    return word in target.tags


def last_resort(removed: Sequence[Removed], known: Known) -> tuple[list[Target], str]:
    """Where nothing is left: (those that only an estimate is against, what to say of it)."""
    poor = [one.target for one in removed if one.filter == BUDGET]
    if poor:
        return poor, "no budget seems to have room for it; what is left is counted exactly before it goes out"
    sized = [one.target for one in removed if one.filter == CONTEXT]
    largest = sorted(sized, key=lambda target: -(known.facts(target).context or 0))[:1]
    return largest, "it seems too long for every window; the provider with the largest one will count"


def refusal(route: Route, needs: Needs, removed: Sequence[Removed], wait: float) -> TsujiError:
    """Why no target of the route may serve the request."""
    why = "; ".join([f"{one.target.name} {one.reason}" for one in removed])
    said = f"no target of {route.name!r} can take this request: {why}"
    by = {one.filter for one in removed}
    if LIMITS in by:
        return RateLimitError(f"{said}; try again later", fault="gateway", retry_after=max(wait, 0.1))
    if CAPABILITY in by:
        need = min(needs.capabilities & _PARAMS.keys(), default="")
        return UnsupportedParameterError(said, param=_PARAMS.get(need, "messages"))
    return PermissionDeniedError(said, fault="caller" if needs.require else "gateway")
