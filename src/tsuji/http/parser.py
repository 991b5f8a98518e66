"""Responses out of bytes, without I/O: llhttp through httptools, and our own rules around it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from httptools import HttpParserCallbackError, HttpParserError, HttpResponseParser

from tsuji.core.errors import StreamInterruptedError, UpstreamConnectionError, UpstreamProtocolError

from .message import Headers, ResponseHead

if TYPE_CHECKING:
    from .decoding import BodyDecoder

MAX_HEADERS = 128
MAX_HEAD = 64 * 1024


class ResponseParser:
    """The responses of one connection, one after the other.

    `begin` announces a request; then `feed` takes what the socket gave, and `feed_eof` its end. Body pieces go to the
    callbacks given to `begin`; the rest is state to look at after each call:

    head: once the final response head is there (1xx heads are skipped).
    complete: the whole response has been seen.
    keep_alive: meaningful when complete: the connection may carry another request.

    Limits: a head of MAX_HEADERS headers and MAX_HEAD bytes (which bounds each line), and no more than MAX_HEAD bytes
    that bring neither head nor body (1xx heads, chunk extensions, trailers).
    """

    __slots__ = (
        "_bodyless",
        "_decode",
        "_decoder",
        "_headers",
        "_llhttp",
        "_on_body",
        "_on_head",
        "_peer",
        "_unproductive",
        "complete",
        "head",
        "keep_alive",
    )

    def __init__(self, peer: str, *, decode: bool = True) -> None:
        self._peer = peer
        self._decode = decode
        self._llhttp: HttpResponseParser | None = HttpResponseParser(self)
        self._headers: Headers = []
        self.complete = True
        self.keep_alive = True
        self.head: ResponseHead | None = None

    def begin(
        self,
        on_body: Callable[[bytes], object],
        on_head: Callable[[ResponseHead], object] | None = None,
        *,
        bodyless: bool = False,
    ) -> None:
        """A request is on its way. bodyless: the response ends with its head (HEAD; a CONNECT that succeeds)."""
        self._on_body = on_body
        self._on_head = on_head
        self._bodyless = bodyless
        self._decoder: BodyDecoder | None = None
        self._unproductive = 0
        self.head = None
        self.complete = False

    def mute(self) -> None:
        """Call nobody from now on, not even for the rest of the bytes that are being fed."""
        self._on_body = self._on_head = _ignore

    def discard(self) -> None:
        """Drop llhttp's parser, which refers to this object, so that both go without the garbage collector."""
        self._llhttp = None

    def feed(self, data: bytes) -> None:
        """Raises UpstreamProtocolError, StreamInterruptedError (a cut compressed body), and what a callback raises."""
        self._unproductive += len(data)
        llhttp = self._llhttp
        if llhttp is None:
            return
        try:
            llhttp.feed_data(data)
        except HttpParserCallbackError as error:
            raise (error.__context__ or error) from None
        except HttpParserError as error:
            self.keep_alive = False
            if not self.complete:
                raise UpstreamProtocolError(
                    f"{self._peer} sent a malformed HTTP response ({error}); check that the URL is that of an HTTP API"
                ) from error
        if self._unproductive > MAX_HEAD:
            self._refuse(f"more than {MAX_HEAD} bytes of headers")

    def feed_eof(self) -> None:
        """The peer closed the connection, which is how some bodies end.

        Raises UpstreamConnectionError where no head was seen and StreamInterruptedError where the body is cut short.
        """
        self.keep_alive = False
        if self.complete:
            return
        head = self.head
        if head is None:
            raise UpstreamConnectionError(f"{self._peer} closed the connection before it answered", reached=True)
        if head.get(b"content-length") is not None or head.get(b"transfer-encoding") is not None:
            raise StreamInterruptedError(f"{self._peer} closed the connection in the middle of its answer")
        self._complete(framed=False)

    # What follows is called by httptools.

    def on_message_begin(self) -> None:
        if self.complete:  # bytes that no request asked for: the connection can't be trusted with another one
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        headers, self._headers = self._headers, []
        llhttp = self._llhttp
        if self.complete or llhttp is None:
            return
        status = llhttp.get_status_code()
        if status < 200:
            if status == 101:
                self._refuse("101 Switching Protocols, which was not asked for")
            return
        if len(headers) > MAX_HEADERS or self._unproductive > MAX_HEAD:
            self._check_size(headers)
        self._unproductive = 0
        for name, value in headers:
            if name == b"content-encoding":
                self._set_coding(value.lower())
            elif name == b"transfer-encoding" and value.lower() != b"chunked":
                self._refuse("a transfer coding other than chunked")
        head = self.head = ResponseHead(status, headers)
        if self._on_head is not None:
            self._on_head(head)
        if self._bodyless:
            self.complete = True
            self.keep_alive = llhttp.should_keep_alive() and head.get(b"transfer-encoding") is None
            self._llhttp = HttpResponseParser(self)  # the old one waits for a body that will not come

    def on_body(self, data: bytes) -> None:
        self._unproductive = 0
        if self.complete:
            self.keep_alive = False
        elif self._decoder is None:
            self._on_body(data)
        else:
            for piece in self._decoder.feed(data):
                self._on_body(piece)

    def on_message_complete(self) -> None:
        if self.head is not None and not self.complete:
            llhttp = self._llhttp
            self.keep_alive = llhttp is not None and llhttp.should_keep_alive()
            self._complete(framed=True)

    def _complete(self, *, framed: bool) -> None:
        if self._decoder is not None:
            self._decoder.finish(may_be_empty=framed)
        if self._headers:  # trailers
            self._headers = []
        self.complete = True

    def _check_size(self, headers: Headers) -> None:
        if len(headers) > MAX_HEADERS:
            self._refuse(f"more than {MAX_HEADERS} headers")
        if sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD:  # the rest may have been body
            self._refuse(f"more than {MAX_HEAD} bytes of headers")

    def _set_coding(self, coding: bytes) -> None:
        if not self._decode or self._bodyless or coding in (b"", b"identity"):
            return
        from .decoding import CODINGS, BodyDecoder

        if coding not in CODINGS or self._decoder is not None:
            self._refuse(f"a body in the coding {coding.decode('latin-1')}, which was not asked for")
        self._decoder = BodyDecoder(coding, self._peer)

    def _refuse(self, what: str) -> None:
        raise UpstreamProtocolError(f"{self._peer} sent {what}")


def _ignore(_: object) -> None: ...
