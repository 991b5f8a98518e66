"""What of a stream has reached its client, for when it breaks off and another target goes on with it.

A Translation knows it event by event. A Relay passes bytes, and keeps them: they are read when they are needed.
"""

from typing import TYPE_CHECKING

from tsuji.core.errors import TsujiError
from tsuji.core.events import Event, StreamFailed
from tsuji.core.request import ChatRequest
from tsuji.routing.continuation import Continuation

if TYPE_CHECKING:
    from tsuji.wire.dialect import StreamParser, StreamRenderer

    from .framing import Framing

MAX_KEPT = 1024 * 1024
"""Bytes of a relayed stream that are kept; one that has had more is not gone on with."""


class Delivery:
    """so_far: what has been delivered. renderer, framing: in the state that this has left them in.

    origin: the target that began it.
    """

    __slots__ = ("framing", "origin", "renderer", "so_far")

    def __init__(self, asked: ChatRequest, renderer: "StreamRenderer", framing: "Framing", origin: str) -> None:
        self.so_far = Continuation(asked)
        self.renderer = renderer
        self.framing = framing
        self.origin = origin

    def read(self, parser: "StreamParser", pieces: list[bytes]) -> None:
        """Takes up what has been delivered as bytes. parser: of their dialect; it can go on after them."""
        events: list[Event] = []
        for piece in pieces:
            events.extend(parser.feed(piece))
        if events:
            self.renderer.render(events)
            self.so_far.add(events)
        self.framing.drop()

    def failure(self, error: TsujiError) -> bytes:
        """What to send to say that the rest will not come."""
        self.framing.drop()
        return self.framing.feed(self.renderer.render([StreamFailed(error)]))
