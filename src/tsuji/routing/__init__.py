"""Policies: which target is tried next, and when to give up.

Owns the state machine of one request. It refuses to do anything itself: given the route, the clock and what has
happened so far, it answers with the next action; the blocking client, the async client and the gateway are its
drivers. No sockets, no clock, no random numbers of its own.
"""

from .machine import Attempt, Fail, Routing, Try
from .route import Route, Target

__all__ = ["Attempt", "Fail", "Route", "Routing", "Target", "Try"]
