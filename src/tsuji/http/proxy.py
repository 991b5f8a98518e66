"""Which proxy a request goes through.

The rules are curl's (https://everything.curl.dev/usingcurl/proxies/env.html): a proxy for the scheme, else ALL_PROXY,
and NO_PROXY against both. But plain HTTP to loopback goes direct: it is a model server on this machine, which a proxy
elsewhere could not reach, and Go's clients know no other way (https://pkg.go.dev/net/http#ProxyFromEnvironment).
"""

import os
from collections.abc import Mapping

import msgspec

from tsuji.core.errors import ConfigError, InvalidRequestError

from .url import Origin, is_loopback, split_url


class Proxy(msgspec.Struct, frozen=True):
    """Where a proxy listens, and the value of Proxy-Authorization, if it wants one."""

    origin: Origin
    authorization: bytes | None = None


class Proxies(msgspec.Struct, frozen=True):
    """Proxy URLs (`http://user:password@host:port`) by the scheme of the request, and hosts that need none.

    no_proxy: host names (which cover their subdomains, with or without a leading dot) and addresses, both with or
    without `:port`; networks (10.0.0.0/8); `*`. `Proxies()` is: no proxy at all.
    """

    http: str | None = None
    https: str | None = None
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Proxies":
        """From HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; the lower-case name wins where both are set.

        HTTP_PROXY in upper case is ignored under CGI, where it is a header of the visitor's (https://httpoxy.org).
        """

        def setting(name: str) -> str | None:
            upper = None if name == "http_proxy" and "REQUEST_METHOD" in environ else environ.get(name.upper())
            return environ.get(name) or upper or None

        everything = setting("all_proxy")
        exceptions = setting("no_proxy") or ""
        return cls(
            http=setting("http_proxy") or everything,
            https=setting("https_proxy") or everything,
            no_proxy=tuple(exceptions.replace(",", " ").split()),
        )

    def choose(self, origin: Origin) -> Proxy | None:
        """The proxy for an origin. Raises ConfigError if the one that is set cannot be used."""
        url = {"http": self.http, "https": self.https}.get(origin.scheme)
        if origin.scheme == "http" and is_loopback(origin.host):
            return None
        return None if not url or self._excepts(origin) else _parse(url)

    def _excepts(self, origin: Origin) -> bool:
        for entry in self.no_proxy:
            if entry == "*":
                return True
            host, port = _split_port(entry.lower())
            host = host.removeprefix("*").removeprefix(".").rstrip(".")
            if port and port != str(origin.port):
                continue
            if origin.host == host or origin.host.endswith("." + host) or ("/" in host and _in_network(origin, host)):
                return True
        return False


def _in_network(origin: Origin, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(origin.host) in ip_network(network, strict=False)
    except ValueError:  # a name, or no network at all
        return False


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
        return host, port.removeprefix(":")
    if entry.count(":") > 1:  # an IPv6 address without brackets
        return entry, ""
    host, _, port = entry.partition(":")
    return host, port


def _parse(url: str) -> Proxy:
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "http", url
    if scheme.lower() != "http":
        raise ConfigError(
            f"the proxy scheme {scheme}:// is not supported, only http:// is; change HTTPS_PROXY, HTTP_PROXY or "
            "ALL_PROXY, or name the host in NO_PROXY"
        )
    credentials, at, address = rest.rpartition("@")
    try:
        origin, _ = split_url("http://" + address)
    except InvalidRequestError as error:
        raise ConfigError(f"the proxy {address!r} is not usable; it should be http://host:port") from error
    return Proxy(origin, _basic(credentials) if at else None)


def _basic(credentials: str) -> bytes:
    from base64 import b64encode
    from urllib.parse import unquote_to_bytes

    user, _, password = credentials.partition(":")
    return b"Basic " + b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password))
