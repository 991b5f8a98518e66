import gzip
import itertools
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.errors import StreamInterruptedError, TsujiError, UpstreamConnectionError, UpstreamProtocolError
from tsuji.http.message import ResponseHead
from tsuji.http.parser import MAX_HEAD, ResponseParser

TEXT = b"one two three " * 50
HEAD = b"HTTP/1.1 200 OK\r\n"


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX-Trailer: t\r\n\r\n"


RAW_DEFLATE = zlib.compressobj(wbits=-15)
# name: what arrives, the body in it, whether the connection may be kept
RESPONSES: dict[str, tuple[bytes, bytes, bool]] = {
    "length": (HEAD + b"Content-Length: 700\r\n\r\n" + TEXT, TEXT, True),
    "chunked": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(TEXT[:5], TEXT[5:]), TEXT, True),
    "until close": (b"HTTP/1.0 200 OK\r\n\r\n" + TEXT, TEXT, False),
    "closing": (HEAD + b"Connection: close\r\nContent-Length: 700\r\n\r\n" + TEXT, TEXT, False),
    "early hints": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD
                    + b"Content-Length: 2\r\n\r\nok", b"ok", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\n\r\n", b"", True),
    "offers an upgrade": (HEAD + b"Upgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive\r\nContent-Length: 2\r\n\r\nok",
                          b"ok", True),
    "gzip": (HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
             + chunked(gzip.compress(TEXT)[:9], gzip.compress(TEXT)[9:]), TEXT, True),
    "gzip in members": (HEAD + b"Content-Encoding: x-gzip\r\n\r\n" + gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
                        TEXT, False),
    "deflate": (HEAD + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(TEXT), TEXT, False),
    "raw deflate": (HEAD + b"Content-Encoding: deflate\r\n\r\n" + RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush(),
                    TEXT, False),
    "identity": (HEAD + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", b"ok", True),
}  # fmt: skip


def parse(pieces: list[bytes], *, decode: bool = True, bodyless: bool = False) -> tuple[ResponseParser, bytes]:
    """Feed pieces and then, if the response is not complete by then, the end of the connection."""
    parser = ResponseParser("peer", decode=decode)
    body: list[bytes] = []
    parser.begin(body.append, bodyless=bodyless)
    for piece in pieces:
        parser.feed(piece)
    if not parser.complete:
        parser.feed_eof()
    return parser, b"".join(body)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@given(st.sampled_from(sorted(RESPONSES)), st.lists(st.integers(0, 2000), max_size=30))
def test_a_response_is_the_same_however_it_is_split(name: str, cuts: list[int]) -> None:
    data, body, kept = RESPONSES[name]
    parser, got = parse(split(data, cuts))
    assert got == body
    assert parser.head is not None
    assert parser.head.headers == parse([data])[0].head.headers  # pyright: ignore[reportOptionalMemberAccess]
    assert parser.keep_alive is kept


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_byte_by_byte(name: str) -> None:
    data, body, kept = RESPONSES[name]
    parser, got = parse([bytes([byte]) for byte in data])
    assert (got, parser.keep_alive) == (body, kept)


@given(st.sampled_from(sorted(RESPONSES)), st.integers(0, 2000))
def test_a_cut_response_is_an_error_that_says_where(name: str, at: int) -> None:
    data, body, _ = RESPONSES[name]
    at %= len(data)
    seen = ResponseParser("peer")
    seen.begin(lambda _: None)
    try:
        seen.feed(data[:at])
        _, got = parse([data[:at]])
    except UpstreamConnectionError:
        assert seen.head is None
    except StreamInterruptedError:
        assert seen.head is not None
    else:
        assert got == body or name in ("until close", "gzip in members")  # nothing in these says how long they are


@given(st.binary(max_size=300), st.sampled_from([b"", HEAD, HEAD + b"Content-Encoding: gzip\r\n\r\n"]))
def test_garbage_raises_nothing_but_our_errors(garbage: bytes, before: bytes) -> None:
    try:
        parser, _ = parse([before + garbage])
    except TsujiError:
        return
    assert parser.head is not None


def test_a_connection_carries_many_responses() -> None:
    parser = ResponseParser("peer")
    for name in sorted(RESPONSES):
        data, body, kept = RESPONSES[name]
        if kept:
            pieces: list[bytes] = []
            heads: list[ResponseHead] = []
            parser.begin(pieces.append, heads.append)
            parser.feed(data)
            assert parser.complete
            assert parser.keep_alive
            assert b"".join(pieces) == body
            assert len(heads) == 1


def test_names_are_lower_case_and_values_trimmed() -> None:
    parser, _ = parse([HEAD + b"X-Request-ID:  a b \t\r\nSet-Cookie: 1\r\nSet-Cookie: 2\r\nContent-Length: 0\r\n\r\n"])
    head = parser.head
    assert head is not None
    assert head.headers[:3] == [(b"x-request-id", b"a b"), (b"set-cookie", b"1"), (b"set-cookie", b"2")]
    assert head.get(b"set-cookie") == b"1"
    assert head.get(b"absent") is None


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: y"])
def test_head_has_no_body(framing: bytes) -> None:
    parser, body = parse([HEAD + framing + b"\r\n\r\n"], bodyless=True)
    assert parser.complete
    assert body == b""
    assert parser.keep_alive is framing.startswith(b"Content-Length")
    if parser.keep_alive:
        parser.begin(lambda _: None)
        parser.feed(HEAD + b"Content-Length: 0\r\n\r\n")
        assert parser.complete


@pytest.mark.parametrize("excess", [b"HTTP/1.1 200 OK\r\n", b"x", HEAD + b"Content-Length: 0\r\n\r\n"])
def test_bytes_that_nobody_asked_for_end_the_connection_but_not_the_response(excess: bytes) -> None:
    parser, body = parse([HEAD + b"Content-Length: 2\r\n\r\nok" + excess])
    assert body == b"ok"
    assert not parser.keep_alive


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Content-Encoding: br\r\n\r\n", HEAD + b"Content-Encoding: gzip, gzip\r\n\r\n",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        HEAD + b"Content-Encoding: deflate\r\nContent-Length: 4\r\n\r\nnope",
        HEAD + b"A: b\r\n" * 129 + b"\r\n",
    ],
)  # fmt: skip
def test_what_the_protocol_does_not_allow(data: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="peer sent"):
        parse([data])


@pytest.mark.parametrize(
    ("start", "filler"),
    [
        (HEAD + b"X: ", b"a" * 1000),
        (HEAD, b"X" * 1000),
        (b"HTTP/1.1 200 ", b"a" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 1000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a" * 1000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 200),
    ],
)
def test_headers_without_end_are_refused(start: bytes, filler: bytes) -> None:
    parser = ResponseParser("peer")
    parser.begin(lambda _: None)
    parser.feed(start)
    with pytest.raises(UpstreamProtocolError, match="more than"):
        for _ in range(2 * MAX_HEAD // len(filler)):
            parser.feed(filler)


def test_a_head_too_long_is_refused_even_in_one_piece() -> None:
    with pytest.raises(UpstreamProtocolError, match="bytes of headers"):
        parse([HEAD + b"X: " + b"a" * MAX_HEAD + b"\r\nContent-Length: 0\r\n\r\n"])


def test_a_small_head_before_a_large_body_is_fine() -> None:
    _, body = parse([HEAD + b"Content-Length: 200000\r\n\r\n" + b"a" * 200_000])
    assert len(body) == 200_000


def test_without_decoding_bodies_pass_as_they_are() -> None:
    data = gzip.compress(TEXT)
    for coding in (b"gzip", b"br"):
        _, body = parse([HEAD + b"Content-Encoding: " + coding + b"\r\n\r\n" + data], decode=False)
        assert body == data


def test_a_bomb_is_refused() -> None:
    bomb = gzip.compress(bytes(40 * 1024 * 1024))
    sizes: list[int] = []
    parser = ResponseParser("peer")
    parser.begin(lambda piece: sizes.append(len(piece)))
    with pytest.raises(UpstreamProtocolError, match="grows more than"):
        parser.feed(HEAD + b"Content-Encoding: gzip\r\n\r\n" + bomb)
    assert max(sizes) <= 256 * 1024
    assert sum(sizes) <= 16 * 1024 * 1024 + 256 * 1024


@pytest.mark.parametrize("size", [256 * 1024 + extra for extra in (-1, 0, 1, 100, 300)] + [1024 * 1024])
def test_output_that_fills_a_piece_is_not_held_back(size: int) -> None:
    text = b"ab" * (size // 2)
    for level in (1, 6, 9):
        raw = zlib.compressobj(level, wbits=-15)
        for coding, data in ((b"gzip", gzip.compress(text, level)), (b"deflate", raw.compress(text) + raw.flush())):
            for pieces in ([data], [data[:-9], data[-9:]], [data[:-30], data[-30:]]):
                _, body = parse([HEAD + b"Content-Encoding: " + coding + b"\r\n\r\n", *pieces])
                assert body == text


def test_padding_after_a_gzip_body_is_ignored() -> None:
    _, body = parse([HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(TEXT) + bytes(20)])
    assert body == TEXT


def test_what_a_callback_raises_comes_out() -> None:
    def fail(_: Any) -> None:
        raise ZeroDivisionError

    for callbacks in ((fail, None), (lambda _: None, fail)):
        parser = ResponseParser("peer")
        parser.begin(*callbacks)
        with pytest.raises(ZeroDivisionError):
            parser.feed(HEAD + b"Content-Length: 2\r\n\r\nok")


def test_a_muted_parser_calls_nobody() -> None:
    parser = ResponseParser("peer")
    got: list[bytes] = []

    def take(piece: bytes) -> None:
        got.append(piece)
        parser.mute()

    parser.begin(take)
    parser.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"a", b"b"))
    assert got == [b"a"]
    parser.discard()
    parser.feed(b"anything")
