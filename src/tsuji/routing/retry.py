"""How a route insists: its tries and waits, its hedges, and when a target's circuit opens."""

from tsuji.core.parts import Noun


class Retry(Noun, frozen=True):
    """tries: of one request, at all of its targets together. burst: of them, in any BURST_SECONDS.

    backoff, max_backoff: seconds before a target is tried again: `backoff` doubled with each of its failures, times a
    number drawn from [0.5, 1], which keeps clients that failed together from coming back together
    (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
    patience: seconds that a request may spend waiting in all, where no target can take it at once.
    total: seconds for the request; None is the `total` of the route's timeouts. limits: while another target is left,
    a try has the narrower limits of `tsuji.routing.limits`.
    """

    tries: int = 6
    burst: int = 4
    backoff: float = 0.25
    max_backoff: float = 8.0
    patience: float = 20.0
    total: float | None = None
    limits: bool = True


BURST_SECONDS = 3.0
ONCE = Retry(tries=1, patience=0.0)
"""Of a model that is asked for by its own name: its caller tries again, or names a route."""


class Hedge(Noun, frozen=True):
    """A second target is asked, too, when the first is slower than usual; who is first answers.

    quantile: of the times to the first token (of a whole answer: to its end) that the target has shown: when that has
    passed. share: of the route's requests that may be hedged, at most. samples: that must be known first.
    """

    quantile: float = 0.95
    share: float = 0.05
    samples: int = 20


class Circuit(Noun, frozen=True):
    """failures: of a target within about 30 s, where they are half of what it was asked or more, open its circuit: it
    is passed over where another target can answer. open: seconds until one request may probe it, doubled with each
    probe that fails up to max_open.
    """

    failures: int = 3
    open: float = 5.0
    max_open: float = 15.0
