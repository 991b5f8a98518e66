"""What one configuration says of targets, for choosing among them; and the choice for a call of the library."""

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from tsuji.core.errors import ModelNotFoundError
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.core.usage import Usage
from tsuji.routing import Route, Target
from tsuji.routing.choice import Chance, Choice, in_order
from tsuji.routing.choose import choose
from tsuji.routing.filters import only_length
from tsuji.routing.hashing import hashed
from tsuji.routing.health import Health
from tsuji.routing.known import Facts
from tsuji.routing.learned.drift import Drift
from tsuji.routing.memory import Memory
from tsuji.routing.metering import Meters
from tsuji.routing.needs import Needs, beginning, capabilities_of, prompt_of, tokens_of

if TYPE_CHECKING:
    from tsuji.catalog.prices import Price
    from tsuji.config import Config

LOCAL = "local"
_REMEMBERED = 1024
_PRICE_SECONDS = 10.0


class Plan(NamedTuple):
    """What is worked out once of a route. plain: the choice for every request that is no longer than `window` (tokens;
    inf where no length removes a target) and requires nothing; None where each request is chosen for.

    declares: a target says what it is capable of. window: the smallest that is known.
    """

    route: Route
    plain: Choice | None
    declares: bool
    only_length: bool
    window: float


class Chooser:
    """A routing.known.Known of one configuration. memory, meters, drift: of the process, which outlive it."""

    def __init__(
        self,
        config: "Config",
        memory: Memory | None = None,
        meters: Meters | None = None,
        drift: Drift | None = None,
    ) -> None:
        self.memory = memory if memory is not None else Memory()
        self.meters = meters if meters is not None else Meters()
        self.drift = drift if drift is not None else Drift()
        self._config = config
        self._plans: dict[int, Plan] = {}  # by the route's id, which is cheaper than its hash
        self._facts: dict[str, Facts] = {}
        self._prices: dict[str, tuple[Price | None, float]] = {}

    def plan(self, route: Route) -> Plan:
        found = self._plans.get(id(route))
        if found is None or found.route is not route:
            if len(self._plans) >= _REMEMBERED:
                self._plans.clear()
            found = self._plans[id(route)] = self._plan(route)
        return found

    def _plan(self, route: Route) -> Plan:
        """A single target is asked whatever an estimate says: its provider counts exactly."""
        free = only_length(route)
        windows = [self.facts(target).context for target in route.targets] if len(route.targets) > 1 else []
        window = min([size for size in windows if size is not None], default=inf)
        plain = free and (len(route.targets) == 1 or (route.strategy == "priority" and route.sticky is None))
        declares = any(target.capabilities is not None for target in route.targets)
        return Plan(route, in_order(route) if plain else None, declares, free, window)

    def choose(
        self,
        route: Route,
        request: ChatRequest | EmbeddingRequest | None,
        health: Health,
        now: float,
        chance: Chance,
        task: str = "",
    ) -> Choice:
        """For a call of the library. request: None for what is neither. Raises what routing.choose does."""
        plan = self.plan(route)
        if plan.plain is not None and (
            plan.window == inf or request is None or tokens_of(request) + (_output(request) or 0) <= plan.window
        ):
            return plan.plain
        return choose(route, self.needs(route, request, capable=plan.declares, task=task), self, health, now, chance)

    def needs(
        self,
        route: Route,
        request: ChatRequest | EmbeddingRequest | None,
        *,
        capable: bool,
        require: tuple[str, ...] = (),
        task: str = "",
    ) -> Needs:
        """capable: look at what the request asks of a model's capabilities, too. require: beyond the route's. task: for
        a learned policy.
        """
        if request is None:
            return Needs(require=require)
        chat = request if isinstance(request, ChatRequest) else None
        sticky, conversation, prefix = route.sticky, "", 0
        if chat is not None and (route.affinity is not None or (sticky is not None and sticky.by == "conversation")):
            begins = beginning(chat)
            conversation = f"{hashed(begins):x}"
            prefix = hashed(begins[: route.affinity.prefix]) if route.affinity is not None else 0
        return Needs(
            tokens_of(request),
            _output(request),
            capabilities_of(chat) if chat is not None and capable else frozenset(),
            require,
            user=request.user or "",
            session=(chat.prompt_cache_key if chat is not None else None) or "",
            conversation=conversation,
            prefix=prefix,
            prompt=prompt_of(chat) if chat is not None and route.learned is not None else "",
            task=task,
        )

    # Known.

    def facts(self, target: Target) -> Facts:
        found = self._facts.get(target.name)
        if found is None:
            if len(self._facts) >= _REMEMBERED:
                self._facts.clear()
            found = self._facts[target.name] = self._look_up(target)
        return found if target.context is None else Facts(target.context, found.local, "the configuration")

    def _look_up(self, target: Target) -> Facts:
        from tsuji.catalog.prices import context_window

        try:
            provider = self._config.provider(target.provider)
        except ModelNotFoundError:  # which is this target's failure when it is tried, and no other's
            return Facts()
        return Facts(context_window(provider, target.model), target.provider == LOCAL, "price data")

    def window(self, route: Route) -> int | None:
        plan = self.plan(route)
        if not plan.only_length:
            return None
        return int(plan.window) if plan.window != inf else _ENDLESS

    def cost(self, target: Target, tokens: int, output: int) -> int | None:
        from tsuji.catalog.prices import cost

        now = monotonic()
        known = self._prices.get(target.name)
        if known is None or now >= known[1]:
            if len(self._prices) >= _REMEMBERED:
                self._prices.clear()
            known = self._prices[target.name] = self._price(target), now + _PRICE_SECONDS
        return cost(known[0], Usage(tokens, output))

    def _price(self, target: Target) -> "Price | None":
        try:
            return self._config.price(target)
        except ModelNotFoundError:
            return None

    def spent(self, target: Target) -> str:
        """The library has no budgets."""
        return ""


_ENDLESS = 2**60


def _output(request: ChatRequest | EmbeddingRequest) -> int | None:
    return request.max_tokens if isinstance(request, ChatRequest) else None
