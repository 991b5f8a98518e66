"""What a Driver takes for a client's connection where the gateway itself asks."""

import asyncio
from collections.abc import Callable

from tsuji.core.errors import GuardrailError


class Reader:
    """Keeps a whole answer. `answer` has its body, or a GuardrailError."""

    begun = False
    over = False
    address = ""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def whole(self, head: bytes, body: bytes) -> None:
        self.over = True
        if self.answer.done():
            return
        if head.startswith(b"HTTP/1.1 200 "):
            self.answer.set_result(body)
        else:
            status = head[9:12].decode("latin-1")
            self.answer.set_exception(GuardrailError(f"it answered with status {status}"))

    def abort(self) -> None:
        self.over = True
        if not self.answer.done():
            self.answer.set_exception(GuardrailError("it failed"))


class Nobody:
    """Takes an answer, whole or streamed, and lets it fall. ended: called once, when there is no more of it."""

    address = ""

    def __init__(self, ended: Callable[[], None]) -> None:
        self.begun = False
        self._ended: Callable[[], None] | None = ended

    def whole(self, head: bytes, body: bytes) -> None:
        self.finish()

    def begin(self, head: bytes, probe: bytes = b"") -> None:
        self.begun = True

    def send(self, data: bytes) -> None:
        pass

    def finish(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()

    def cut(self) -> None:
        self.finish()

    def abort(self) -> None:
        self.finish()
