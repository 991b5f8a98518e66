"""What `choose` asks of a driver, from memory."""

from collections.abc import Mapping, Sequence

from hypothesis import HealthCheck, settings

from tsuji.routing import Route, Target
from tsuji.routing.filters import only_length
from tsuji.routing.health import Health
from tsuji.routing.known import Facts
from tsuji.routing.learned.drift import Drift
from tsuji.routing.memory import Memory
from tsuji.routing.metering import Meters

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A machine may be busy with other things."""


class World:
    """windows, costs: by the model's name; costs per token of the prompt, in nano-dollars. local: providers."""

    def __init__(
        self,
        windows: Mapping[str, int] | None = None,
        costs: Mapping[str, int] | None = None,
        local: Sequence[str] = (),
        spent: Mapping[str, str] | None = None,
        share: float = 1.0,
    ) -> None:
        self.memory = Memory()
        self.meters = Meters(share)
        self.health = Health()
        self.drift = Drift()
        self._windows = windows or {}
        self._costs = costs or {}
        self._local = local
        self._spent = spent or {}

    def facts(self, target: Target) -> Facts:
        return Facts(self._windows.get(target.model), target.provider in self._local, "by the test")

    def window(self, route: Route) -> int | None:
        if self._spent or not only_length(route):
            return None
        return min([self._windows[one.model] for one in route.targets if one.model in self._windows], default=2**60)

    def cost(self, target: Target, tokens: int, output: int) -> int | None:
        each = self._costs.get(target.model)
        return None if each is None else each * (tokens + output)

    def spent(self, target: Target) -> str:
        return self._spent.get(target.model, "")


def route(strategy: str, *targets: Target, **more: object) -> Route:
    return Route("fast", targets, strategy, **more)  # type: ignore[arg-type]


def names(targets: Sequence[object]) -> list[str]:
    """Of targets, or of what has one."""
    return [getattr(one, "target", one).model for one in targets]
