"""The AWS event stream against botocore's reading of it, and against what no server should send."""

import struct
import zlib
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.errors import UpstreamProtocolError
from tsuji.wire.eventstream import MAX_HEADERS, MAX_PAYLOAD, Frames, Message, decode_message, encode_message

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text("abcdefghij-:", min_size=1, max_size=20)
MESSAGES = st.lists(st.tuples(st.dictionaries(NAMES, TEXT, max_size=4), st.binary(max_size=60)), max_size=5)
CUTS = st.lists(st.integers(0, 2000), max_size=8)


def read(data: bytes, cuts: list[int]) -> list[Message]:
    frames, at, out = Frames(), 0, []
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        out += [decode_message(frame) for frame in frames.feed(data[at:cut])]
        at = cut
    return out


@given(messages=MESSAGES, cuts=CUTS)
def test_what_is_written_is_read_by_botocore_and_by_us(messages: list[Any], cuts: list[int]) -> None:
    data = b"".join([encode_message(headers, payload) for headers, payload in messages])
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    assert [(dict(m.headers), m.payload) for m in buffer] == messages
    assert read(data, cuts) == [Message(headers, payload) for headers, payload in messages]


def raw(headers: bytes, payload: bytes = b"", headers_size: int | None = None, total: int | None = None) -> bytes:
    size = len(headers) if headers_size is None else headers_size
    message = struct.pack(">II", 16 + len(headers) + len(payload) if total is None else total, size)
    message += struct.pack(">I", zlib.crc32(message)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


TYPED: list[tuple[bytes, Any]] = [
    (b"\x00", True),
    (b"\x01", False),
    (b"\x02\xff", -1),
    (b"\x03\x7f\xff", 32767),
    (b"\x04\xff\xff\xff\xfe", -2),
    (b"\x05" + struct.pack(">q", 1 << 40), 1 << 40),
    (b"\x06\x00\x02ab", b"ab"),
    (b"\x07\x00\x02\xc3\xa9", "é"),
    (b"\x08" + struct.pack(">q", 1700000000000), 1700000000000),
    (b"\x09" + bytes(range(16)), bytes(range(16))),
]


@pytest.mark.parametrize(("value", "expected"), TYPED, ids=lambda v: repr(v))
def test_headers_of_every_type(value: bytes, expected: Any) -> None:
    data = raw(b"\x01n" + value + b"\x01m\x07\x00\x01z", b"payload")
    assert decode_message(data) == Message({"n": expected, "m": "z"}, b"payload")
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    assert next(iter(buffer)).headers["n"] == expected


@given(data=st.binary(max_size=200), cuts=CUTS)
def test_whatever_comes_raises_nothing_but_our_error(data: bytes, cuts: list[int]) -> None:
    try:
        read(data, cuts)
    except UpstreamProtocolError as error:
        assert error.message


@given(headers=st.binary(max_size=40))
def test_whatever_headers_raise_nothing_but_our_error(headers: bytes) -> None:
    try:
        assert isinstance(decode_message(raw(headers)).headers, dict)
    except UpstreamProtocolError as error:
        assert "headers" in error.message


@given(at=st.integers(0), bit=st.integers(0, 7))
def test_a_bit_that_fell_over_is_noticed(at: int, bit: int) -> None:
    data = bytearray(encode_message({":event-type": "messageStop"}, b'{"stopReason":"end_turn"}'))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(UpstreamProtocolError):
        read(bytes(data), [])


def test_messages_before_a_damaged_one_are_given() -> None:
    good = encode_message({"a": "b"}, b"1")
    seen = []
    with pytest.raises(UpstreamProtocolError):
        for frame in Frames().feed(good + b"\x00" * 12):
            seen.append(frame)
    assert seen == [good]


@pytest.mark.parametrize(
    "prelude",
    [
        (16 + MAX_HEADERS + 1, MAX_HEADERS + 1),
        (16 + MAX_PAYLOAD + 1, 0),
        (0xFFFFFFFF, 0),
        (15, 0),
        (20, 5),
    ],
)
def test_a_length_that_cannot_be_is_no_reason_to_wait_for_it(prelude: tuple[int, int]) -> None:
    head = struct.pack(">II", *prelude)
    with pytest.raises(UpstreamProtocolError):
        list(Frames().feed(head + struct.pack(">I", zlib.crc32(head))))
