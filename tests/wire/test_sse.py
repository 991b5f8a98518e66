"""Framing of server-sent events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.wire.sse import MAX_EVENT, JsonEvents, SSEOverflow, SSEParser


def events(*chunks: bytes) -> list[tuple[bytes, bytes]]:
    parser = SSEParser()
    out = [event for chunk in chunks for event in parser.feed(chunk)]
    return out + parser.close()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"data:a\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
        (b"event: ping\ndata: {}\n\n", [(b"ping", b"{}")]),
        (b": comment\n\ndata: a\n: another\ndata: b\n\n", [(b"", b"a\nb")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
        (b"id: 7\nretry: 10\ndata: a\n\n", [(b"", b"a")]),
        (b"event: lost\n\ndata: a\n\n", [(b"", b"a")]),
        (b"data:\n\ndata: a\n\n", [(b"", b"a")]),
        (b"data:  two spaces\n\n", [(b"", b" two spaces")]),
        (b"data: no end", [(b"", b"no end")]),
        (b"<html>\n<body>\n</html>\n", []),
    ],
)
def test_events(stream: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert events(stream) == expected
    assert events(*[stream[i : i + 1] for i in range(len(stream))]) == expected


LINES = st.lists(
    st.sampled_from([b"data: x", b"data:y z", b"event: e", b": c", b"", b"", b"data: \xe2\x82\xac", b"junk"]),
    max_size=12,
)


@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(0, 200), max_size=8))
def test_any_split_gives_the_same_events(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    stream = end.join(lines) + end
    at = sorted({c for c in cuts if c < len(stream)})
    pieces = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    assert events(*pieces) == events(stream)


def test_a_carriage_return_ends_an_event_at_once() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: a\r\r") == [(b"", b"a")]
    assert parser.feed(b"\ndata: b\n\n") == [(b"", b"b")]


def test_an_event_without_end_is_stopped() -> None:
    parser = SSEParser()
    piece = b"x" * (1 << 20)
    with pytest.raises(SSEOverflow):
        for _ in range(MAX_EVENT // len(piece) + 2):
            parser.feed(piece)
    parser = SSEParser()
    with pytest.raises(SSEOverflow):
        for _ in range(MAX_EVENT // len(piece) + 2):
            parser.feed(b"data: " + piece + b"\n")


def test_size_is_counted_per_event() -> None:
    parser = SSEParser()
    piece = b"data: " + b"x" * (1 << 20) + b"\n\n"
    assert sum([len(parser.feed(piece)) for _ in range(20)]) == 20


@pytest.mark.parametrize("cut", range(8))
def test_a_byte_order_mark_is_no_part_of_the_first_event(cut: int) -> None:
    stream = b"\xef\xbb\xbfdata: 1\n\ndata: 2\n\n"
    parser = SSEParser()
    assert [*parser.feed(stream[:cut]), *parser.feed(stream[cut:])] == [(b"", b"1"), (b"", b"2")]


def mended(*chunks: bytes) -> list[bytes]:
    parser = JsonEvents()
    out = [data for chunk in chunks for _, data in parser.feed(chunk)]
    return out + [data for _, data in parser.close()]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b'data: {"a": 1}\n\ndata: [DONE]\n\n', [b'{"a": 1}', b"[DONE]"]),
        (b'data: {"a": 1}\n\ndata: keep-alive\n\ndata: {"b": 2}\n\n', [b'{"a": 1}', b'{"b": 2}']),
        (b'data: {"text": "one \n\ndata: two"}\n\ndata: {"b": 2}\n\n', [b'{"text": "one two"}', b'{"b": 2}']),
        # What it carried is not known:
        (b'data: {"text": "one\n\ndata: {"b": 2}\n\n', [b'{"text": "one', b'{"b": 2}']),
        (b'data: {"text": "one\n\ndata: two\n\ndata: {"b": 2}\n\n', [b'{"text": "one', b'{"b": 2}']),
        (b'data: "}]}\n\ndata: {"b": 2}\n\n', [b'"}]}', b'{"b": 2}']),
        (b'data: {not json}\n\ndata: {"b": 2}\n\n', [b"{not json}", b'{"b": 2}']),
        (b'data: {"a": 1}\n\ndata: {"b": 2', [b'{"a": 1}', b'{"b": 2']),
        (b'data: "a string"\n\n', [b'"a string"']),
    ],
)
def test_a_stream_of_json_is_mended_where_nothing_can_have_been_lost(stream: bytes, expected: list[bytes]) -> None:
    assert mended(stream) == expected
    assert mended(*[stream[i : i + 1] for i in range(len(stream))]) == expected
