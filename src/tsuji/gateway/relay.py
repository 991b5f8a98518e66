"""Answers in the client's own dialect: bytes pass, the model's name is replaced, usage is read.

A whole answer is held until it is complete: until then another target can still give a better one, and its cost is in
the head. A stream passes event by event; its head is held back until the first events say that it works.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

from tsuji.core.errors import TsujiError, UpstreamProtocolError
from tsuji.core.events import StreamFailed
from tsuji.wire import dialect
from tsuji.wire.passthrough import encode, quirky, read_tier

from . import reply
from .framing import Framing
from .sink import Sink, is_json, is_object, is_stream

if TYPE_CHECKING:
    from tsuji.http.message import ResponseHead
    from tsuji.wire.dialect import StreamTail

_CLIENT_HEADERS = {"anthropic": (b"anthropic-beta",), "openai": (b"openai-beta",), "responses": (b"openai-beta",)}
"""Headers of a client's that ask something of the provider in the dialect's own terms."""
_MARKED = frozenset(["anthropic", "responses", "ollama"])
"""Dialects whose streams are complete at their end mark, after which a client may read no further.

OpenAI's are complete before it, and usage may come in between; for others the end of the body is the mark.
"""
_DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
_UNHELD = 8 * 1024 * 1024
"""A whole answer beyond this size is passed on as it comes."""


class Relay(Sink):
    _head: "ResponseHead | None" = None
    _tail: "StreamTail | None" = None
    _framing: Framing | None = None
    _passing = False

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
            elif not is_json(head):  # JSON may be an error under a status that says success
                raise self.not_an_answer(head)

    def answer_body(self, data: bytes) -> None:
        tail, framing = self._tail, self._framing
        if tail is None or framing is None:
            if self._passing:
                self.driver.connection.send(data)
                return
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
            if not piece:
                return
            self._held.clear()
            self._begin(framing)
        else:
            piece = framing.feed(data)
            if tail.failed:
                clean = self.destination.redact(piece)
                if framing.sealed and clean != piece:
                    raise self._stream_error(piece)
                piece = clean
        if tail.complete and self._is_marked(piece):
            self.tier = tail.tier or self.tier
            self.driver.ending()
        self.driver.connection.send(piece)

    def answer_end(self) -> None:
        tail, framing, driver = self._tail, self._framing, self.driver
        if tail is not None and framing is not None:
            self._end_stream(tail, framing)
        elif self._passing:
            self.done()
            driver.over()
            driver.connection.finish()
        elif driver.stream:
            raise self._stream_error(self.held())
        else:
            self._whole(self.held())

    def _whole(self, body: bytes) -> None:
        driver, head = self.driver, self._head
        driver.answered()
        if head is None or not is_object(head, body):
            raise self.not_an_answer(head)
        self.judge(body)
        self.done()
        own = reply.status_line(head.status) + reply.JSON + reply.passed(head)
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
        driver.answered()
        own = reply.status_line(head.status) + reply.JSON + reply.passed(head)
        driver.connection.begin(own + driver.lines(self.destination, b"unknown"))
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
        driver.answered()
        lines = driver.lines(self.destination, self.preview())
        own = reply.stream_head(framing.content_type) + reply.passed(head)
        driver.connection.begin(own + lines, framing.probe)

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
        driver.over()
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


@cache
def _fields_elsewhere(name: str, operation: str) -> frozenset[str]:
    """Those that only the dialect's other operation has."""
    chat, embedding = dialect(name).fields, dialect(name).embedding_fields
    return embedding - chat if operation == "chat" else chat - embedding
