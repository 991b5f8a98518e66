"""The AWS event stream: binary messages, each with typed headers, a payload and two checksums
(https://smithy.io/2.0/aws/amazon-eventstream.html#event-stream-specification).

    total length (4) | headers length (4) | CRC-32 of these 8 bytes (4) | headers | payload | CRC-32 of all before (4)

A third framing beside server-sent events and lines. Bounds are botocore's: 128 KiB of headers, 24 MiB of payload.
"""

from binascii import crc32
from collections.abc import Iterator, Mapping
from struct import Struct, error
from typing import Any, Final, NamedTuple

from tsuji.core.errors import UpstreamProtocolError

MAX_HEADERS: Final = 128 * 1024
MAX_PAYLOAD: Final = 24 * 1024 * 1024
_PRELUDE: Final = Struct(">III")
_CRC: Final = Struct(">I")
_LENGTH: Final = Struct(">H")
_LEAST: Final = _PRELUDE.size + _CRC.size
_NUMBERS: Final = {2: Struct(">b"), 3: Struct(">h"), 4: Struct(">i"), 5: Struct(">q"), 8: Struct(">q")}
_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9
_UUID_SIZE: Final = 16


class Message(NamedTuple):
    """headers: strings, numbers, booleans and bytes by name; a timestamp is in milliseconds, a UUID its bytes."""

    headers: dict[str, Any]
    payload: bytes


class Frames:
    """Bytes, split anywhere, to whole messages, not decoded yet."""

    __slots__ = ("_held", "_size", "_wanted")

    def __init__(self) -> None:
        self._held: list[bytes] = []  # a message whose end has not come, in the pieces it came in: joined once
        self._size = 0
        self._wanted = _PRELUDE.size

    def feed(self, data: bytes) -> Iterator[bytes]:
        """To be iterated to its end. Raises UpstreamProtocolError, after the messages before, for a prelude that is
        none: then nothing behind it can be found.
        """
        if self._held:
            self._held.append(data)
            self._size += len(data)
            if self._size < self._wanted:
                return
            data = b"".join(self._held)
            self._held = []
        at, end = 0, len(data)
        while True:
            wanted = _PRELUDE.size if end - at < _PRELUDE.size else _total(data, at)
            if end - at < wanted:
                break
            yield data[at : at + wanted]
            at += wanted
        self._size, self._wanted = end - at, wanted
        if at < end:
            self._held.append(data[at:])


def _total(data: bytes, at: int) -> int:
    """The length of the message that begins at `at`."""
    total, headers, crc = _PRELUDE.unpack_from(data, at)
    if crc32(data[at : at + 8]) != crc:
        raise UpstreamProtocolError("the provider's stream is no AWS event stream, or is damaged: a checksum is wrong")
    if headers > MAX_HEADERS or total - headers - _LEAST > MAX_PAYLOAD:
        raise UpstreamProtocolError("the provider's stream has a message that is longer than its protocol allows")
    if total < headers + _LEAST:
        raise UpstreamProtocolError("the provider's stream has a message that is shorter than its headers")
    return total


def decode_message(frame: bytes) -> Message:
    """A whole message, as Frames gives it. Raises UpstreamProtocolError if it is damaged."""
    end = len(frame) - _CRC.size
    if crc32(frame[:end]) != _CRC.unpack_from(frame, end)[0]:
        raise UpstreamProtocolError("the provider's stream is damaged: the checksum of a message is wrong")
    start = _PRELUDE.size + _PRELUDE.unpack_from(frame)[1]
    try:
        return Message(_headers(frame[_PRELUDE.size : start]), frame[start:end])
    except (error, UnicodeDecodeError, IndexError, KeyError):
        raise UpstreamProtocolError("the provider's stream has a message with malformed headers") from None


def _headers(data: bytes) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    at = 0
    while at < len(data):
        name, at = _take(data, at + 1, data[at])
        kind = data[at]
        value: Any
        if kind in (_BYTES, _STRING):
            value, at = _take(data, at + 3, _LENGTH.unpack_from(data, at + 1)[0])
            value = value.decode() if kind == _STRING else value
        elif kind in (_TRUE, _FALSE):
            value, at = kind == _TRUE, at + 1
        elif kind == _UUID:
            value, at = _take(data, at + 1, _UUID_SIZE)
        else:
            number = _NUMBERS[kind]
            value = number.unpack_from(data, at + 1)[0]
            at += 1 + number.size
        headers[name.decode()] = value
    return headers


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A message whose headers are strings, as those of all events and exceptions are."""
    written = b"".join([_header(name.encode(), value.encode()) for name, value in headers.items()])
    lengths = _PRELUDE.pack(_LEAST + len(written) + len(payload), len(written), 0)[:8]
    head = lengths + _CRC.pack(crc32(lengths)) + written
    return head + payload + _CRC.pack(crc32(payload, crc32(head)))


def _header(name: bytes, value: bytes) -> bytes:
    return b"%c%b%c%b%b" % (len(name), name, _STRING, _LENGTH.pack(len(value)), value)
