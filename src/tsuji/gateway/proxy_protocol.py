"""The header with which a proxy begins a connection, to say whose it is: PROXY protocol, versions 1 and 2.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, sections 2.1 and 2.2. Read strictly, as the specification
wants it: what is not exactly such a header ends the connection.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import msgspec

from tsuji.core.errors import InvalidRequestError

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_MAX_LINE: Final = 107
"""Of version 1, its CRLF included."""
MAX_HEADER: Final = 4096
"""Of version 2, with its TLVs, which are passed over; certificates of clients are sent there, too."""
_FIXED: Final = 16
_LINE: Final = re.compile(rb"PROXY (TCP4|TCP6) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})")
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [ -~]*)?")
_ADDRESSES: Final = {0x11: 12, 0x21: 36, 0x31: 216}
"""Bytes of both ends' addresses, by family and transport: TCP over IPv4 and IPv6, and Unix sockets."""


class Header(msgspec.Struct, frozen=True):
    """size: in bytes. address: of the client; None: the connection's own peer is the client; "unix": it has none."""

    size: int
    address: str | None


def read(data: bytes) -> Header | None:
    """The header that `data` begins with; None while more is needed to tell.

    Raises InvalidRequestError for what is none.
    """
    begin = data[: len(SIGNATURE)]
    if SIGNATURE.startswith(begin):
        return _binary(data) if len(begin) == len(SIGNATURE) else None
    if data[:6] != b"PROXY "[: len(data)]:
        raise _wrong("it begins with none")
    end = data.find(b"\r\n", 0, _MAX_LINE)
    if end >= 0:
        return Header(end + 2, _text(data[:end]))
    if len(data) >= _MAX_LINE or b"\n" in data:
        raise _wrong("its line does not end")
    return None


def _text(line: bytes) -> str | None:
    if _UNKNOWN.fullmatch(line):
        return None
    found = _LINE.fullmatch(line)
    if found is None or int(found[4]) > 65535 or int(found[5]) > 65535:
        raise _wrong("its line is malformed")
    make = IPv4Address if found[1] == b"TCP4" else IPv6Address
    try:
        make(found[3].decode())
        return str(make(found[2].decode()))
    except AddressValueError:
        raise _wrong("its addresses are none") from None


def _binary(data: bytes) -> Header | None:
    if len(data) < _FIXED:
        return None
    command, family = data[12], data[13]
    size = _FIXED + int.from_bytes(data[14:16])
    if command not in (0x20, 0x21):
        raise _wrong("its version or command is unknown")
    if size > MAX_HEADER:
        raise _wrong(f"it is longer than {MAX_HEADER} bytes")
    is_proxied = command == 0x21 and family != 0
    if is_proxied:
        if family not in _ADDRESSES:
            raise _wrong("its address family is unknown, or not of a stream")
        if size < _FIXED + _ADDRESSES[family]:
            raise _wrong("it is too short for its addresses")
    if len(data) < size:
        return None
    if not is_proxied:
        return Header(size, None)
    if family == 0x31:
        return Header(size, "unix")
    packed = data[16:20] if family == 0x11 else data[16:32]
    return Header(size, str(IPv4Address(packed) if family == 0x11 else IPv6Address(packed)))


def _wrong(why: str) -> InvalidRequestError:
    return InvalidRequestError(f"the connection has no valid PROXY protocol header: {why}")
