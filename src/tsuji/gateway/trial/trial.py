"""One request's part in an experiment."""

import asyncio
from functools import partial
from random import random
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tsuji.gateway import reply
from tsuji.ledger.record import Assigned
from tsuji.routing.experiment import JUDGE

from .ear import Ear

if TYPE_CHECKING:
    from tsuji.gateway.driver import Driver
    from tsuji.ledger.record import Record
    from tsuji.routing import Route
    from tsuji.routing.experiment import Assignment, Experiment


class Trial:
    """shadow_of: the id of the request that this one mirrors."""

    __slots__ = ("_assignment", "_driver", "_experiment", "_shadow_of")

    def __init__(
        self, driver: "Driver", experiment: "Experiment", assignment: "Assignment", shadow_of: str | None = None
    ) -> None:
        self._driver = driver
        self._experiment = experiment
        self._assignment = assignment
        self._shadow_of = shadow_of
        arm = experiment.arms[assignment.arm].name
        driver.request.lines += b"x-tsuji-experiment: %b\r\n" % reply.value(f"{experiment.name}; arm={arm}")

    def only(self, route: "Route") -> "Route":
        """Of a mirrored request: its target and no other."""
        return replace(route, strategy="priority", targets=(route.targets[self._assignment.target],))

    def listen(self) -> None:
        """A judge hears a part of the answers."""
        judge = self._experiment.judge
        if judge is not None and JUDGE in self._experiment.metrics and random() < judge.share:  # noqa: S311 - a sample
            self._driver.tape = Ear(self._driver, self._experiment, self._driver.tape)

    def note(self, record: "Record") -> None:
        """The request is over."""
        found, experiment = self._assignment, self._experiment
        arm = experiment.arms[found.arm].name
        record.assigned = Assigned(experiment.name, arm, found.unit, found.share, self._shadow_of)
        if self._shadow_of is None and record.status in ("done", "failed", "cut"):
            loop, mirror = asyncio.get_running_loop(), self._driver.gateway.mirror
            for at in found.shadows:  # after the answer, which is sent in this turn of the loop
                loop.call_soon(partial(mirror.send, self._driver, experiment, replace(found, arm=at)))


def mirrored(driver: "Driver", experiment: "Experiment", assignment: "Assignment", shadow_of: str) -> Trial:
    """Of a `driver` that has not begun: the request that it mirrors was another's."""
    arm = experiment.arms[assignment.arm]
    return Trial(driver, experiment, replace(assignment, target=arm.target, share=min(arm.share, 1.0)), shadow_of)
