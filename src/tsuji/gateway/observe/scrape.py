"""An answer to Prometheus: made in a thread, because reading and writing out all series may take some 100 ms."""

import asyncio
import sys
from typing import TYPE_CHECKING

from tsuji.gateway import reply
from tsuji.gateway.faults import ours

if TYPE_CHECKING:
    from tsuji.gateway.gateway import Gateway
    from tsuji.gateway.request import Answering, Request

    from .observer import Observer

_SWITCH_SECONDS = 0.0005
"""How long the loop waits for the interpreter meanwhile, each time that it has something to do."""


class Scrape:
    """A Job: `begin`, then it answers."""

    def __init__(self, gateway: "Gateway", observer: "Observer", connection: "Answering", request: "Request") -> None:
        self._gateway = gateway
        self._observer = observer
        self._connection = connection
        self._request = request

    def begin(self) -> None:
        self._request.job = self
        self._task = asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self) -> None:
        loop = asyncio.get_running_loop()
        number, snapshot = self._observer.snapshot(self._gateway)
        accept = self._request.headers.get(b"accept", b"").decode("latin-1")
        try:
            body, kind = await loop.run_in_executor(None, self._render, number, snapshot, accept)
        except Exception as error:
            self._gateway.refuse(self._request, self._connection, ours(error))
            return
        self._gateway.give(self._request, self._connection, reply.OK + b"content-type: %b\r\n" % kind.encode(), body)

    def _render(self, number: int, snapshot: bytes, accept: str) -> tuple[bytes, str]:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            return self._observer.render(number, snapshot, accept)
        finally:
            sys.setswitchinterval(usual)

    def cancel(self) -> None:
        self._task.cancel()

    def pause(self) -> None: ...

    def resume(self) -> None: ...
