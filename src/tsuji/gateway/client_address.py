"""Whose request it is, where proxies stand between: only those that the configuration names are believed."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from tsuji.core.errors import ConfigError, InvalidRequestError
from tsuji.ledger.grant import network

UNIX = "unix"
"""In place of the address of who connects to a Unix socket."""


class Proxies:
    """Those that are trusted, and the header in which they say whom they ask for.

    One header, not whichever there is: a proxy that writes one of them passes a client's own on in the other.
    """

    __slots__ = ("_forwarded", "_header", "_networks", "_unix")

    def __init__(self, trusted: Sequence[str], header: str) -> None:
        """Raises ConfigError for what is no address or range."""
        try:
            self._networks = [network(text) for text in trusted if text != UNIX]
        except InvalidRequestError as error:
            raise ConfigError(f"server.trusted_proxies: {error.message}", param="server.trusted_proxies") from None
        self._unix = UNIX in trusted
        self._header = header.encode()
        self._forwarded = header == "forwarded"

    def trust(self, address: str) -> bool:
        if address == UNIX:
            return self._unix
        found = _ip(address)
        return found is not None and any(found in network for network in self._networks)

    def client(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """The client's address: the last one in the chain that is no trusted proxy's.

        peer: of the connection. "" where a trusted proxy says something else than an address: nobody knows then.
        """
        address = peer
        value = headers.get(self._header)
        hops = value.decode("latin-1").split(",") if value is not None else []
        while hops and self.trust(address):
            hop = hops.pop()
            found = _ip(_for(hop) if self._forwarded else _host(hop.strip()))
            if found is None:
                return ""
            address = str(found)
        return address


def plain(address: str) -> str:
    """As IPv4 where it is that in IPv6's clothes, as a socket for both sees it."""
    return address.removeprefix("::ffff:") if "." in address else address


def _for(element: str) -> str:
    """The node that an element of Forwarded is for: https://www.rfc-editor.org/rfc/rfc7239#section-4"""
    for pair in element.split(";"):
        name, _, value = pair.strip().partition("=")
        if name.lower() == "for":
            return _host(value.strip('"'))
    return ""


def _host(node: str) -> str:
    """Without a port."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    host, colon, port = node.partition(":")
    return host if colon and port.isdigit() else node


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return found if mapped is None else mapped
