"""What a request's head may be: its limits, and what this server takes of HTTP."""

from tsuji.core.errors import InvalidRequestError, RequestTooLargeError, TsujiError

from .request import Request

MAX_HEAD = 64 * 1024
MAX_HEADERS = 128
MAX_REPEATS = 32
MAX_URL = 16 * 1024
SWALLOW = 64 * 1024
"""A refused request's body up to this size is read and dropped, so that the connection stays usable."""
MAX_OVERHEAD = 9
"""Bytes of chunked framing for one of the body, beside MAX_HEAD for trailers and extensions."""

ONCE = frozenset([b"host", b"content-length", b"authorization", b"x-api-key", b"x-goog-api-key", b"origin", b"expect"])
"""Headers of which two would be two opinions."""


def wrong(request: Request, version: str, most: int) -> TsujiError | None:
    """What is wrong with the head as HTTP. Notes what it says of the body and of the version.

    most: bytes that the head can have, at most.
    """
    headers = request.headers
    if version != "1.1":
        request.http10 = True
        if version != "1.0":
            return InvalidRequestError(f"HTTP/{version} is not spoken here; use HTTP/1.1", status=505)
    length = headers.get(b"content-length")
    if length is not None:
        request.length = int(length)
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        request.chunked = True
        if request.http10 or coding.lower() != b"chunked":
            return InvalidRequestError("the only Transfer-Encoding taken here is chunked, in HTTP/1.1")
    if len(headers) > MAX_HEADERS or (most > MAX_HEAD and _size(headers) > MAX_HEAD):
        return too_large()
    if b"host" not in headers and not request.http10:
        return InvalidRequestError("an HTTP/1.1 request needs a Host header")
    if request.path[:1] != b"/":
        return InvalidRequestError("the request target must be a path, such as /v1/chat/completions")
    if headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
        return InvalidRequestError("a compressed request body is not taken here; send it as it is", status=415)
    expected = headers.get(b"expect")
    if expected is not None and expected.lower() != b"100-continue":
        return InvalidRequestError("the only expectation met here is 100-continue", status=417)
    return None


def worth_swallowing(request: Request) -> bool:
    """The body of a refused request may be read and dropped."""
    return not request.has_body or (
        request.length is not None and request.length <= SWALLOW and b"expect" not in request.headers
    )


def stand_in(request: Request) -> bytes:
    """A head that says of the body what the request's own does."""
    length = b"content-length: %d" % (request.length or 0)
    return b"POST / HTTP/1.1\r\n%b\r\n\r\n" % (b"transfer-encoding: chunked" if request.chunked else length)


def _size(headers: dict[bytes, bytes]) -> int:
    """In bytes, without what stands between names and values."""
    return sum(len(name) + len(value) for name, value in headers.items())


def url_too_long() -> TsujiError:
    return RequestTooLargeError(f"the URL is longer than {MAX_URL} bytes", status=414)


def too_large() -> TsujiError:
    return RequestTooLargeError(f"the head has more than {MAX_HEADERS} headers or {MAX_HEAD} bytes", status=431)


def too_much_framing() -> TsujiError:
    return RequestTooLargeError("the chunked body has more extensions and trailers than content", status=431)
