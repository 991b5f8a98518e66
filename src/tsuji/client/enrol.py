"""The arm of a call on a route with an experiment. No ledger is here: stops and a bandit's shares are a gateway's."""

from random import random
from time import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tsuji.routing.experiment import Experiment, assign, enrolled

if TYPE_CHECKING:
    from tsuji.core.request import ChatRequest
    from tsuji.routing import Route
    from tsuji.routing.experiment import Assignment


def enrol(route: "Route", experiment: Experiment, request: "ChatRequest | None") -> "tuple[Route, Assignment]":
    """The route with the arm's target first. A user is the request's `user`, a session its `prompt_cache_key`. request:
    None for what is no chat, which does not count.
    """
    unit = ""
    if request is not None:
        unit = (request.user if experiment.unit == "user" else request.prompt_cache_key) or ""
    found = assign(experiment, unit, time(), random)
    return enrolled(route, found), found if request is not None else replace(found, counted=False)
