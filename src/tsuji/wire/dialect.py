"""What a dialect is: a record of pure functions. The order of the fields is the order of a request's life."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from tsuji.core.errors import TsujiError, UnsupportedParameterError
from tsuji.core.events import Event
from tsuji.core.parts import Ext
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest, EmbeddingRequest
from tsuji.core.response import ChatResponse, EmbeddingResponse, ModelInfo
from tsuji.core.usage import Usage

from .counting import Counting

NO_QUIRKS = Quirks()
ResponseHeaders = Mapping[str, str]
"""Response headers by lower-case name."""
NO_NAMES: Mapping[str, str] = MappingProxyType({})
_MAX_DIGITS = 16


def read_seconds(text: str) -> float | None:
    """A plain decimal number, as Retry-After and protobuf's durations have it; None for all else.

    A date would need a clock, and a number of hundreds of digits is no time to wait for.
    """
    text = text.strip()
    plain = len(text) <= _MAX_DIGITS and text.isascii() and text.replace(".", "", 1).isdecimal()
    return float(text) if plain else None


class Losses:
    """What a renderer cannot say. `refuse` raises UnsupportedParameterError, or notes the field where drop is set.

    names: see Dialect.names, of the dialect that the caller speaks; a renderer names fields as core does, and the
    caller is told of them in its own words. dropped: the fields that were left out, in order, as the caller names them.
    """

    __slots__ = ("_names", "dialect", "drop", "dropped")

    def __init__(self, dialect: str, drop: bool = False, names: Mapping[str, str] = NO_NAMES) -> None:
        self.dialect = dialect
        self.drop = drop
        self.dropped: list[str] = []
        self._names = names

    def refuse(self, field: str, why: str = "") -> None:
        self._refuse(self._told(field), why)

    def note(self, field: str) -> None:
        """A hint or an annotation that is left out as the dialect documents: never refused, always told."""
        self._note(self._told(field))

    def _told(self, field: str) -> str:
        head, dot, rest = field.partition(".")
        return self._names[head] + dot + rest if head in self._names else field

    def _refuse(self, field: str, why: str) -> None:
        if not self.drop:
            because = f": {why}" if why else ""
            raise UnsupportedParameterError(
                f"the {self.dialect} dialect cannot say {field!r}{because}; remove it, or set drop_params to drop it",
                param=field,
            )
        self._note(field)

    def _note(self, field: str) -> None:
        if field not in self.dropped:
            self.dropped.append(field)

    def ext(self, ext: Ext | None, where: str = "", accepts: Collection[str] = ()) -> Mapping[str, Any]:
        """The fields of this dialect in `ext`, without remembered spellings; those of other dialects are refused.

        accepts: names that the provider takes, though they are another dialect's: "options.NAME" goes out as NAME.
        """
        if not ext:
            return {}
        out: dict[str, Any] = {}
        for dialect, fields in ext.items():
            for name, value in fields.items():
                if name.startswith("~"):
                    continue
                if dialect == self.dialect:
                    out[name] = value
                elif (word := name.rpartition(".")[2]) in accepts:
                    out.setdefault(word, value)
                else:
                    self._refuse(self._told(where) + name, f"it is a field of the {dialect} dialect")
        return out

    def spelling(self, ext: Ext | None, name: str) -> Any:
        """A spelling that this dialect's parser remembered under "~name"; None if it did not."""
        return ext.get(self.dialect, {}).get("~" + name) if ext else None


class Call(msgspec.Struct, frozen=True):
    """A request on the wire.

    path: below the provider's base URL, with its query. headers: beyond auth and content type.
    """

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "POST"


class StreamParser(Protocol):
    """Bytes of a response body, split anywhere, to events. One per stream.

    `feed` never raises on bad input: it gives StreamFailed, and nothing after it. `close` is for the end of the body:
    Ended where the answer was complete though its end mark is missing, StreamFailed(StreamInterruptedError) where it
    was cut.
    """

    def feed(self, data: bytes) -> list[Event]: ...

    def close(self) -> list[Event]: ...


class StreamRenderer(Protocol):
    """Events to bytes of a response body.

    StreamFailed becomes the dialect's own error event, and no end mark follows.
    """

    def render(self, events: list[Event]) -> bytes: ...


class StreamTail(Protocol):
    """Reads a same-dialect stream that is passed through undecoded: cheap, never raises.

    usage: what the stream reported so far. tier: the service tier that it says served it, in core's words. complete:
    the answer ended as it should (its end mark, or every choice finished). failed: the stream carries an error event.
    """

    usage: Usage | None
    tier: str | None
    complete: bool
    failed: bool

    def feed(self, data: bytes) -> None: ...


class Dialect(msgspec.Struct, frozen=True):
    """All functions are pure and raise only TsujiError.

    fields, embedding_fields: the top-level fields of a chat request and of one for embeddings that this dialect defines
    (what quirks may name).
    content_type: of a stream.
    chat_path: of an operation, below the base URL: (model, stream) -> path. Likewise models_path, and embeddings_path;
    where that is None, a client's request for embeddings goes through core even to its own dialect.
    parse_request: body, and what the path said (model, stream: None where it says nothing) -> request.
    render_request: request, quirks, losses -> Call. Raises UnsupportedParameterError unless losses.drop.
    parse_response: body -> response. Raises UpstreamProtocolError if it is not this dialect's.
    render_response: response -> body.
    stream_parser, stream_renderer: a new one per stream; the renderer takes the request that the client sent.
    parse_error: status, headers, body -> the error, classified from status and typed body.
    render_error: error -> body, in this dialect's error shape (the status is error.status).
    read_usage: the usage in a whole answer that is passed through, without decoding the rest; None if there is none.
    stream_tail: the same for a stream.
    *_embedding*, *_models: as above; None where the dialect has no such operation.
    counting: how a prompt's tokens are counted before a call; None where the API has no endpoint for it.
    names: what this dialect calls a field that core, or OpenAI, calls differently: core's name -> the field's path.
    foreign_mark: bytes that are in a request body wherever it carries what another dialect made (its thinking, its
    signatures): such a body goes through core even to its own dialect, whose API would refuse it. b"": there is none.
    """

    name: str
    fields: frozenset[str]
    content_type: str
    chat_path: Callable[[str, bool], str]
    parse_request: Callable[[bytes, str | None, bool | None], ChatRequest]
    render_request: Callable[[ChatRequest, Quirks, Losses], Call]
    parse_response: Callable[[bytes, Quirks], ChatResponse]
    render_response: Callable[[ChatResponse], bytes]
    stream_parser: Callable[[Quirks], StreamParser]
    stream_renderer: Callable[[ChatRequest], StreamRenderer]
    parse_error: Callable[[int, ResponseHeaders, bytes], TsujiError]
    render_error: Callable[[TsujiError], bytes]
    read_usage: Callable[[bytes], Usage | None]
    stream_tail: Callable[[], StreamTail]
    parse_embedding_request: Callable[[bytes, str | None], EmbeddingRequest] | None = None
    render_embedding_request: Callable[[EmbeddingRequest, Quirks, Losses], Call] | None = None
    parse_embedding_response: Callable[[bytes], EmbeddingResponse] | None = None
    render_embedding_response: Callable[[EmbeddingResponse, EmbeddingRequest], bytes] | None = None
    embedding_fields: frozenset[str] = frozenset()
    embeddings_path: str | None = None
    models_path: str | None = None
    parse_models: Callable[[bytes], list[ModelInfo]] | None = None
    render_models: Callable[[list[ModelInfo]], bytes] | None = None
    counting: Counting | None = None
    names: Mapping[str, str] = NO_NAMES
    foreign_mark: bytes = b""
