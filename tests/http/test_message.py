import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core.errors import InvalidRequestError
from tsuji.http.message import content_length, render_head, render_headers
from tsuji.http.url import Origin

ORIGIN = Origin("https", "api.example", 443)


def test_headers_are_rendered_in_order() -> None:
    lines = render_headers([("Authorization", "Bearer k "), (b"X-Name", "辻"), ("X-Empty", "")])
    assert lines == b"Authorization: Bearer k\r\nX-Name: " + "辻".encode() + b"\r\nX-Empty: \r\n"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a\x7fb", "key\n"])
def test_a_control_character_in_a_value_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(InvalidRequestError, match="X-Key") as caught:
        render_headers([("X-Key", value)])
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ä", "Host", "content-length", "Transfer-Encoding"])
def test_names_that_break_the_message_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError):
        render_headers([(name, "x")])


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=30)), max_size=4))
def test_every_pair_is_one_line_or_an_error(pairs: list[tuple[str, str]]) -> None:
    try:
        lines = render_headers(pairs)
    except InvalidRequestError:
        return
    assert lines.count(b"\n") == lines.count(b"\r\n") == lines.count(b"\r") == len(pairs)


def test_a_head_has_all_it_needs() -> None:
    head = render_head(b"POST", b"/v1/chat", ORIGIN, render_headers([("X-A", "1")]), 12)
    assert head == (
        b"POST /v1/chat HTTP/1.1\r\nHost: api.example\r\nAccept-Encoding: gzip, deflate\r\nX-A: 1\r\n"
        b"Content-Length: 12\r\n\r\n"
    )
    assert b"Content-Length" not in render_head(b"GET", b"/", ORIGIN, b"", None)


def test_an_accept_encoding_of_the_caller_wins() -> None:
    head = render_head(b"GET", b"/", ORIGIN, render_headers([("accept-encoding", "identity")]), None)
    assert head.lower().count(b"accept-encoding") == 1
    assert b"identity" in head


def test_an_empty_target_is_the_root() -> None:
    assert render_head(b"GET", b"", ORIGIN, b"", None).startswith(b"GET / HTTP/1.1\r\n")
    assert render_head(b"GET", b"?a=b", ORIGIN, b"", None).startswith(b"GET /?a=b HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        (b"GET", b"/ HTTP/1.1\r\nX: y", b""), (b"GET", b"/a b", b""), (b"GET", b"/\n", b""), (b"GET", b"no-slash", b""),
        (b"GET /", b"/", b""), (b"", b"/", b""), (b"GET", b"/\xc3\xbc", b""),
        (b"GET", b"/", b"X: y"), (b"GET", b"/", b"X: y\r\n\r\nGET /evil HTTP/1.1\r\n"),
    ],
)  # fmt: skip
def test_a_request_line_cannot_be_broken(method: bytes, target: bytes, headers: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        render_head(method, target, ORIGIN, headers, None)


def test_only_methods_without_a_body_send_no_length() -> None:
    assert content_length(b"GET", b"") is None
    assert content_length(b"POST", b"") == 0
    assert content_length(b"DELETE", b"{}") == 2
