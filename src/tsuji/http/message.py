"""Heads of requests and responses. https://www.rfc-editor.org/rfc/rfc9112"""

from collections.abc import Iterable

import msgspec

from tsuji.core.errors import InvalidRequestError

from .url import Origin

Headers = list[tuple[bytes, bytes]]

MAX_WHOLE_BODY = 512 * 1024 * 1024  # of a body that is read into memory as one piece
ACCEPT_GZIP = b"Accept-Encoding: gzip, deflate\r\n"
_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VISIBLE = bytes(range(0x21, 0x7F))
_VALUE = b"\t " + _VISIBLE + bytes(range(0x80, 0x100))
_METHODS_WITHOUT_BODY = frozenset((b"GET", b"HEAD", b"DELETE", b"OPTIONS"))
_CONNECTION = (b"host", b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"upgrade", b"te")
_FRAMING = (b"content-length", b"transfer-encoding", b"trailer", b"expect")
_OURS = frozenset((*_CONNECTION, *_FRAMING))


class ResponseHead(msgspec.Struct):
    """Status and headers of a final (not 1xx) response. headers: names in lower case, in order, repeats kept."""

    status: int
    headers: Headers

    def get(self, name: bytes) -> bytes | None:
        """Value of the first header of that lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


def render_headers(pairs: Iterable[tuple[str | bytes, str | bytes]]) -> bytes:
    """`Name: value` lines, each with its CRLF; text goes out as UTF-8.

    Raises InvalidRequestError, naming the header and never its value, for a name that is no token, for a control
    character (a line break above all) in a value, and for headers that belong to the connection or frame the message:
    the transport sets those itself.
    """
    lines: list[bytes] = []
    for name, value in pairs:
        key = name.encode() if isinstance(name, str) else name
        text = value.encode() if isinstance(value, str) else value
        if not key or key.translate(None, _TOKEN):
            raise InvalidRequestError(f"{name!r} is not a valid header name", param="extra_headers")
        if text.translate(None, _VALUE):
            raise InvalidRequestError(
                f"the value of header {key.decode()} has a line break or another control character; "
                f"look for a stray newline at its end",
                param="extra_headers",
            )
        if key.lower() in _OURS:
            raise InvalidRequestError(
                f"header {key.decode()} is set by the transport; leave it out", param="extra_headers"
            )
        lines += (key, b": ", text.strip(b" \t"), b"\r\n")
    return b"".join(lines)


def content_length(method: bytes, body: bytes) -> int | None:
    """The Content-Length to send: none where a method without a body has none (RFC 9110 section 8.6)."""
    return len(body) if body or method not in _METHODS_WITHOUT_BODY else None


def render_head(method: bytes, target: bytes, origin: Origin, headers: bytes, body_length: int | None) -> bytes:
    """A request head in origin form, with Host, Accept-Encoding and Content-Length.

    headers: lines from render_headers; their own Accept-Encoding wins. Raises InvalidRequestError for a method or a
    target that would break the request line.
    """
    return join_head(method, b" ", target, host_lines(origin), headers, ACCEPT_GZIP) + end_of_head(body_length)


def host_lines(origin: Origin) -> bytes:
    """What stands between the target and the caller's headers."""
    return b" HTTP/1.1\r\nHost: " + origin.host_header + b"\r\n"


def join_head(
    method: bytes, before_target: bytes, target: bytes, after_target: bytes, headers: bytes, accept_encoding: bytes
) -> bytes:
    """A request head but for its end, from parts of which all but method, target and headers are constant for an
    origin.
    """
    if not method.isalpha() or target.translate(None, _VISIBLE) or (target[:1] not in (b"/", b"*", b"?", b"")):
        raise InvalidRequestError("the method or the path has characters that no request line may have", param="url")
    if headers and (headers[-2:] != b"\r\n" or b"\n\r" in headers):
        raise InvalidRequestError("headers must be lines from render_headers", param="extra_headers")
    if accept_encoding and b"accept-encoding:" in headers.lower():
        accept_encoding = b""
    if target[:1] in (b"", b"?"):
        target = b"/" + target
    return b"".join((method, before_target, target, after_target, accept_encoding, headers))


def end_of_head(body_length: int | None) -> bytes:
    return b"\r\n" if body_length is None else b"Content-Length: %d\r\n\r\n" % body_length
