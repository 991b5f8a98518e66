"""Server-sent events, as the HTML standard frames them
(https://html.spec.whatwg.org/multipage/server-sent-events.html).

Only what language-model APIs use: `event` and `data` fields; CR, LF and CRLF line ends; comments ignored. A byte order
mark at the beginning is no part of the first line.
"""

import re

import msgspec

MAX_EVENT = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_WORD = re.compile(rb"[\w .:!-]+")
_decode = msgspec.json.Decoder().decode


class SSEOverflow(Exception):
    """One event grew beyond MAX_EVENT bytes."""


class SSEParser:
    """Bytes, split anywhere, to (event name, data) pairs. The name is b"" where the stream gave none."""

    __slots__ = ("_data", "_held", "_line", "_name", "_size")

    def __init__(self) -> None:
        self._line: list[bytes] = []  # A line that has no end yet, in the pieces it came in: joined once.
        self._size = 0
        self._held = False  # The last byte was a CR, which a LF may follow.
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """Raises SSEOverflow if an event has no end within MAX_EVENT bytes."""
        if self._held or b"\r" in chunk:
            chunk = self._line_ends(chunk)
        out: list[tuple[bytes, bytes]] = []
        lines = chunk.split(b"\n")
        if len(lines) > 1:
            if self._line:
                self._line.append(lines[0])
                lines[0] = b"".join(self._line)
                self._line = []
                self._size = sum(map(len, self._data))
            rest = lines.pop()
            for line in lines:
                if line:
                    self._field(line)
                elif self._data or self._name:
                    self._dispatch(out)
        else:
            rest = chunk
        if rest:
            self._line.append(rest)
            self._size += len(rest)
        if self._size > MAX_EVENT:
            raise SSEOverflow
        return out

    def close(self) -> list[tuple[bytes, bytes]]:
        """An event that lacks only its final blank line: real providers end streams so."""
        out: list[tuple[bytes, bytes]] = []
        rest = b"".join(self._line)
        self._line = []
        if rest:
            self._field(rest)
        if self._data:
            self._dispatch(out)
        return out

    def _line_ends(self, chunk: bytes) -> bytes:
        """LF for CR and CRLF. A CR ends its line at once; a LF that then begins the next chunk belongs to it."""
        if self._held and chunk:
            self._held = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if chunk[-1:] == b"\r":
            self._held = True
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _field(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            data = line[6:] if line[5:6] == b" " else line[5:]
            self._data.append(data)
            self._size += len(data)
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()
        elif line.startswith(_BOM):
            self._field(line[len(_BOM) :])

    def _dispatch(self, out: list[tuple[bytes, bytes]]) -> None:
        data = b"\n".join(self._data) if len(self._data) > 1 else self._data[0] if self._data else b""
        if data:  # The standard gives no event for empty data.
            out.append((self._name, data))
        self._name = b""
        self._data = []
        self._size = 0


class JsonEvents:
    """The same for streams whose data is JSON, with what can be put right in place where nothing can have been lost.

    A word that is no JSON, such as a keep-alive's, carries nothing of an answer and is left out. An event that was
    broken in two is put together again. All else that is no JSON is given as it is: what it carried is not known, so
    the stream cannot be trusted to be whole.
    """

    __slots__ = ("_broken", "_sse")

    def __init__(self) -> None:
        self._sse = SSEParser()
        self._broken: tuple[bytes, bytes] | None = None

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """Raises SSEOverflow as SSEParser does."""
        events = self._sse.feed(chunk)
        if self._broken is None and all(data.endswith((b"}", b"]")) for _, data in events):
            return events
        return self._mended(events)

    def close(self) -> list[tuple[bytes, bytes]]:
        events = self._mended(self._sse.close())
        if self._broken is not None:
            events.append(self._broken)
            self._broken = None
        return events

    def _mended(self, events: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        out: list[tuple[bytes, bytes]] = []
        for event in events:
            name, data = event
            if self._broken is not None:
                first, begun = self._broken
                self._broken = None
                if not _is_json(data) and _is_json(begun + data):
                    out.append((first or name, begun + data))
                    continue
                out.append((first, begun))
            if data.endswith((b"}", b"]")) or _is_json(data):
                out.append(event)
            elif not _WORD.fullmatch(data):
                self._broken = event
        return out


def _is_json(data: bytes) -> bool:
    try:
        _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
