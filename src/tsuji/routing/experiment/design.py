"""What an experiment is."""

from typing import Literal

from tsuji.core.parts import Noun

COST, LATENCY, FIRST_TOKEN, ERROR, FEEDBACK, JUDGE = "cost", "latency", "first_token", "error", "feedback", "judge"
METRICS = (COST, LATENCY, FIRST_TOKEN, ERROR, FEEDBACK, JUDGE)
Metric = Literal["cost", "latency", "first_token", "error", "feedback", "judge"]
Unit = Literal["request", "session", "user"]
HIGHER_IS_BETTER = frozenset([FEEDBACK, JUDGE])
UNITS = {COST: "USD", LATENCY: "s", FIRST_TOKEN: "s", ERROR: "", FEEDBACK: "", JUDGE: ""}


class Arm(Noun, frozen=True):
    """target: its place in the route's targets. share: its weight among the arms. shadow: requests are mirrored to it,
    that share of them (0 to 1), and its answers are recorded only.
    """

    name: str
    target: int
    share: float = 1.0
    shadow: bool = False


class FeedbackScale(Noun, frozen=True):
    """What feedback means as a number. low, high: of numbers; what lies outside is cut off. values: of choices."""

    low: float = 0.0
    high: float = 1.0
    values: dict[str, float] = {}


class Guardrail(Noun, frozen=True):
    """An arm is stopped once it is certain, on any look, that its mean of `metric` is worse than the control's by more
    than `worse_by`, or worse than `limit`. One of the two is given, in the metric's unit.
    """

    metric: Metric
    worse_by: float | None = None
    limit: float | None = None


class Bandit(Noun, frozen=True):
    """Shares follow what is learnt (Thompson sampling on the first metric), but none falls below `floor`."""

    floor: float = 0.1


class Judge(Noun, frozen=True):
    """model: a route or "provider:model" that scores `share` of the answers from 0 to 10, by `prompt`."""

    model: str
    share: float = 0.1
    prompt: str = "How well does the answer do what the conversation asks for?"


class Experiment(Noun, frozen=True):
    """arms: the first is the control. metrics: the first decides, the others are shown.

    unit: whose requests stay in one arm; it is the unit of the statistics too. window: seconds from a unit's first
    request for which its requests count, and after which it counts, once; 0 for unit "request". alpha: of the decision;
    each guardrail has `guardrail_alpha` for itself. planned: units in all for which intervals are narrowest; they are
    valid at any number. salt: another one assigns anew. shadows: requests mirrored at one time, by one worker.
    """

    name: str
    arms: tuple[Arm, ...]
    metrics: tuple[Metric, ...] = (COST,)
    unit: Unit = "request"
    window: int = 0
    salt: str = ""
    alpha: float = 0.05
    guardrail_alpha: float = 0.01
    planned: int = 2000
    feedback: FeedbackScale = FeedbackScale()
    guardrails: tuple[Guardrail, ...] = ()
    bandit: Bandit | None = None
    judge: Judge | None = None
    shadows: int = 4

    @property
    def live(self) -> tuple[int, ...]:
        """Indexes of the arms that answer."""
        return tuple([at for at, arm in enumerate(self.arms) if not arm.shadow])

    def bounds(self, metric: str) -> tuple[float, float] | None:
        """Between which a metric's values lie by their nature; None: there are no such bounds."""
        if metric in (ERROR, JUDGE):
            return 0.0, 1.0
        if metric != FEEDBACK:
            return None
        values = self.feedback.values.values()
        return min([self.feedback.low, *values]), max([self.feedback.high, *values])

    def sign(self, metric: str) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if metric in HIGHER_IS_BETTER else -1


class State(Noun, frozen=True):
    """What has been decided meanwhile. stopped: indexes of arms that get nothing more. winner: the experiment is over,
    and all go to this arm. shares: of a bandit, by arm, good until `until` (seconds since 1970).
    """

    stopped: tuple[int, ...] = ()
    winner: int | None = None
    shares: tuple[float, ...] | None = None
    until: float = 0.0
