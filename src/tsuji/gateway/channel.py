"""What a parent and its workers say to each other: lines of JSON over a pair of sockets.

The first line is the worker's Orders, the others are Commands; what it says are Words. The end of the channel is the
end of the other side, however it came.
"""

import socket
from typing import Any, Literal

import msgspec

from tsuji.config import Source

_SEND_SECONDS = 10.0
_PIECE = 65536
News = dict[str, dict[str, Any]]
"""See Health.news."""


class Orders(msgspec.Struct, frozen=True):
    """source: of its configuration. base: of the settings that only another process takes up. first: of the sockets'.

    sockets: to accept from. health: of targets, as far as others know it."""

    number: int
    source: Source
    base: Source
    first: Source
    sockets: list[tuple[int, int]]
    health: News = {}


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """prepare: make `source` ready, and say so or why not; then commit or drop it. retire: others go on in your place.

    stop: all of us end. learn: what others have found out of targets' health.
    """

    do: Literal["prepare", "commit", "drop", "retire", "stop", "learn"]
    source: Source | None = None
    health: News = {}


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """ready: it accepts. failed: it cannot. prepared or refused: see Command. deaf: it accepts no more. health: what it
    has found out of targets'.

    keyed: clients must show a key. files: that its configuration depends on. kept: settings that wait for a start.
    grace: seconds that it may take to end. text: of the error; kind: whether it is the configuration's or the ledger's.
    """

    said: Literal["ready", "failed", "prepared", "refused", "deaf", "health"]
    keyed: bool = False
    files: list[str] = []
    kept: list[str] = []
    grace: float = 0.0
    text: str = ""
    kind: Literal["config", "ledger"] = "config"
    param: str | None = None
    health: News = {}


class Channel:
    """The parent's side. `heard` gives the words that have come; None as their end."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(_SEND_SECONDS)
        self._sock = sock
        self._rest = b""

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, message: Orders | Command) -> bool:
        """False if the worker takes none."""
        try:
            self._sock.sendall(msgspec.json.encode(message) + b"\n")
        except OSError:
            return False
        return True

    def heard(self) -> list[Word] | None:
        """What has come; to be called when there is something."""
        try:
            data = self._sock.recv(_PIECE)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [msgspec.json.decode(line, type=Word) for line in lines]

    def close(self) -> None:
        self._sock.close()
