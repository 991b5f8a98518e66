"""Strategies: in which order the targets that may serve a request are tried.

Owns one file per way of ordering. Each takes a Scene and answers with an Order; it refuses to look at what a filter has
decided, and to keep anything: what is remembered is the target's health or the process's Memory.
"""

from collections.abc import Callable

from .cost import cost
from .latency import latency
from .learned import learned
from .least_busy import least_busy
from .priority import priority
from .scene import Order, Scene
from .weighted import weighted

STRATEGIES: dict[str, Callable[[Scene], Order]] = {
    "priority": priority,
    "weighted": weighted,
    "latency": latency,
    "least_busy": least_busy,
    "cost": cost,
    "learned": learned,
}

__all__ = ["STRATEGIES", "Order", "Scene"]
