"""Policies: which target is tried next, how long it may take, and when to give up.

Owns the state machine of one request, what is known of targets' health, and how a broken answer is continued. It
refuses to do anything itself: given the route, the clock and what has happened so far, it answers with the next action;
the blocking client, the async client and the gateway are its drivers. No sockets, no clock, no random numbers of its
own.
"""

from .choice import Candidate, Choice, Removed
from .health import Health, TargetHealth
from .limits import Asked, Limits, Watch
from .machine import Attempt, Fail, Routing, Try, Wait
from .retry import ONCE, Circuit, Hedge, Retry
from .route import Route, Target

__all__ = [
    "ONCE",
    "Asked",
    "Attempt",
    "Candidate",
    "Choice",
    "Circuit",
    "Fail",
    "Health",
    "Hedge",
    "Limits",
    "Removed",
    "Retry",
    "Route",
    "Routing",
    "Target",
    "TargetHealth",
    "Try",
    "Wait",
    "Watch",
]
