"""Answers in the client's own dialect: bytes pass, the model's name is replaced, usage is read.

A whole answer is held until it is complete: until then another target can still give a better one, and its cost is in
the head. A stream passes event by event; its head is held back until the first events say that it works.
"""

import re
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from tsuji.core.errors import InternalError, TsujiError, UpstreamProtocolError
from tsuji.core.events import StreamFailed
from tsuji.wire import dialect
from tsuji.wire.passthrough import encode, quirky, read_tier

from . import reply
from .delivery import MAX_KEPT, Delivery
from .framing import Framing
from .sink import Sink, is_json, is_object, is_stream
from .telling import lines
from .translate import Translation

if TYPE_CHECKING:
    from tsuji.http.message import ResponseHead
    from tsuji.wire.dialect import StreamParser, StreamTail

_CLIENT_HEADERS = {"anthropic": (b"anthropic-beta",), "openai": (b"openai-beta",), "responses": (b"openai-beta",)}
"""Headers of a client's that ask something of the provider in the dialect's own terms."""
_MARKED = frozenset(["anthropic", "responses", "ollama"])
"""Dialects whose streams are complete at their end mark, after which a client may read no further.

OpenAI's are complete before it, and usage may come in between; for others the end of the body is the mark.
"""
_DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
_UNHELD = 8 * 1024 * 1024
"""A whole answer beyond this size is passed on as it comes."""
_MOST_EARLY = 64 * 1024
_SAID = re.compile(
    rb'"(?:content|text|delta|thinking|reasoning|reasoning_content|refusal|partial_json|arguments|response|input|data)"'
    rb'\s*:\s*"[^"]'
)
"""Something of an answer, in any dialect."""
_json = msgspec.json.Decoder(msgspec.Raw)


class Relay(Sink):
    _head: "ResponseHead | None" = None
    _tail: "StreamTail | None" = None
    _framing: Framing | None = None
    _passing = False
    _kept: "list[bytes] | None" = None
    """The pieces of a stream that another target may have to go on with."""
    _kept_size = 0
    _early = b""
    """What of a stream is held back until it says something."""
    _instead: Translation | None = None
    """What reads the stream since an event in it was none."""

    def prepare(self) -> None:
        driver, destination = self.driver, self.destination
        upstream = destination.upstream
        operation, stream = driver.operation, driver.stream
        path = destination.paths.get((operation, stream))
        if path is None:
            if operation == "chat":
                own = upstream.dialect.chat_path(destination.model, stream)
            else:
                own = upstream.dialect.embeddings_path or ""
            path = destination.paths[operation, stream] = upstream.target(operation, own, destination.model, stream)
        self.path = path
        self.headers = self.client_headers()
        fields = driver.fields
        if driver.request.model is None:
            fields = {**fields, "model": destination.model_json}
        elif "model" in fields:  # the path names it, and was what was let in
            fields = {name: value for name, value in fields.items() if name != "model"}
        quirks = upstream.provider.quirks
        if quirks.on_fields:
            name = upstream.dialect.name
            fields = quirky(fields, quirks, driver.losses(name), _fields_elsewhere(name, operation))
        if "service_tier" in fields:  # what was asked for, unless the answer says better
            self.tier = read_tier(self.driver.request.body)
        self.body = encode(fields)

    def client_headers(self) -> bytes:
        """Lines for the provider, with those that the client means for it."""
        headers = self.destination.headers
        for name in _CLIENT_HEADERS.get(self.destination.upstream.dialect.name, ()):
            asked = self.driver.request.headers.get(name)
            if asked is not None:
                headers += name + b": " + asked + b"\r\n"
        return headers

    # The answer.

    def answer_head(self, head: "ResponseHead") -> None:
        self._head = head
        if self.driver.stream:
            if is_stream(head, self.destination.upstream.dialect):
                self._tail = self.destination.upstream.dialect.stream_tail()
                self._framing = self.driver.framing()
                if self.driver.goes_on:
                    self._kept = []
            elif not is_json(head):  # JSON may be an error under a status that says success
                raise self.not_an_answer(head)

    def answer_body(self, data: bytes) -> None:
        tail, framing = self._tail, self._framing
        if tail is None or framing is None:
            if self._instead is not None:
                self._instead.on_body(data)
            elif self._passing:
                self.driver.connection.send(data)
            else:
                self.hold(data)
                if self._held_size > _UNHELD and not self.driver.stream:
                    self._pass_unheld()
            return
        tail.feed(data)
        self.usage = tail.usage
        if not self._passing:
            self.hold(data)
            if tail.failed:
                raise self._stream_error(self.held())
        piece = framing.feed(data)
        if self._kept is not None or self.watch is not None:
            piece = self._watched(data, piece, tail)
        if not self._passing:
            if not piece:
                return
            if self.driver.trace is not None:
                self.driver.trace.hear(self.held())
            self._held.clear()
            self._begin(framing)
        elif tail.failed:
            clean = self.destination.redact(piece)
            if framing.sealed and clean != piece:
                raise self._stream_error(piece)
            piece = clean
        if tail.complete:
            if self._is_marked(piece):
                self.tier = tail.tier or self.tier
                self.driver.ending()
            else:
                self.finished()
        self.driver.connection.send(piece)

    def _watched(self, data: bytes, piece: bytes, tail: "StreamTail") -> bytes:
        """The same piece, of a stream that is looked at more closely: with what was held back, or b"" to hold it back.

        Another target may go on with this stream, so nothing passes that says that it has failed, or that no client
        could read; and nothing until there is something to say.
        """
        kept = self._kept
        if kept is not None:
            if tail.failed and self._passing:
                raise self._stream_error(b"".join(kept) + data)
            if piece and not _is_readable(piece, self.driver.dialect.content_type):
                self._take_over(kept, data)
                return b""
        said = len(_SAID.findall(piece))
        if self.watch is not None:
            self.watch.heard(perf_counter(), said)
        if kept is not None:
            kept.append(data)
            self._kept_size += len(data)
            if self._kept_size > MAX_KEPT:
                self._kept = None
                if self.watch is not None:
                    self.watch.fixed()
        if self._passing:
            return piece
        self._early += piece
        if not (said or tail.complete or self._kept is None or len(self._early) > _MOST_EARLY):
            return b""
        piece, self._early = self._early, b""
        return piece

    def _take_over(self, kept: list[bytes], data: bytes) -> None:
        """An event is none: from here on the stream is read, which puts right what can be put right."""
        driver, upstream = self.driver, self.destination.upstream
        parser = upstream.dialect.stream_parser(upstream.provider.quirks)
        delivery = self._read(parser, kept) if self._passing else None
        self._tail = self._kept = None
        self._instead = instead = Translation(driver, self.destination)
        instead.take(self, parser, delivery, self._exchange)
        driver.use(instead)
        instead.on_body(data if delivery is not None else b"".join([*kept, data]))

    def delivery(self) -> "Delivery | None":
        kept, upstream = self._kept, self.destination.upstream
        if kept is None or not self._passing:
            return None
        try:
            return self._read(upstream.dialect.stream_parser(upstream.provider.quirks), kept)
        except TsujiError:  # we cannot read what its two sides can
            return None

    def _read(self, parser: "StreamParser", kept: list[bytes]) -> "Delivery":
        driver, framing = self.driver, self._framing
        if framing is None:
            raise InternalError("nothing of a stream has come")
        asked = driver.chat()
        delivery = Delivery(asked, driver.dialect.stream_renderer(asked), framing, self.destination.target.name)
        delivery.read(parser, kept)
        driver.delivery = delivery
        return delivery

    def answer_end(self) -> None:
        tail, framing, driver = self._tail, self._framing, self.driver
        if self._instead is not None:
            self._done = True
            self._instead.on_end()
        elif tail is not None and framing is not None:
            self._end_stream(tail, framing)
        elif self._passing:
            self.done()
            driver.over(self)
            driver.connection.finish()
        elif driver.stream:
            raise self._stream_error(self.held())
        else:
            self._whole(self.held())

    def on_failure(self, error: TsujiError) -> None:
        if self._instead is not None:
            self._done = True
            self._instead.on_failure(error)
        elif self._tail is not None and self._tail.complete and not self._done:  # it had said all
            self.on_end()
        else:
            super().on_failure(error)

    def _whole(self, body: bytes) -> None:
        driver, head = self.driver, self._head
        driver.mark = perf_counter()
        if head is None or not is_object(head, body):
            raise self.not_an_answer(head)
        self.judge(body)
        if driver.trace is not None:
            driver.trace.hear(body)
        self.done()
        own = reply.status_line(head.status) + reply.JSON + reply.passed(head, own_limits=driver.own_limits)
        driver.whole(self, own, body)

    def judge(self, body: bytes) -> None:
        """Reads what a whole answer used. Raises UpstreamProtocolError if it is none, or the error that it is."""
        self.usage = self.destination.upstream.dialect.read_usage(body)
        if self.usage is None:
            self._check(body)
        if self.tier is not None:
            self.tier = read_tier(body) or self.tier

    def _check(self, body: bytes) -> None:
        """Nearly every answer says its usage. One that does not may be half of one, or an error that says success."""
        upstream = self.destination.upstream
        if self.driver.operation == "chat":
            upstream.dialect.parse_response(body, upstream.provider.quirks)
        elif upstream.dialect.parse_embedding_response is not None:
            upstream.dialect.parse_embedding_response(body)

    def _pass_unheld(self) -> None:
        """A whole answer too long to be worth holding: what it cost is not known when its head leaves."""
        driver, head = self.driver, self._head
        if head is None or not is_json(head):
            raise self.not_an_answer(head)
        self._passing = True
        driver.answered(self)
        own = reply.status_line(head.status) + reply.JSON + reply.passed(head, own_limits=driver.own_limits)
        driver.connection.begin(own + lines(driver, self.destination, b"unknown"))
        driver.connection.send(self.held())
        self._held.clear()

    # A stream.

    def _is_marked(self, piece: bytes) -> bool:
        """The end mark of a complete stream is in `piece`, which is whole events."""
        name = self.driver.dialect.name.partition(".")[0]
        return name in _MARKED or (name == "openai" and _DONE.search(piece) is not None)

    def _begin(self, framing: Framing) -> None:
        driver, head = self.driver, self._head
        if head is None:
            return
        self._passing = True
        driver.answered(self)
        told = lines(driver, self.destination, self.preview())
        own = reply.stream_head(framing.content_type) + reply.passed(head, own_limits=driver.own_limits)
        driver.connection.begin(own + told, framing.probe)

    def _end_stream(self, tail: "StreamTail", framing: Framing) -> None:
        driver = self.driver
        if tail.failed:  # the provider's own error event has passed
            self.done()
            driver.cut(self.interrupted())
            return
        if not tail.complete:
            raise self.interrupted()
        self.tier = tail.tier or self.tier
        rest = framing.close()
        if not self._passing:
            self._begin(framing)
        self.done()
        driver.over(self)
        if framing.comments:
            rest += self.summary()
        driver.connection.send(rest)
        driver.connection.finish()

    def _stream_error(self, body: bytes) -> TsujiError:
        """The error that came where the first events should be."""
        dialect = self.destination.upstream.dialect
        if self._tail is None:
            dialect.parse_response(body, self.destination.upstream.provider.quirks)  # raises what the document says
            return UpstreamProtocolError("the provider answered a request for a stream with a whole answer")
        parser = dialect.stream_parser(self.destination.upstream.provider.quirks)
        for event in [*parser.feed(body), *parser.close()]:
            if type(event) is StreamFailed:
                return event.error
        return self.interrupted()

    def failure(self, error: TsujiError) -> bytes:
        framing = self._framing
        if framing is None:
            return b""
        framing.drop()
        return framing.feed(super().failure(error))


def _is_readable(piece: bytes, content_type: str) -> bool:
    """Whether what whole events carry is JSON, where they are text."""
    if content_type == "application/vnd.amazon.eventstream":  # it has checksums
        return True
    is_lines = content_type == "application/x-ndjson"
    try:
        for line in piece.splitlines():
            if is_lines:
                if line.strip():
                    _json.decode(line)
            elif line.startswith(b"data:") and not line.startswith((b"data: [DONE]", b"data:[DONE]")):
                _json.decode(line[5:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


@cache
def _fields_elsewhere(name: str, operation: str) -> frozenset[str]:
    """Those that only the dialect's other operation has."""
    chat, embedding = dialect(name).fields, dialect(name).embedding_fields
    return embedding - chat if operation == "chat" else chat - embedding
