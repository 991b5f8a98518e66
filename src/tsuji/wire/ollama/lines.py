"""Newline-delimited JSON: bytes, split anywhere, to lines."""

from typing import Final

from tsuji.core.errors import UpstreamProtocolError

MAX_LINE: Final = 16 * 1024 * 1024


class Lines:
    """`feed` gives the lines that are complete, without empty ones; `close` the last, which may lack its end.

    Raises UpstreamProtocolError if a line has no end within MAX_LINE bytes.
    """

    __slots__ = ("_held", "_size")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        *lines, rest = data.split(b"\n")
        if lines and self._held:
            lines[0] = b"".join([*self._held, lines[0]])
            self._held, self._size = [], 0
        if rest:
            self._held.append(rest)
            self._size += len(rest)
            if self._size > MAX_LINE:
                raise UpstreamProtocolError(f"the provider's stream has a line longer than {MAX_LINE} bytes")
        return [line for line in lines if line and not line.isspace()]

    def close(self) -> list[bytes]:
        last = b"".join(self._held)
        self._held, self._size = [], 0
        return [last] if last.strip() else []
