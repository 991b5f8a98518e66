"""Where a request goes: the origin and the target of a URL. https://www.rfc-editor.org/rfc/rfc3986#section-3"""

import msgspec

from tsuji.core.errors import InvalidRequestError

DEFAULT_PORTS = {"http": 80, "https": 443, "http+unix": 0}
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
_IPV6 = frozenset("0123456789abcdefABCDEF:.")
_VISIBLE = frozenset(map(chr, range(0x21, 0x7F)))


class Origin(msgspec.Struct, frozen=True, cache_hash=True):
    """Scheme, host and port: what connections are pooled by.

    host: lower case, IPv6 without brackets; for `http+unix`, the path of the socket (and port 0).
    """

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """`host:port` with the port always there, as CONNECT wants it."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def host_header(self) -> bytes:
        """Value of the Host header: the port only where it is not the scheme's own."""
        if self.scheme == "http+unix":
            return b"localhost"
        host = _bracketed(self.host.partition("%")[0])  # a zone is this machine's business, RFC 6874 section 4
        return (host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}").encode()

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host if self.scheme == 'http+unix' else self.host_header.decode()}"


def split_url(url: str) -> tuple[Origin, str]:
    """The origin of a URL, and its path with the query, as given: "" where there is none.

    Schemes: http, https, and http+unix, whose host is the percent-encoded path of a socket. Raises InvalidRequestError
    for anything that cannot be sent as it stands: another scheme, credentials, a fragment, spaces, a bad port.
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS:
        raise _nonsense(url, "it must begin with https:// or http://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not _VISIBLE.issuperset(path):
        raise _nonsense(url, "spaces and characters outside ASCII must be percent-encoded")
    if "#" in path:
        raise _nonsense(url, "a fragment (#...) cannot be sent")
    if "@" in authority:
        raise _nonsense(url, "credentials do not belong in it; send them in a header")
    return _origin(url, scheme, authority), path if path[:1] in ("/", "") else "/" + path


def _origin(url: str, scheme: str, authority: str) -> Origin:
    if scheme == "http+unix":
        from urllib.parse import unquote

        if not authority:
            raise _nonsense(url, "the host must be the percent-encoded path of a socket")
        return Origin(scheme, unquote(authority), 0)
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        address, percent, zone = host.partition("%25")
        if (
            not bracket
            or not address
            or not _IPV6.issuperset(address)
            or not _NAME.issuperset(zone)
            or (port and port[0] != ":")
        ):
            raise _nonsense(url, "the host is not an IPv6 address in brackets")
        host, port = address + ("%" + zone if percent else ""), port[1:]
    else:
        host, _, port = authority.partition(":")
        host = _ascii_host(url, host)
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise _nonsense(url, "the port is not a number between 1 and 65535")
    return Origin(scheme, host.lower(), int(port) if port else DEFAULT_PORTS[scheme])


def _ascii_host(url: str, host: str) -> str:
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise _nonsense(url, "the host is not a valid domain name") from error
    if not ascii_host or not _NAME.issuperset(ascii_host):
        raise _nonsense(url, "the host is missing or has characters that no host name has")
    return ascii_host


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _nonsense(url: str, reason: str) -> InvalidRequestError:
    shown = url.partition("?")[0].rpartition("@")[2]  # neither a key in the query nor a password belongs in a message
    return InvalidRequestError(f"{shown!r} is not a usable URL: {reason}", param="url")


def is_loopback(host: str) -> bool:
    """Whether `host`, as in a URL without its port, can only mean this machine."""
    host = host.strip("[]").lower()
    if host == "localhost" or host.endswith(".localhost") or host == "::1":
        return True
    return host.startswith("127.") and host.replace(".", "").isdigit()
