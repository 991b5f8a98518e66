"""A route: a model name that callers ask for, and the targets that can answer."""

from tsuji.core.parts import Noun
from tsuji.core.timeouts import Timeouts

from .experiment.design import Experiment
from .learned.rule import Rule
from .retry import Circuit, Hedge, Retry
from .rules import Affinity, Allowance, Sticky


class Target(Noun, frozen=True):
    """A model at a provider. weight: its share where a strategy draws. timeouts: instead of the route's.

    context: tokens of its window, where known. prefill: it goes on from the assistant's message that a conversation
    ends with, instead of answering it. thinks: before its first token, unasked and unseen. tags: words that a route, a
    key or a request may require, such as a region. data: policies that hold for what is sent to it: "no_training",
    "local_only". capabilities: all that it has; None where that is not known. allowance: what it may be asked for.
    """

    provider: str
    model: str
    weight: float = 1.0
    timeouts: Timeouts | None = None
    context: int | None = None
    prefill: bool = False
    thinks: bool = False
    tags: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    capabilities: frozenset[str] | None = None
    allowance: Allowance | None = None

    @property
    def name(self) -> str:
        return f"{self.provider}:{self.model}"


class Route(Noun, frozen=True):
    """strategy "priority": targets in the order given. drop_params: None takes the caller's or the config's word.
    guardrails: by name. refuse_unpriced: a gateway skips targets whose price is not known. hedge: None for never.
    require: tags and data policies ("no_training", "local_only") that a target must have. experiment, learned: with the
    strategy of that name.
    """

    name: str
    targets: tuple[Target, ...]
    strategy: str = "priority"
    timeouts: Timeouts = Timeouts()
    drop_params: bool | None = None
    guardrails: tuple[str, ...] = ()
    refuse_unpriced: bool = False
    retry: Retry = Retry()
    hedge: Hedge | None = None
    circuit: Circuit = Circuit()
    require: tuple[str, ...] = ()
    sticky: Sticky | None = None
    affinity: Affinity | None = None
    experiment: Experiment | None = None
    learned: Rule | None = None
