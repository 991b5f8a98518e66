"""A request as it came in, before anyone knows what its body means."""

from typing import TYPE_CHECKING, Protocol

from tsuji.core.errors import TsujiError

if TYPE_CHECKING:
    from .endpoints import Endpoint


class Job(Protocol):
    """What answers a request: the connection tells it when the client leaves, lags or catches up."""

    def cancel(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Request:
    """One message of a connection.

    headers: by lower-case name; repeated ones joined by commas. length: Content-Length, None if chunked or absent.
    complete: the whole body is in `body`. keep_alive: the connection may carry another request after this one.
    refusal: why it will not be served. model: the one that the path names. due: when the body should be here, before
    what its size adds. lines: header lines of its answer that are known when it is let in. upgrading: it offers another
    protocol, and its body is still to be told from that.
    """

    __slots__ = (
        "body",
        "chunked",
        "complete",
        "due",
        "endpoint",
        "headers",
        "http10",
        "job",
        "keep_alive",
        "length",
        "lines",
        "method",
        "model",
        "path",
        "pieces",
        "query",
        "refusal",
        "size",
        "upgrading",
    )

    def __init__(self, method: bytes, path: bytes, query: bytes, headers: dict[bytes, bytes]) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.http10 = False
        self.keep_alive = True
        self.length: int | None = None
        self.chunked = False
        self.complete = False
        self.body = b""
        self.pieces: list[bytes] | None = None
        self.size = 0
        self.upgrading = False
        self.refusal: TsujiError | None = None
        self.endpoint: Endpoint | None = None
        self.model: str | None = None
        self.job: Job | None = None
        self.due = 0.0
        self.lines = b""

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
