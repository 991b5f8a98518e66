"""A head that has been parsed need not be parsed again.

A client's next request on a connection has the same head but for its Content-Length, as a rule: every SDK's has. Such a
head is recognised by its bytes. That is safe because it is bytes that llhttp took and our own rules passed, in the same
state of the connection; the one difference is a plain number, which is read here.
"""

import msgspec

from .request import Request

_MAX_DIGITS = 9


class KnownHead(msgspec.Struct, frozen=True):
    """before, after: the head's bytes around the digits of its Content-Length. headers: as the parsed request's."""

    before: bytes
    after: bytes
    method: bytes
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]

    def __repr__(self) -> str:
        return f"KnownHead({self.method!r}, {self.path!r})"  # its bytes show a key

    def again(self, data: bytes) -> Request | None:
        """The request, if `data` is this head with any length, all of the body, and nothing else."""
        before, after = self.before, self.after
        if not data.startswith(before):
            return None
        at = len(before)
        end = data.find(b"\r", at, at + _MAX_DIGITS + 1)
        if end < 0:  # before the slice: compiled, one that ends before it begins is an error
            return None
        digits = data[at:end]
        if not digits.isdigit() or not data.startswith(after, end):
            return None
        start = end + len(after)
        length = int(digits)
        if len(data) - start != length:
            return None
        request = Request(self.method, self.path, self.query, self.headers)
        request.length = request.size = length
        request.body = data[start:]
        request.complete = True
        return request


def known(data: bytes, request: Request) -> KnownHead | None:
    """What to recognise `request` by next time, if `data` was it, the whole of it and only it, and it was ordinary."""
    headers = request.headers
    if request.length is None or request.http10 or request.refusal is not None or not request.keep_alive:
        return None
    if request.chunked or b"expect" in headers or b"upgrade" in headers:
        return None
    end = data.find(b"\r\n\r\n") + 4
    if end + request.length != len(data) or not data.startswith(request.method + b" " + request.path):
        return None
    head = data[:end]
    small = head.lower()
    at = small.find(b"\r\ncontent-length: ") + 18
    stop = head.find(b"\r", at)
    if at < 18 or small.count(b"content-length") != 1 or not head[at:stop].isdigit() or stop - at > _MAX_DIGITS:
        return None
    return KnownHead(head[:at], head[stop:], request.method, request.path, request.query, headers)
