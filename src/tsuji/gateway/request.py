"""A request as it came in, before anyone knows what its body means."""

from typing import TYPE_CHECKING, Protocol

from tsuji.core.errors import TsujiError

if TYPE_CHECKING:
    from tsuji.ledger.grant import Grant

    from .endpoints import Endpoint


class Job(Protocol):
    """What answers a request: the connection tells it when the client leaves, lags or catches up."""

    def cancel(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Answering(Protocol):
    """What takes an answer: the client's connection, or what stands before it. See Connection for what they say."""

    @property
    def begun(self) -> bool: ...

    @property
    def address(self) -> str: ...

    def whole(self, head: bytes, body: bytes) -> None: ...

    def begin(self, head: bytes, probe: bytes = b"") -> None: ...

    def send(self, data: bytes) -> None: ...

    def finish(self) -> None: ...

    def cut(self) -> None: ...

    def abort(self) -> None: ...


class Request:
    """One message of a connection.

    headers: by lower-case name; repeated ones joined by commas. length: Content-Length, None if chunked or absent.
    keep_alive: the connection may carry another request after this one. refusal: why it will not be served.
    lines: header lines of its answer that are known when it is let in. model: the one that the path names.
    size: of the body, so far; complete: all of it is in `body`. due: when the body should be here, before what its size
    adds. upgrading: it offers another protocol, and its body is still to be told from that. number: in its gateway.
    grant: of the virtual key that it showed. configured: it showed one of the configuration's keys.
    """

    # Defaults are the class's: an attribute that stays as it is costs nothing per request.
    http10: bool = False
    keep_alive: bool = True
    length: int | None = None
    chunked: bool = False
    refusal: TsujiError | None = None
    endpoint: "Endpoint | None" = None
    model: str | None = None
    lines: bytes = b""
    body: bytes = b""
    pieces: list[bytes] | None = None
    size: int = 0
    complete: bool = False
    due: float = 0.0
    upgrading: bool = False
    job: Job | None = None
    number: int = 0
    grant: "Grant | None" = None
    configured: bool = False

    def __init__(self, method: bytes, path: bytes, query: bytes, headers: dict[bytes, bytes]) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers

    def __repr__(self) -> str:
        """Without its headers and its query, which show keys."""
        return f"Request({self.number}, {self.method!r}, {self.path!r})"

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.length)

    def add(self, data: bytes) -> None:
        """A piece of the body; the pieces are joined once, when it is complete."""
        self.size += len(data)
        if self.pieces is None:
            if not self.body:
                self.body = data
                return
            self.pieces = [self.body]
        self.pieces.append(data)

    def end(self) -> None:
        if self.pieces is not None:
            self.body = b"".join(self.pieces)
            self.pieces = None
        self.complete = True
