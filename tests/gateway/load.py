"""Clients that ask without a pause on connections that they keep, and take no failure for granted."""

import threading
import time
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Self

from tests.gateway import asking
from tests.gateway.serving import Answer, Client, request

_PREFIX = 12
"""Letters of a request's id that say which worker it was."""


@dataclass
class Asker:
    """answered: by worker. failures: what went wrong, with the worker whose connection it was on."""

    answered: dict[str, int] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    closes: int = 0


class Load:
    """While it is open, `clients` threads ask for `model`, every other time for a stream.

    A connection is kept until an answer says that it is closed. Nothing is asked twice.
    """

    def __init__(self, port: int, *, clients: int = 6, model: str = "openai:m", pause: float = 0.0) -> None:
        self._port, self._model, self._pause = port, model, pause
        self._over = threading.Event()
        self.askers = [Asker() for _ in range(clients)]
        self._threads = [threading.Thread(target=self._ask, args=(asker,)) for asker in self.askers]

    @property
    def answered(self) -> int:
        return sum(sum(asker.answered.values()) for asker in self.askers)

    @property
    def workers(self) -> set[str]:
        return {worker for asker in self.askers for worker in asker.answered}

    @property
    def failures(self) -> list[tuple[str, str]]:
        return [failure for asker in self.askers for failure in asker.failures]

    def more(self, requests: int = 50) -> None:
        """Waits until that many more have been answered, or failed."""
        goal, end = self.answered + requests, time.monotonic() + 60
        while self.answered < goal and not self.failures:
            assert time.monotonic() < end, "no answers come"
            time.sleep(0.005)

    def _ask(self, asker: Asker) -> None:
        numbers = count()
        while not self._over.is_set():
            worker = "?"
            try:
                with Client(self._port) as client:
                    while not self._over.is_set():
                        answer = self._once(client, next(numbers) % 2 == 1)
                        worker = answer.headers["x-tsuji-request-id"][:_PREFIX]
                        asker.answered[worker] = asker.answered.get(worker, 0) + 1
                        if answer.headers.get("connection") == "close":
                            asker.closes += 1
                            break
                        self._over.wait(self._pause)
            except (OSError, EOFError, AssertionError) as error:
                asker.failures.append((worker, repr(error)))

    def _once(self, client: Client, stream: bool) -> Answer:
        client.send(request(*asking.chat("openai", model=self._model, stream=stream)))
        answer = client.read()
        assert answer.status == 200, answer
        assert answer.whole, answer
        assert not stream or answer.events()[-1] == "[DONE]", answer
        return answer

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
