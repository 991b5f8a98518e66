"""The table of an experiment on a route."""

from typing import Annotated, Literal

from msgspec import Meta

from .table import Count, Seconds, Table

Share = Annotated[float, Meta(ge=0, le=1)]
MetricName = Literal["cost", "latency", "first_token", "error", "feedback", "judge"]


class ArmTable(Table, frozen=True):
    """One of what is compared."""

    name: str
    target: Annotated[str, Meta(description="One of the route's targets.")]
    share: Annotated[
        float, Meta(ge=0, description="Its weight among the arms; of a shadow the part of requests that it gets, to 1.")
    ] = 1.0
    shadow: Annotated[bool, Meta(description="Requests are mirrored to it; its answers are recorded only.")] = False


class FeedbackTable(Table, frozen=True):
    """What feedback means as a number."""

    low: Annotated[float, Meta(description="The least number; less counts as that.")] = 0.0
    high: Annotated[float, Meta(description="The greatest number; more counts as that.")] = 1.0
    values: Annotated[dict[str, float], Meta(description="What each choice counts.")] = {}


class GuardrailMetricTable(Table, frozen=True):
    """An arm that is certain to have passed it is stopped."""

    metric: MetricName
    worse_by: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="More than this worse than the control, in the metric's unit."),
    ] = None
    limit: Annotated[float | None, Meta(description="Worse than this, whatever the control is.")] = None


class BanditTable(Table, frozen=True):
    """Shares follow what is learnt, on the first metric."""

    floor: Annotated[float, Meta(gt=0, le=0.5, description="The least share of an arm.")] = 0.1


class JudgeTable(Table, frozen=True):
    """A model that scores answers, as the metric `judge`."""

    model: Annotated[str, Meta(description="A route or `provider:model`.")]
    share: Annotated[Share, Meta(description="Of the answers.")] = 0.1
    prompt: Annotated[str, Meta(description="The question that it answers with a number from 0 to 10.")] = (
        "How well does the answer do what the conversation asks for?"
    )


class ExperimentTable(Table, frozen=True):
    """Arms that are compared, with the strategy `experiment`."""

    arms: Annotated[tuple[ArmTable, ...], Meta(min_length=1, description="The first is the control.")]
    name: Annotated[str | None, Meta(description="In reports. Default: the route's. Another begins a new one.")] = None
    metrics: Annotated[
        tuple[MetricName, ...], Meta(min_length=1, description="The first decides, the others are shown.")
    ] = ("cost", "latency", "error")
    unit: Annotated[
        Literal["request", "session", "user"], Meta(description="What stays in one arm, and counts once.")
    ] = "request"
    window: Annotated[
        Seconds, Meta(description="Seconds from a user's or session's first request for which its requests count.")
    ] = 86_400.0
    salt: Annotated[str, Meta(description="Another one assigns users anew.")] = ""
    alpha: Annotated[float, Meta(gt=0, lt=1, description="Probability of a difference where there is none.")] = 0.05
    guardrail_alpha: Annotated[
        float, Meta(gt=0, lt=1, description="Probability that a guardrail stops an arm that has not passed it.")
    ] = 0.01
    planned: Annotated[
        Count, Meta(description="Units in all that it is meant for; `tsuji experiment plan` says how many.")
    ] = 2000
    feedback: FeedbackTable = FeedbackTable()
    guardrails: tuple[GuardrailMetricTable, ...] = ()
    bandit: BanditTable | None = None
    judge: JudgeTable | None = None
    shadows: Annotated[Count, Meta(description="Mirrored requests under way at one time, in each worker.")] = 4
