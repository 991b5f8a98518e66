"""The bytes of response heads: status lines, headers of ours, headers of a provider's that may pass."""

from http import HTTPStatus
from math import ceil

from tsuji.core.errors import TsujiError
from tsuji.core.usage import NANO
from tsuji.http.message import ResponseHead

JSON = b"content-type: application/json\r\n"
_LINES = {s.value: b"HTTP/1.1 %d %b\r\n" % (s.value, s.phrase.encode()) for s in HTTPStatus if s.value >= 200}
OK = _LINES[200]

_PASSED = frozenset(
    [
        b"content-language",
        b"request-id",
        b"x-request-id",
        b"x-amzn-requestid",
        b"x-amzn-errortype",
        b"openai-processing-ms",
        b"openai-version",
        b"openai-organization",
        b"anthropic-organization-id",
        b"retry-after-ms",
    ]
)
_NEVER = frozenset([b"server", b"date", b"connection", b"content-length", b"content-type", b"transfer-encoding"])
"""Of the others, those that every answer has: looked up first."""
_PASSED_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")


def status_line(status: int) -> bytes:
    line = _LINES.get(status)
    return line if line is not None else b"HTTP/1.1 %d Unnamed\r\n" % status


def value(text: str) -> bytes:
    """A header value: what is not printable ASCII becomes "?", so that no text can end the line."""
    return bytes([b if 32 <= b < 127 else 63 for b in text.encode("ascii", "replace")])


def stream_head(content_type: bytes) -> bytes:
    return b"%bcontent-type: %b\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n" % (OK, content_type)


def passed(head: ResponseHead, error: TsujiError | None = None, *, own_limits: bool = False) -> bytes:
    """The lines of a provider's head that reach the client: of its limits and its request id, no others.

    error: what the head is that of; its Retry-After passes where the error could not read it (an HTTP date).
    own_limits: the answer says how near the gateway's are, and no provider's are mixed with them.
    """
    out = b""
    for name, content in head.headers:
        if name in _NEVER:
            continue
        if name in _PASSED or (not own_limits and name.startswith(_PASSED_PREFIXES)):
            out += name + b": " + content + b"\r\n"
        elif name == b"retry-after" and error is not None and error.retry_after is None:
            out += b"retry-after: " + content + b"\r\n"
    return out


def error_lines(error: TsujiError) -> bytes:
    """What a client should know of an error besides its body."""
    out = b"x-tsuji-fault: %b\r\nx-tsuji-error: %b\r\n" % (error.fault.encode(), error.kind.encode())
    if error.retry_after is not None:
        out += b"retry-after: %d\r\n" % ceil(max(error.retry_after, 0))
    if not error.retryable:
        out += b"x-should-retry: false\r\n"
    return out


def error_status(error: TsujiError) -> int:
    """The error's own status; 502 where a provider's failure came under a status that says success."""
    return error.status if 400 <= error.status <= 599 else 502


def dollars(nano: int | None) -> bytes:
    """A cost as decimal USD, exact; "unknown" is never 0."""
    return b"unknown" if nano is None else b"%d.%09d" % divmod(nano, NANO)
