"""A client's connection: HTTP/1.1 in and out, on llhttp and an asyncio.Protocol, without a task per request.

Theory of operation. Bytes become Requests through llhttp's callbacks. One request at a time has the *turn*: it opens
at its head (so that it can be refused before its body), is answered when it is complete, and ends when the answer has
been written. What the client sends ahead of its turn waits: parsed requests in a queue, later bytes unparsed, and
beyond MAX_AHEAD bytes the socket is not read. While a turn is under way the socket is read, because that is how the
client's leaving is noticed.

Laws:
1. Where two readers could disagree on a message's length, the connection is closed: llhttp is strict about CR, LF,
   Content-Length and chunk sizes; here a Transfer-Encoding other than `chunked` is refused as well.
2. An answer that is cut has no end mark: neither the last chunk nor anything that a client takes for an end.
3. Every state has a time limit, and one sweep of the gateway looks at all of them.
"""

import asyncio
from collections import deque
from socket import SO_ERROR, SOL_SOCKET
from typing import TYPE_CHECKING, Any

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from tsuji.core.errors import InvalidRequestError, TsujiError

from . import head as heads
from .again import KnownHead, known
from .request import Request

if TYPE_CHECKING:
    from tsuji.ledger.grant import Grant

    from .gateway import Gateway

MAX_AHEAD = 64 * 1024
MAX_QUEUE = 64
WRITE_AHEAD = 256 * 1024
SWALLOW = 64 * 1024
"""A refused request's body up to this size is read and dropped, so that the connection stays usable."""

HEAD_SECONDS = 30.0
IDLE_SECONDS = 75.0
BODY_SECONDS = 60.0
BODY_RATE = 16 * 1024
"""A body may take BODY_SECONDS and a second for each BODY_RATE bytes that have come."""
STALL_SECONDS = 60.0
LINGER_SECONDS = 2.0
PROBES = (0.02, 0.06, 0.25)
"""After a client's FIN, the seconds at which it is looked whether the client is gone altogether."""

_NEVER = float("inf")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_SMALL = 64 * 1024
_LESSONS = 3  # a client whose heads differ each time is not worth learning from


class _Stop(Exception):
    """Ends llhttp's parsing from a callback; the request's refusal says why."""


class Connection:
    """See the top of this file. `whole`, or `begin`, `send` and one of `finish` and `cut`, answer the turn.

    let_in: the headers that showed a virtual key, all keys there were then, and its grant. The next request may have
    the very same headers (see `again`), and need not be looked up while the keys are the same ones, too.
    """

    def __init__(self, gateway: "Gateway", loop: asyncio.AbstractEventLoop) -> None:
        # for the connection's life
        self._gateway = gateway
        self._loop = loop
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._transport: Any = None
        self._queue: deque[Request] = deque()
        self._ahead = bytearray()
        self._advancing = False
        self._over = False  # nothing more is read from this client
        self._eof = False
        self._known: KnownHead | None = None
        self._lessons = _LESSONS
        self._lagging = False  # the client reads more slowly than we write
        self.deadline = 0.0
        self.let_in: tuple[dict[bytes, bytes], dict[bytes, Grant], Grant] | None = None
        # of the message that is being received
        self._between = True  # no byte of it has come
        self._latest: Request | None = None  # the last one that llhttp has parsed
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._repeats = 0
        self._fed = 0  # bytes that its head can have, at most
        self._receiving: Request | None = None
        # of the answer that is being sent
        self._turn: Request | None = None
        self._begun = False
        self._probe = b""

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.set_write_buffer_limits(WRITE_AHEAD)
        self.deadline = self._loop.time() + HEAD_SECONDS
        self._gateway.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gateway.lost(self)
        self._over = True
        self._parser = None  # llhttp holds this object: without the cycle both go at once
        turn, self._turn = self._turn, None
        self._queue.clear()
        self._ahead.clear()
        if turn is not None and turn.job is not None:
            turn.job.cancel()
            turn.job = None

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        turn = self._turn
        if self._lagging or (turn is not None and turn.complete):
            self._ahead += data
            if len(self._ahead) > MAX_AHEAD:
                self._transport.pause_reading()
            return
        self._advancing = True
        try:
            if turn is None and self._between and self._known is not None:
                request = self._known.again(data)
                if request is not None:
                    self._open(request)
                    return
            self._feed(data)
        finally:
            self._advancing = False
        if self._queue:
            self._advance()
        latest, self._latest = self._latest, None
        if latest is not None and self._lessons and self._between:
            self._lessons -= 1
            self._known = known(data, latest)

    def eof_received(self) -> bool:
        turn = self._turn
        if turn is None or not turn.complete or self._over:
            return False
        # Either the client is gone or it only has nothing more to say. What is sent now finds out.
        self._eof = True
        if turn.http10:
            return False
        if not self._begun:
            self._transport.write(_CONTINUE)
        else:
            self.send(self._probe)
        for seconds in PROBES:
            self._loop.call_later(seconds, self.check_gone)
        return True

    def pause_writing(self) -> None:
        self._lagging = True
        self.deadline = self._loop.time() + STALL_SECONDS
        if self._turn is not None and self._turn.job is not None:
            self._turn.job.pause()

    def resume_writing(self) -> None:
        self._lagging = False
        if self._turn is None:
            self.deadline = self._loop.time() + IDLE_SECONDS
            self._advance()
            return
        self.deadline = _NEVER
        if self._turn.job is not None:
            self._turn.job.resume()

    # Called by llhttp.

    def on_message_begin(self) -> None:
        self._between = False

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > heads.MAX_URL:
            self._stop(heads.url_too_long())

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._receiving is not None:
            return  # a trailer
        headers = self._headers
        name = name.lower()
        if name in headers:
            if name in heads.ONCE:
                self._stop(InvalidRequestError(f"more than one {name.decode('latin-1')} header"))
            self._repeats += 1
            if self._repeats > heads.MAX_REPEATS:
                self._stop(heads.too_large())
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self._headers
        if parser is None or self._over:
            raise _Stop
        if self._receiving is not None:  # the head that we made up to read on after an upgrade
            self._url = b""
            return
        path, _, query = self._url.partition(b"?")
        request = self._receiving = Request(parser.get_method(), path, query, headers)
        self._url, self._headers, self._repeats = b"", {}, 0
        request.keep_alive = parser.should_keep_alive()
        wrong = heads.wrong(request, parser.get_http_version(), self._fed)
        if b"upgrade" in headers:
            request.upgrading = request.has_body and parser.should_upgrade()
        if wrong is not None:
            request.keep_alive = False
            request.refusal = wrong
        if self._turn is None and not self._queue and not self._lagging:
            self._open(request)
        elif len(self._queue) < MAX_QUEUE:
            self._queue.append(request)
        else:
            self._over = True
            raise _Stop

    def on_body(self, data: bytes) -> None:
        request = self._receiving
        if request is None or request.refusal is not None:
            return
        request.add(data)
        if request.size > self._gateway.max_body:
            self._stop(self._gateway.too_large())

    def on_message_complete(self) -> None:
        request = self._receiving
        if request is None:
            return
        if request.upgrading:
            request.upgrading = False  # llhttp takes the body for another protocol
            return
        self._receiving = None
        self._latest = request
        self._between = True
        request.end()
        if request is self._turn:
            self._answer(request)

    # Receiving.

    def _feed(self, data: bytes | memoryview) -> None:
        mid_head = self._receiving is None and bool(self._url or self._headers)
        self._fed = self._fed + len(data) if mid_head else len(data)
        while self._parser is not None:
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                data = memoryview(data)[upgrade.args[0] :]
                self._decline_upgrade()
                continue
            except HttpParserCallbackError as error:
                if not isinstance(error.__context__, _Stop):
                    raise
            except HttpParserError as error:
                self._malformed(InvalidRequestError(f"this is not HTTP: {error}"))
            else:
                self._limit_time(mid_head)
            return

    def _decline_upgrade(self) -> None:
        """The request is answered as HTTP/1.1: some clients offer HTTP/2 in every first request, body or not.

        llhttp has stopped; a new one reads on, behind a head that says of the body what the real one did.
        """
        request = self._receiving
        self._parser = None if self._over else HttpRequestParser(self)
        if self._parser is not None and request is not None:
            length = b"content-length: %d" % (request.length or 0)
            framing = b"transfer-encoding: chunked" if request.chunked else length
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)

    def _limit_time(self, was_mid_head: bool) -> None:
        """After a feed: a head and a body have their time to arrive; an answer has none from here."""
        turn = self._turn
        if turn is not None:
            if not turn.complete:
                turn.due = turn.due or self._loop.time() + BODY_SECONDS
                self.deadline = turn.due + turn.size / BODY_RATE
        elif self._url or self._headers:
            if not was_mid_head:
                self.deadline = self._loop.time() + HEAD_SECONDS
            elif self._fed > heads.MAX_HEAD:
                self._malformed(heads.too_large())

    def _stop(self, error: TsujiError) -> None:
        """From a callback: refuse the message that is being received and parse no more."""
        self._malformed(error)
        raise _Stop

    def _malformed(self, error: TsujiError) -> None:
        """The message that is being received cannot be; what follows it is not to be trusted."""
        if self._over:
            return
        self._over = True
        request = self._receiving
        if request is None:
            last = self._queue[-1] if self._queue else self._turn
            if last is not None and not last.keep_alive:
                return  # bytes after the last request that this connection was to carry
            path = self._url.partition(b"?")[0]
            request = Request(b"", path, b"", {})
            self._queue.append(request)
        self._receiving = None
        request.refusal = error
        request.keep_alive = False
        request.complete = True
        if request is self._turn:
            self._answer(request)
        elif self._turn is None:
            self._open(self._queue.popleft())

    def _open(self, request: Request) -> None:
        """The request has its turn."""
        self._turn = request
        self._begun = False
        if request.refusal is None:
            request.refusal = self._gateway.admit(request, self)
            if request.refusal is not None and not self._worth_swallowing(request):
                request.keep_alive = False
        if request.complete:
            self._answer(request)
        elif request.refusal is not None:
            if not request.keep_alive and request.has_body:
                self._answer(request)
        elif b"expect" in request.headers and not request.http10:
            self._transport.write(_CONTINUE)

    def _worth_swallowing(self, request: Request) -> bool:
        return not request.has_body or (
            request.length is not None and request.length <= SWALLOW and b"expect" not in request.headers
        )

    def _answer(self, request: Request) -> None:
        self.deadline = _NEVER
        self._gateway.answer(request, self)

    def _advance(self) -> None:
        """The next turn, and the next, until one has to wait. Not re-entered: turns may end before this returns."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while not self._lagging:
                turn = self._turn
                if turn is None and self._queue:
                    self._open(self._queue.popleft())
                elif self._ahead and not self._over and (turn is None or not turn.complete):
                    data = bytes(self._ahead)
                    self._ahead.clear()
                    self._feed(data)
                else:
                    break
        finally:
            self._advancing = False
        if self._transport.is_closing():
            return
        if self._turn is None and not self._lagging and (self._over or self._eof):
            self._leave(lingering=not self._eof)
        elif not self._ahead:
            self._transport.resume_reading()

    # Answering.

    @property
    def begun(self) -> bool:
        """The head of the answer has been sent."""
        return self._begun

    @property
    def address(self) -> str:
        """The client's; "" where it has none."""
        peer: tuple[str, int] | str | None = self._transport.get_extra_info("peername")
        return peer[0] if isinstance(peer, tuple) else ""

    def whole(self, head: bytes, body: bytes) -> None:
        """An answer of known length. head: status line and headers, but those of framing and connection."""
        turn = self._turn
        if turn is None:
            return
        head = b"%b%b%bcontent-length: %d\r\n%b\r\n" % (
            head,
            turn.lines,
            self._gateway.date,
            len(body),
            self._connection(turn),
        )
        if turn.method == b"HEAD":
            self._transport.write(head)
        elif len(body) < _SMALL:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        self._end(turn)

    def begin(self, head: bytes, probe: bytes = b"") -> None:
        """The head of an answer that comes in pieces: chunked, or for HTTP/1.0 up to the connection's end.

        probe: bytes that mean nothing to the client between two pieces.
        """
        turn = self._turn
        if turn is None:
            return
        self._begun = True
        self._probe = probe
        if turn.http10:
            turn.keep_alive = False
        framing = b"" if turn.http10 else b"transfer-encoding: chunked\r\n"
        lines = turn.lines + self._gateway.date + framing + self._connection(turn)
        self._transport.write(b"%b%b\r\n" % (head, lines))

    def send(self, data: bytes) -> None:
        """A piece: whole events, lines or messages, after which a client would take the probe."""
        turn = self._turn
        if turn is not None and data:
            self._transport.write(data if turn.http10 else b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self) -> None:
        """The pieces are complete."""
        turn = self._turn
        if turn is not None:
            if not turn.http10:
                self._transport.write(b"0\r\n\r\n")
            self._end(turn)

    def cut(self) -> None:
        """The pieces are not complete, and the client must see it: no last chunk, and the connection ends."""
        turn = self._turn
        if turn is not None:
            turn.keep_alive = False
            self._end(turn)

    def _connection(self, turn: Request) -> bytes:
        if self._gateway.draining:
            turn.keep_alive = False
        if not turn.keep_alive:
            return b"connection: close\r\n"
        return b"connection: keep-alive\r\n" if turn.http10 else b""

    def _end(self, turn: Request) -> None:
        self._turn = None
        turn.job = None
        if not turn.keep_alive:
            self._leave(lingering=not turn.complete or turn.refusal is not None)
            return
        self.deadline = self._loop.time() + IDLE_SECONDS
        if self._queue or self._ahead or self._over or self._eof:
            self._advance()

    def _leave(self, lingering: bool) -> None:
        """Closes. lingering: the client may still be sending, and a reset would take our answer from it."""
        self._over = True
        self._queue.clear()
        if lingering and not self._eof and self._transport.can_write_eof():
            self._transport.write_eof()
            self.deadline = self._loop.time() + LINGER_SECONDS
        else:
            self._transport.close()
            self.deadline = self._loop.time() + STALL_SECONDS

    # Called by the gateway.

    def expire(self, now: float) -> None:
        """A time limit has passed."""
        turn = self._turn
        if turn is not None and not turn.complete and not self._over:
            self._malformed(InvalidRequestError("the request body did not arrive in time", status=408))
        elif turn is None and not self._over and (self._url or self._headers):
            self._malformed(InvalidRequestError("the request head did not arrive in time", status=408))
        elif turn is None and not self._over:
            self._leave(lingering=False)
        else:  # a client that does not read its answer, or does not close
            self._transport.abort()

    def check_gone(self) -> None:
        """After the client's FIN: an error on the socket says that what we sent met no one."""
        if not self._transport.is_closing():
            sock = self._transport.get_extra_info("socket")
            if sock is not None and sock.getsockopt(SOL_SOCKET, SO_ERROR):
                self._transport.abort()

    @property
    def half_closed(self) -> bool:
        """The client has sent its FIN while its request was being answered."""
        return self._eof

    def retire(self) -> None:
        """The gateway is draining: a connection between two requests closes now, others after their answer."""
        if self._turn is None and not self._over and not (self._url or self._headers):
            self._leave(lingering=False)

    def abort(self) -> None:
        self._transport.abort()
