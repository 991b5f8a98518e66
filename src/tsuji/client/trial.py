"""The arm of a call on a route with an experiment. No ledger is here: stops and a bandit's shares are a gateway's."""

from random import random
from time import time
from typing import TYPE_CHECKING, Any

from tsuji.routing.experiment import Experiment, assign, enrolled

from .jobs import ChatJob

if TYPE_CHECKING:
    from tsuji.routing import Route
    from tsuji.routing.experiment import Assignment

    from .jobs import Job


def enrol(route: "Route", experiment: Experiment, job: "Job[Any]") -> "tuple[Route, Assignment | None]":
    """The route with the arm's target first, and the assignment where the call counts. A user is the call's `user`, a
    session its `prompt_cache_key`.
    """
    request = job.request if isinstance(job, ChatJob) else None
    unit = ""
    if request is not None:
        unit = (request.user if experiment.unit == "user" else request.prompt_cache_key) or ""
    found = assign(experiment, unit, time(), random)
    return enrolled(route, found), found if found.counted and request is not None else None
