"""Server-sent events, as the HTML standard frames them
(https://html.spec.whatwg.org/multipage/server-sent-events.html).

Only what language-model APIs use: `event` and `data` fields; CR, LF and CRLF line ends; comments ignored.
"""

MAX_EVENT = 16 * 1024 * 1024


class SSEOverflow(Exception):
    """One event grew beyond MAX_EVENT bytes."""


class SSEParser:
    """Bytes, split anywhere, to (event name, data) pairs. The name is b"" where the stream gave none."""

    __slots__ = ("_buffer", "_data", "_name")

    def __init__(self) -> None:
        self._buffer = b""
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """Raises SSEOverflow if an event has no end within MAX_EVENT bytes."""
        buffer = self._buffer + chunk if self._buffer else chunk
        if b"\r" in chunk or b"\r" in buffer[-len(chunk) - 1 :]:
            # A CR at the very end may be half of a CRLF: hold it back until more is known.
            held = b"\r" if buffer.endswith(b"\r") else b""
            body = buffer[:-1] if held else buffer
            buffer = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        lines = buffer.split(b"\n")
        self._buffer = lines.pop()
        out: list[tuple[bytes, bytes]] = []
        for line in lines:
            if line:
                self._field(line)
            elif self._data or self._name:
                self._dispatch(out)
        if len(self._buffer) + sum(map(len, self._data)) > MAX_EVENT:
            raise SSEOverflow
        return out

    def close(self) -> list[tuple[bytes, bytes]]:
        """An event that lacks only its final blank line: real providers end streams so."""
        out: list[tuple[bytes, bytes]] = []
        rest = self._buffer.rstrip(b"\r")
        self._buffer = b""
        if rest:
            self._field(rest)
        if self._data:
            self._dispatch(out)
        return out

    def _field(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()

    def _dispatch(self, out: list[tuple[bytes, bytes]]) -> None:
        if self._data:
            out.append((self._name, b"\n".join(self._data) if len(self._data) > 1 else self._data[0]))
        self._name = b""
        self._data = []
