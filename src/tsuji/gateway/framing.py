"""Streams as pieces that a client can always make sense of: whole events, lines, messages, or elements of an array."""

from typing import Protocol

from tsuji.core.errors import UpstreamProtocolError
from tsuji.wire.eventstream import Frames, encode_message
from tsuji.wire.sse import MAX_EVENT, SSEOverflow, SSEParser

_ENDS = (b"\n\n", b"\r\n\r\n")


class Framing(Protocol):
    """probe: bytes between two pieces that mean nothing to the client. comments: a comment may stand there as well.
    sealed: an event has a checksum, so nothing in it can be replaced.

    feed: server-sent events (or lines of JSON, or binary messages), split anywhere, to a piece of the answer. drop:
    what has come of an event is not passed on, because the rest will not come. close: what is left, and the end.
    Raises UpstreamProtocolError if an event has no end.
    """

    content_type: bytes
    probe: bytes
    comments: bool
    sealed: bool

    def feed(self, data: bytes) -> bytes: ...

    def drop(self) -> None: ...

    def close(self) -> bytes: ...


class WholeEvents:
    """Holds back the part of an event whose end has not come, so that a stream that is cut is cut between events.

    Comments before the first event, which some providers send while they are still looking for a model, wait for it.
    """

    __slots__ = ("_begun", "_held")
    content_type = b"text/event-stream"
    probe = b":\n"
    comments = True
    sealed = False

    def __init__(self) -> None:
        self._held = b""
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        if self._held:
            data = self._held + data
            self._held = b""
        if self._begun and data.endswith(_ENDS):
            return data
        cut = max([at + len(end) for end in _ENDS if (at := data.rfind(end)) >= 0], default=0)
        if not self._begun:
            self._begun = data.find(b"data:", 0, cut) >= 0
            cut = cut if self._begun else 0
        self._held = data[cut:]
        if len(self._held) > MAX_EVENT:
            raise _endless()
        return data[:cut]

    def drop(self) -> None:
        self._held = b""

    def close(self) -> bytes:
        held, self._held = self._held, b""
        return held + b"\n\n" if held.strip() else b""


class BareEvents(WholeEvents):
    """Without comments: google-genai reads every line as data
    (https://github.com/googleapis/python-genai/blob/main/google/genai/_api_client.py).
    """

    __slots__ = ()
    probe = b"\n"
    comments = False


class WholeLines:
    """Lines of JSON, as Ollama streams them (https://docs.ollama.com/api/streaming).

    Its clients take every line for JSON, so there are no comments, and a probe is white space before a line.
    """

    __slots__ = ("_held", "_size")
    content_type = b"application/x-ndjson"
    probe = b" "
    comments = False
    sealed = False

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        cut = data.rfind(b"\n") + 1
        whole = b""
        if cut:
            whole = b"".join([*self._held, data[:cut]])
            self.drop()
        if cut < len(data):
            self._held.append(data[cut:])
            self._size += len(data) - cut
            if self._size > MAX_EVENT:
                raise _endless()
        return whole

    def drop(self) -> None:
        self._held = []
        self._size = 0

    def close(self) -> bytes:
        held = b"".join(self._held)
        self.drop()
        return held + b"\n" if held.strip() else b""


class WholeMessages:
    """Messages of an AWS event stream.

    A probe is an event of a type that no client knows: the protocol wants clients to pass such events over
    (https://smithy.io/2.0/spec/streaming.html#event-stream-client-behavior), as botocore does.
    """

    __slots__ = ("_frames",)
    content_type = b"application/vnd.amazon.eventstream"
    probe = encode_message(
        {":event-type": "ping", ":content-type": "application/json", ":message-type": "event"}, b"{}"
    )
    comments = False
    sealed = True

    def __init__(self) -> None:
        self._frames = Frames()

    def feed(self, data: bytes) -> bytes:
        return b"".join(self._frames.feed(data))

    def drop(self) -> None:
        self._frames = Frames()

    def close(self) -> bytes:
        return b""  # half a message means nothing


class JsonArray:
    """Gemini's stream without `alt=sse`: one JSON array, an element an event.

    https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
    """

    __slots__ = ("_events", "_started")
    content_type = b"application/json"
    probe = b"\n"
    comments = False
    sealed = False

    def __init__(self) -> None:
        self._events = SSEParser()
        self._started = False

    def feed(self, data: bytes) -> bytes:
        try:
            return self._elements(self._events.feed(data))
        except SSEOverflow:
            raise _endless() from None

    def drop(self) -> None:
        self._events = SSEParser()

    def close(self) -> bytes:
        last = self._elements(self._events.close())
        return last + (b"]\n" if self._started else b"[]\n")

    def _elements(self, events: list[tuple[bytes, bytes]]) -> bytes:
        out = b""
        for _, element in events:
            out += (b",\n" if self._started else b"[") + element
            self._started = True
        return out


_BY_DIALECT: dict[str, type[Framing]] = {"ollama": WholeLines, "bedrock": WholeMessages}


def framing_of(dialect: str, query: bytes) -> Framing:
    """How a client of that dialect wants its stream."""
    if dialect == "gemini":
        return BareEvents() if b"alt=sse" in query.split(b"&") else JsonArray()
    return _BY_DIALECT.get(dialect, WholeEvents)()


def _endless() -> UpstreamProtocolError:
    return UpstreamProtocolError(f"the provider's stream has an event longer than {MAX_EVENT} bytes")
