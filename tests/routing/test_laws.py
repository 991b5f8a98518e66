"""The laws of the machine, whatever happens: a simulated driver, clock and set of providers, driven by Hypothesis."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tsuji.core import errors as e
from tsuji.routing import Circuit, Fail, Health, Hedge, Retry, Route, Routing, Target, Try, Wait
from tsuji.routing.machine import Delivered
from tsuji.routing.verdict import verdict

ERRORS = (
    e.InvalidRequestError("bad"),
    e.ContextLengthExceededError("long"),
    e.ContentFilterError("no"),
    e.ModelNotFoundError("gone"),
    e.AuthenticationError("key"),
    e.RateLimitError("slow down", retry_after=2.0),
    e.RateLimitError("slow down"),
    e.UpstreamError("500"),
    e.UpstreamUnavailableError("503"),
    e.UpstreamConnectionError("refused"),
    e.UpstreamConnectionError("reset", reached=True),
    e.UpstreamTimeoutError("silent", timeout="first_byte"),
    e.UpstreamTimeoutError("stalled", timeout="idle"),
    e.UpstreamProtocolError("html"),
    e.StreamInterruptedError("cut"),
    e.InternalError("bug"),
)
FAILURE = st.tuples(st.sampled_from(ERRORS), st.floats(0.0, 20.0), st.sampled_from(["nothing", "text", "fixed"]))
OUTCOME = st.one_of(FAILURE, FAILURE, FAILURE, st.just(None))
WINDOWS = st.sampled_from([None, 1000, 2000])


@st.composite
def routes(draw: st.DrawFn) -> Route:
    targets = [
        Target(f"p{at}", "m", context=draw(WINDOWS), prefill=draw(st.booleans()))
        for at in range(draw(st.integers(1, 8)))
    ]
    retry = Retry(tries=draw(st.sampled_from([1, 2, 6])), patience=draw(st.sampled_from([0.0, 20.0])))
    hedge = draw(st.sampled_from([None, Hedge(share=1.0, samples=0)]))
    return Route("r", tuple(targets), retry=retry, hedge=hedge, circuit=Circuit(failures=draw(st.integers(1, 3))))


class Run:
    """A request from its beginning to its end."""

    def __init__(self, route: Route, health: Health, now: float, chance: float) -> None:
        self.now = self.began = now
        self.routing = Routing(route, now, health, chance=lambda: chance)
        self.delivered: Delivered = "nothing"
        self.errors: list[tuple[Try, e.TsujiError]] = []
        self.broke: e.TsujiError | None = None
        self.waits = 0.0
        self.amid: set[int] = set()  # tries that failed after something had been delivered

    def go(self, outcomes: list[object]) -> Try | Fail:
        """Each try has the next outcome; when there are no more, the last is None: an answer."""
        left = iter(outcomes)
        while True:
            action = self.routing.next(self.now)
            if isinstance(action, Wait):
                assert action.until > self.now
                self.waits += action.until - self.now
                self.now = action.until
                continue
            if isinstance(action, Fail):
                return action
            self.check(action)
            outcome = next(left, None)
            if outcome is None:
                self.routing.succeeded(self.now)
                return action
            self.fail(action, outcome)

    def fail(self, action: Try, outcome: object) -> None:
        error, seconds, delivered = outcome  # type: ignore[misc]
        self.now += seconds
        if delivered != "nothing":
            self.broke = self.broke or error
            self.delivered = "fixed" if self.delivered == "fixed" else delivered
        self.errors.append((action, error))
        if self.delivered != "nothing":
            self.amid.add(id(action))
        self.routing.failed(error, self.now, self.delivered)

    def check(self, action: Try) -> None:
        """What no try may do."""
        routing, retry = self.routing, self.routing.route.retry
        assert action.number == len(routing.attempts) <= retry.tries
        starts = [attempt.started for attempt in routing.attempts]
        assert all(sum(start <= other < start + 2.99 for other in starts) <= retry.burst for start in starts)
        assert action.mode == "fresh" if self.delivered == "nothing" else action.mode != "fresh"
        assert self.delivered != "fixed"
        for before, error in self.errors:
            if before.target is not action.target:
                assert not isinstance(error, e.ContextLengthExceededError) or larger(action.target, before.target)
                continue
            refused_prefill = before.mode == "prefill" and action.mode == "prompt"
            malformed = isinstance(error, e.UpstreamProtocolError) and id(before) in self.amid
            assert verdict(error) in ("again", "later") or refused_prefill or malformed
            if error.retry_after is not None:
                at = next(a.ended for a in routing.attempts if a.error is error and a.target is action.target)
                assert self.now >= at + error.retry_after - 1e-6 or refused_prefill


def larger(target: Target, before: Target) -> bool:
    return target.context is None or before.context is None or target.context > before.context


@settings(max_examples=400)
@given(
    routes(), st.lists(st.lists(OUTCOME, max_size=12), min_size=1, max_size=6), st.floats(0.0, 0.999), st.floats(0, 30)
)
def test_every_request_ends_and_keeps_the_laws(
    route: Route, requests: list[list[object]], chance: float, pause: float
) -> None:
    health = Health()
    now = 1000.0
    for outcomes in requests:
        run = Run(route, health, now, chance)
        last = run.go(outcomes)
        now = run.now + pause
        assert run.waits <= route.retry.patience + 1e-6
        assert run.routing.running == 0
        if isinstance(last, Fail):
            assert last.reason
            assert last.error in [error for _, error in run.errors]
            if run.delivered != "nothing":  # what broke the answer off is told, not what came of mending it
                assert last.error is run.broke
        assert all(health.of(target).in_flight == 0 for target in route.targets)


@given(st.lists(st.sampled_from(["success", "rate", "500", "refused", "left"]), max_size=60), st.floats(0, 0.999))
def test_a_circuit_closes_soon_after_recovery(events: list[str], chance: float) -> None:
    """Whatever it has been through: within 30 s there is a probe, and an answer closes it."""
    health, route = Health(), Route("r", (Target("a", "m"), Target("b", "m")))
    sick = health.of(route.targets[0])
    now = 0.0
    for event in events:
        now += 0.5
        sick.started(now)
        if event == "success":
            sick.succeeded(now)
        elif event == "left":
            sick.left()
        else:
            error = {
                "rate": e.RateLimitError("x"),
                "500": e.UpstreamError("x"),
                "refused": e.UpstreamConnectionError("x"),
            }
            sick.failed(error[event], now, route.circuit, chance)
    seen: Counter[str] = Counter()
    for _ in range(60):
        now += 0.5
        routing = Routing(route, now, health, chance=lambda: chance)
        action = routing.next(now)
        assert isinstance(action, Try)
        seen[action.target.name] += 1
        routing.succeeded(now)
    assert sick.state(now) == "closed"
    assert sick.available(now)
    assert seen["a:m"] > 0
