"""What happened to one call: the `.tsuji` of every result and stream."""

from typing import TYPE_CHECKING, Any

from tsuji.core.usage import NANO, Usage

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.routing import Attempt, Routing
    from tsuji.routing.experiment import Assignment
    from tsuji.routing.learned.drift import Drift


class Trace:
    """dropped: fields that were left out because the target cannot say them (only with drop_params, or hints).

    usage: canonical token counts of the answer; None where the provider gave none. service_tier: what the provider says
    it served the request at, which may change the price. started, first_token, ended: seconds on the monotonic clock;
    None where it did not come to that. assignment: to an arm, where the call is part of an experiment. waited: seconds
    spent waiting for providers. worked: of a stream, seconds spent on it so far, the caller's own time between two
    chunks not counted.
    """

    __slots__ = (
        "_answering",
        "_config",
        "_cost",
        "_drift",
        "_routing",
        "assignment",
        "dropped",
        "ended",
        "first_token",
        "service_tier",
        "started",
        "usage",
        "waited",
        "worked",
    )

    def __init__(self, routing: "Routing", config: "Config", started: float) -> None:
        self._routing = routing
        self._config = config
        self._cost: int | str | None = "unasked"
        self._answering = 0
        self._drift: Drift | None = None
        self.assignment: Assignment | None = None
        self.started = started
        self.first_token: float | None = None
        self.ended: float | None = None
        self.waited = 0.0
        self.worked: float | None = None
        self.dropped: list[str] = []
        self.usage: Usage | None = None
        self.service_tier: str | None = None

    @property
    def target(self) -> str:
        """ "provider:model" of the attempt that answered, or of the last one."""
        return self._answered.target.name

    @property
    def _answered(self) -> "Attempt":
        return self._routing.attempts[self._answering - 1]

    def answered(self, number: int, now: float) -> None:
        """number: of the try whose answer is whole."""
        self._answering = number
        self.ended = now

    def teaches(self, drift: "Drift") -> None:
        """What `feedback` is told to."""
        self._drift = drift

    def feedback(self, quality: float) -> bool:
        """Tells a route's learned policy how good the answer was: 0 is useless, 1 perfect. Its target's predicted
        quality is corrected by it, for this client's next calls. False: no policy predicted this answer, or it has
        been told.

        Raises InvalidRequestError for what is not between 0 and 1.
        """
        from tsuji.core.errors import InvalidRequestError
        from tsuji.routing.learned.drift import served

        if not 0 <= quality <= 1:
            raise InvalidRequestError(f"quality must be from 0 to 1, not {quality!r}", param="quality")
        drift, self._drift = self._drift, None
        found = served(self._routing.route, self._routing.choice, self.target) if drift is not None else None
        if drift is None or found is None:
            return False
        drift.learn(found, quality)
        return True

    @property
    def attempts(self) -> "list[Attempt]":
        """All tries, in order: target, reason, started, ended (monotonic seconds), error, usage where it was reported.

        The answer costs what the try that answered used; tries that failed are recorded, and not counted.
        """
        return self._routing.attempts

    @property
    def route(self) -> str:
        return self._routing.route.name

    def explain(self) -> dict[str, Any]:
        """Why it went where it went, as JSON values: see routing.explain.Explained."""
        from msgspec import to_builtins

        from tsuji.routing.explain import explained

        routing = self._routing
        return to_builtins(explained(routing.route, routing.choice, routing.attempts, self.started))

    @property
    def experiment(self) -> str | None:
        """The name of the experiment that the call is part of."""
        rule = self._routing.route.experiment
        return rule.name if rule is not None and self.assignment is not None else None

    @property
    def arm(self) -> str | None:
        """The name of its arm."""
        rule, found = self._routing.route.experiment, self.assignment
        return rule.arms[found.arm].name if rule is not None and found is not None else None

    @property
    def cost_nano(self) -> int | None:
        """What the answer cost, in nano-dollars, exactly; None where the price or the usage is not known.

        With what a hedge had reported when it was given up. Prices are loaded when this is first read.
        """
        if isinstance(self._cost, str):
            from tsuji.catalog.prices import cost

            price = self._config.price(self._answered.target, self.service_tier)
            self._cost = cost(price, self.usage)
            for attempt in self.attempts:
                if attempt.dropped and attempt.usage is not None:
                    beside = cost(self._config.price(attempt.target), attempt.usage)
                    self._cost = None if self._cost is None or beside is None else self._cost + beside
        return self._cost

    @property
    def cost(self) -> float | None:
        """The same in US dollars."""
        nano = self.cost_nano
        return None if nano is None else nano / NANO

    @property
    def seconds(self) -> float | None:
        """From the call to the end of the answer."""
        return None if self.ended is None else self.ended - self.started

    @property
    def ttft(self) -> float | None:
        """Of a stream: seconds from the call to the first content."""
        return None if self.first_token is None else self.first_token - self.started

    @property
    def overhead(self) -> float | None:
        """Seconds that Tsuji itself took."""
        if self.worked is not None:
            return self.worked
        return None if self.ended is None else self.ended - self.started - self.waited

    def __repr__(self) -> str:
        tries = ", ".join(f"{a.target.name}{f' ({a.error.kind})' if a.error else ''}" for a in self.attempts)
        return f"Trace(route={self.route!r}, attempts=[{tries}], seconds={self.seconds}, dropped={self.dropped})"
