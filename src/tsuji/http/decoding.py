"""Content codings of response bodies: gzip (RFC 1952) and deflate (RFC 1950, and raw RFC 1951 as some servers send)."""

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tsuji.core.errors import StreamInterruptedError, UpstreamProtocolError

CODINGS = frozenset((b"gzip", b"x-gzip", b"deflate"))
PIECE = 256 * 1024
FREE_OUTPUT = 16 * 1024 * 1024
MAX_RATIO = 200
if TYPE_CHECKING:
    from zlib import _Decompress as _Stream  # pyright: ignore[reportPrivateUsage]

_GZIP_MAGIC = b"\x1f\x8b"


class BodyDecoder:
    """Decodes one body piece by piece, never more than PIECE bytes at a time.

    A body that has grown beyond FREE_OUTPUT bytes may not be MAX_RATIO times as long as what came over the wire: text
    packs 5 to 20 times, a decompression bomb about a thousand times.
    """

    __slots__ = ("_gzip", "_held", "_in", "_out", "_peer", "_stream")

    def __init__(self, coding: bytes, peer: str) -> None:
        self._gzip = coding != b"deflate"
        self._stream: _Stream | None = None
        self._held: bytes = b""
        self._in = 0
        self._out = 0
        self._peer = peer

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces. Raises UpstreamProtocolError for a malformed body or a bomb."""
        self._in += len(data)
        if self._held:
            data, self._held = self._held + data, b""
        more = False
        while data or more:
            stream = self._stream
            if stream is None or stream.eof:
                if len(data) < 2:  # what comes next can be told from two bytes
                    self._held = data
                    return
                stream = self._begin(data)
                if stream is None:
                    return
            piece, data = self._decode(stream, data)
            more = len(piece) == PIECE and not stream.eof  # zlib may hold output although it has taken all input
            if piece:
                yield piece

    def _begin(self, data: bytes) -> "_Stream | None":
        """A stream for what begins here; None if it is padding after the end."""
        if self._gzip:
            if self._stream is not None and not data.startswith(_GZIP_MAGIC):
                return None
            bits = 31
        elif self._stream is not None:
            return None
        else:  # the zlib header tells it from raw deflate
            bits = 15 if data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0 else -15
        self._stream = zlib.decompressobj(bits)
        return self._stream

    def _decode(self, stream: "_Stream", data: bytes) -> tuple[bytes, bytes]:
        try:
            piece = stream.decompress(data, PIECE)
        except zlib.error as error:
            raise UpstreamProtocolError(f"{self._peer} sent a compressed body that cannot be decoded") from error
        self._out += len(piece)
        if self._out > FREE_OUTPUT and self._out > MAX_RATIO * self._in:
            raise UpstreamProtocolError(
                f"{self._peer} sent a body that grows more than {MAX_RATIO} times when it is decompressed; refused"
            )
        return piece, stream.unused_data if stream.eof else stream.unconsumed_tail

    def finish(self, *, may_be_empty: bool) -> None:
        """The body is over. Raises StreamInterruptedError if the compressed data were not."""
        if not (self._stream and self._stream.eof) and not (may_be_empty and not self._in):
            raise StreamInterruptedError(f"the compressed body from {self._peer} is cut short")
