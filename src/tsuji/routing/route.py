"""A route: a model name that callers ask for, and the targets that can answer."""

from tsuji.core.parts import Noun
from tsuji.core.timeouts import Timeouts

from .experiment.design import Experiment


class Target(Noun, frozen=True):
    """A model at a provider. weight: its share where a strategy draws. timeouts: instead of the route's."""

    provider: str
    model: str
    weight: float = 1.0
    timeouts: Timeouts | None = None

    @property
    def name(self) -> str:
        return f"{self.provider}:{self.model}"


class Route(Noun, frozen=True):
    """strategy "priority": targets in the order given. drop_params: None takes the caller's or the config's word.
    guardrails: by name. refuse_unpriced: a gateway skips targets whose price is not known.
    experiment: with the strategy "experiment".
    """

    name: str
    targets: tuple[Target, ...]
    strategy: str = "priority"
    timeouts: Timeouts = Timeouts()
    drop_params: bool | None = None
    guardrails: tuple[str, ...] = ()
    refuse_unpriced: bool = False
    experiment: Experiment | None = None
