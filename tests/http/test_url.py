import pytest

from tsuji.core.errors import InvalidRequestError
from tsuji.http.url import Origin, split_url


@pytest.mark.parametrize(
    ("url", "origin", "path", "host_header"),
    [
        ("https://api.openai.com/v1", Origin("https", "api.openai.com", 443), "/v1", b"api.openai.com"),
        ("http://Example.COM:8080", Origin("http", "example.com", 8080), "", b"example.com:8080"),
        ("HTTP://host:80/a?b=c%20d", Origin("http", "host", 80), "/a?b=c%20d", b"host"),
        ("http://host?x=1", Origin("http", "host", 80), "/?x=1", b"host"),
        ("https://host/", Origin("https", "host", 443), "/", b"host"),
        ("http://[::1]:11434/api", Origin("http", "::1", 11434), "/api", b"[::1]:11434"),
        ("http://[fe80::1%25eth0]/", Origin("http", "fe80::1%eth0", 80), "/", b"[fe80::1]"),
        ("https://bücher.example/x", Origin("https", "xn--bcher-kva.example", 443), "/x", b"xn--bcher-kva.example"),
        ("http+unix://%2Frun%2Fllama.sock/v1", Origin("http+unix", "/run/llama.sock", 0), "/v1", b"localhost"),
    ],
)
def test_a_url_is_split(url: str, origin: Origin, path: str, host_header: bytes) -> None:
    assert split_url(url) == (origin, path)
    assert split_url(url)[0].host_header == host_header


@pytest.mark.parametrize(
    "url",
    [
        "", "api.openai.com", "ftp://host/", "http://", "http:///path", "https://host:port/", "https://host:0/",
        "https://host:65536/", "https://host:-1/", "https://ho st/", "https://host/a b", "https://host/\r\nX: y",
        "https://host\r\n/", "https://host/ü", "https://host/#part", "https://[::1/", "https://[nonsense]/",
        "https://[::1]x/", "http+unix:///v1", "https://host:٣/", "https://" + "a" * 70 + "ü/",
    ],
)  # fmt: skip
def test_nonsense_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="not a usable URL"):
        split_url(url)


def test_a_refusal_shows_neither_password_nor_query() -> None:
    for url in ("https://user:s3cret@host/v1", "ftp://host/v1?key=s3cret"):
        with pytest.raises(InvalidRequestError) as caught:
            split_url(url)
        assert "s3cret" not in str(caught.value)


def test_names_for_people_and_for_connect() -> None:
    assert str(Origin("https", "api.openai.com", 443)) == "https://api.openai.com"
    assert str(Origin("http+unix", "/run/s", 0)) == "http+unix:///run/s"
    assert Origin("https", "::1", 443).authority == "[::1]:443"
