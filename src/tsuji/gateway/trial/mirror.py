"""What is asked beside the clients: mirrored requests and judges' questions, a few at a time, the rest left out."""

import asyncio
import logging
from typing import TYPE_CHECKING

from tsuji.core.errors import TsujiError
from tsuji.gateway.faults import ours
from tsuji.gateway.own import Nobody
from tsuji.gateway.request import Request

from .judge import score
from .trial import mirrored

if TYPE_CHECKING:
    from tsuji.gateway.driver import Driver
    from tsuji.gateway.gateway import Gateway
    from tsuji.routing.experiment import Assignment, Experiment

log = logging.getLogger("tsuji.experiment")


class Mirror:
    """skipped: how many were left out, because others were under way."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._drivers: set[Driver] = set()
        self._judging: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.skipped = 0

    def send(self, original: "Driver", experiment: "Experiment", assignment: "Assignment") -> None:
        """The request of `original`, to the assignment's arm. It is no key's: the experiment's own."""
        from tsuji.gateway.driver import Driver

        if not self._room(experiment):
            return
        asked = original.request
        tags = f"experiment:{experiment.name}, request:{original.id}".encode()
        request = Request(b"POST", asked.path, asked.query, _headers(asked) | {b"x-tsuji-tags": tags})
        request.complete = True
        request.endpoint, request.model, request.body = asked.endpoint, asked.model, asked.body
        request.number = self._gateway.next_number()
        driver = Driver(self._gateway, Nobody(lambda: self._drivers.discard(driver)), request)  # pyright: ignore[reportArgumentType]
        driver.trial = mirrored(driver, experiment, assignment, original.id)
        self._drivers.add(driver)
        try:
            driver.begin()
        except Exception as error:
            self._drivers.discard(driver)
            if isinstance(error, TsujiError):
                log.info("a mirrored request of experiment %r was not sent: %s", experiment.name, error)
            else:
                ours(error)

    def judge(self, driver: "Driver", experiment: "Experiment", request_id: str, answer: bytes) -> None:
        """Asks for a score of `answer`, a body in the client's dialect."""
        if self._room(experiment):
            task = asyncio.get_running_loop().create_task(score(self._gateway, driver, experiment, request_id, answer))
            self._judging.add(task)
            task.add_done_callback(self._judging.discard)

    def stop(self) -> None:
        """What is under way is recorded as cancelled."""
        self._stopped = True
        for driver in list(self._drivers):
            driver.cancel()
        for task in list(self._judging):
            task.cancel()
        self._drivers.clear()

    def _room(self, experiment: "Experiment") -> bool:
        if not self._stopped and len(self._drivers) + len(self._judging) < experiment.shadows:
            return True
        self.skipped += 1
        return False


def _headers(asked: Request) -> dict[bytes, bytes]:
    """Those that say how the body is to be read."""
    return {name: asked.headers[name] for name in (b"user-agent",) if name in asked.headers}
