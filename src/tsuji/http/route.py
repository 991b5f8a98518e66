"""The way to an origin: what to dial, what to say to a proxy, and the parts of a request head that never change."""

from .message import ACCEPT_GZIP, end_of_head, host_lines, join_head
from .proxy import Proxies
from .url import Origin

_REMEMBERED = 64


class Route:
    """Made once per origin and pool.

    origin: where requests go. dial: where the connection goes (the origin, or a proxy). via: the proxy's name, for
    messages. connect: the head that asks a proxy for a tunnel, if one is needed. secure: whether TLS goes on top.
    peer: the origin's name, for messages. Raises ConfigError if the proxy that applies is unusable.
    """

    __slots__ = (
        "_accept_encoding",
        "_after_target",
        "_before_target",
        "_rendered",
        "connect",
        "dial",
        "origin",
        "peer",
        "via",
    )

    def __init__(self, origin: Origin, proxies: Proxies, *, decode: bool = True) -> None:
        self.origin = origin
        self.peer = str(origin)
        self.dial = origin
        self.via: str | None = None
        self.connect: bytes | None = None
        self._before_target = b" "
        self._after_target = host_lines(origin)
        self._accept_encoding = ACCEPT_GZIP if decode else b""
        self._rendered: dict[tuple[bytes, bytes, bytes], bytes] = {}
        proxy = proxies.choose(origin)
        if proxy is None:
            return
        self.dial = proxy.origin
        self.via = str(proxy.origin)
        authorization = b"Proxy-Authorization: " + proxy.authorization + b"\r\n" if proxy.authorization else b""
        if self.secure:
            # https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
            authority = origin.authority.encode()
            self.connect = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (authority, authority, authorization)
        else:
            # https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
            self._before_target = b" http://" + origin.host_header
            self._after_target += authorization

    @property
    def secure(self) -> bool:
        return self.origin.scheme == "https"

    def render(self, method: bytes, target: bytes, headers: bytes, body_length: int | None) -> bytes:
        """The request head, as message.render_head does it, in the form that this way asks for."""
        known = method, target, headers
        head = self._rendered.get(known)
        if head is None:
            head = join_head(method, self._before_target, target, self._after_target, headers, self._accept_encoding)
            if len(self._rendered) >= _REMEMBERED:  # some headers are of one request
                self._rendered.clear()
            self._rendered[known] = head
        return head + end_of_head(body_length)
