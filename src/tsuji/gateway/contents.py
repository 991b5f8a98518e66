"""What a route stores of prompts and answers, redacted before it is written anywhere.

Patterns are RE2's, which takes time in proportion to the text, whatever a client writes in it.
"""

from typing import TYPE_CHECKING, Protocol

from tsuji.config import Store
from tsuji.config.redaction import compile_redaction
from tsuji.core.assemble import Assembler
from tsuji.core.provider import Quirks
from tsuji.ledger.contents import Contents, encode
from tsuji.ledger.keys import MICRO

if TYPE_CHECKING:
    from tsuji.config import Config
    from tsuji.ledger.record import Record
    from tsuji.ledger.spool import Spool
    from tsuji.wire import Dialect

    from .framing import Framing

MAX_STORED = 1024 * 1024
"""Bytes of a prompt, and of an answer, that are stored."""
_OVERLAP = 4096
"""What is looked at beyond them: what is to be redacted may begin before the end and end after it."""
_MAX_STREAM = 64 * 1024 * 1024
REDACTED = "***"


class Keeper:
    """What one route stores. Raises ConfigError for a pattern that is none."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._patterns = [compile_redaction(pattern) for pattern in store.redact]

    def text(self, body: bytes) -> str:
        """What is stored of a body. PostgreSQL has no place for a NUL."""
        text = body[: MAX_STORED + _OVERLAP].decode("utf-8", "replace").replace("\0", "\ufffd")
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text if len(text) <= MAX_STORED else text[:MAX_STORED]


def keepers(config: "Config") -> dict[str, Keeper]:
    """By the route's name."""
    if not config.ledger.enabled:
        return {}
    return {name: Keeper(store) for name, store in config.stores.items() if store.prompts or store.answers}


class Hearing(Protocol):
    """What a Driver tells of its request's answer."""

    def answer(self, body: bytes) -> None:
        """A whole answer for the client."""

    def framing(self, framing: "Framing") -> "Framing":
        """The same, listened to."""
        ...

    def keep(self, record: "Record", spool: "Spool") -> None:
        """The request is over."""


class Tape:
    """One request and its answer, while it is under way."""

    def __init__(self, keeper: Keeper, dialect: "Dialect", request: bytes) -> None:
        self._keeper = keeper
        self._dialect = dialect
        self._request = request
        self._body: bytes | None = None
        self._stream: TapedFraming | None = None

    def answer(self, body: bytes) -> None:
        """A whole answer for the client."""
        self._body = body

    def framing(self, framing: "Framing") -> "Framing":
        """The same, listened to, where answers are stored."""
        if not self._keeper.store.answers:
            return framing
        self._stream = TapedFraming(framing, self._dialect)
        return self._stream

    def keep(self, record: "Record", spool: "Spool") -> None:
        keeper = self._keeper
        made = Contents(record.id, record.time, record.time + keeper.store.retention * MICRO)
        if keeper.store.prompts:
            made.request, made.request_bytes = keeper.text(self._request), len(self._request)
        body = self._stream.spelled() if self._stream is not None and self._body is None else self._body
        if keeper.store.answers and body is not None:
            made.response, made.response_bytes = keeper.text(body), len(body)
        spool.write(encode(made))


class TapedFraming:
    """A Framing that hears what its stream spells: in the pieces of a stream no pattern would find anything."""

    def __init__(self, framing: "Framing", dialect: "Dialect") -> None:
        self._framing = framing
        self.content_type = framing.content_type
        self.probe = framing.probe
        self.comments = framing.comments
        self.sealed = framing.sealed
        self._dialect = dialect
        self._parser = dialect.stream_parser(Quirks())
        self._whole = Assembler()
        self._heard = 0

    def feed(self, data: bytes) -> bytes:
        self._heard += len(data)
        if self._heard <= _MAX_STREAM:
            self._hear(data)
        return self._framing.feed(data)

    def drop(self) -> None:
        self._framing.drop()

    def close(self) -> bytes:
        return self._framing.close()

    def spelled(self) -> bytes | None:
        """The answer so far, as a whole one would be; None for what this dialect does not understand of itself."""
        try:
            return self._dialect.render_response(self._whole.response())
        except Exception:  # a provider may send anything; its answer is passed on, and not stored
            return None

    def _hear(self, data: bytes) -> None:
        try:
            for event in self._parser.feed(data):
                self._whole.add(event)
        except Exception:
            self._heard = _MAX_STREAM
