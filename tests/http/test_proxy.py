import select
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.http.conftest import OK, PATIENCE, Driver, Peer, Server, answering
from tsuji.core.errors import ConfigError, UpstreamConnectionError
from tsuji.http.proxy import Proxies
from tsuji.http.tls import TlsConfig
from tsuji.http.url import Origin

HTTP = Origin("http", "api.example.com", 80)
HTTPS = Origin("https", "api.example.com", 443)


def chosen(proxies: Proxies, origin: Origin) -> str | None:
    proxy = proxies.choose(origin)
    return proxy and f"{proxy.origin.host}:{proxy.origin.port}"


def test_the_environment_names_proxies() -> None:
    proxies = Proxies.from_environment(
        {"HTTPS_PROXY": "http://one:3128", "all_proxy": "two:8080", "NO_PROXY": "a, b c"}
    )
    assert chosen(proxies, HTTPS) == "one:3128"
    assert chosen(proxies, HTTP) == "two:8080"
    assert proxies.no_proxy == ("a", "b", "c")
    assert Proxies.from_environment({}) == Proxies()


def test_lower_case_wins_and_cgi_is_not_fooled() -> None:
    assert chosen(Proxies.from_environment({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}), HTTPS) == "a:1"
    assert chosen(Proxies.from_environment({"HTTP_PROXY": "http://a:1"}), HTTP) == "a:1"
    assert chosen(Proxies.from_environment({"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}), HTTP) is None


@pytest.mark.parametrize(
    ("entry", "excepted"),
    [
        ("*", True), ("api.example.com", True), ("example.com", True), (".example.com", True), ("*.example.com", True),
        ("EXAMPLE.com", True), ("example.com:443", True), ("example.com:80", False), ("ample.com", False),
        ("com.", True), ("other.org", False), ("", False), (":443", False), (".", False),
    ],
)  # fmt: skip
def test_no_proxy(entry: str, excepted: bool) -> None:
    proxies = Proxies(https="http://p:1", no_proxy=(entry,))
    assert (proxies.choose(HTTPS) is None) is excepted


@pytest.mark.parametrize(
    ("host", "excepted"), [("10.1.2.3", True), ("11.1.2.3", False), ("fd00::1", True), ("ten.example", False)]
)
def test_no_proxy_for_a_network(host: str, excepted: bool) -> None:
    proxies = Proxies(http="http://p:1", no_proxy=("nonsense/8", "10.0.0.0/8", "fd00::/8"))
    assert (proxies.choose(Origin("http", host, 80)) is None) is excepted


@pytest.mark.parametrize("entry", ["::1", "[::1]", "[::1]:11434"])
def test_no_proxy_for_an_ipv6_address(entry: str) -> None:
    assert Proxies(https="http://p:1", no_proxy=(entry,)).choose(Origin("https", "::1", 11434)) is None


def test_loopback_and_sockets() -> None:
    proxies = Proxies(http="http://p:1", https="http://p:1")
    for host in ("127.0.0.1", "127.8.8.8", "localhost", "::1"):
        assert proxies.choose(Origin("http", host, 8080)) is None
    assert chosen(proxies, Origin("https", "127.0.0.1", 8443)) == "p:1"
    assert chosen(proxies, Origin("http", "127.example.com", 80)) == "p:1"
    assert chosen(proxies, Origin("http+unix", "/run/s", 0)) is None


@pytest.mark.parametrize("url", ["socks5://host:1080", "https://host:443", "http://:3128", "http://host:nope"])
def test_a_proxy_that_cannot_be_used_is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match="proxy"):
        Proxies(https=url).choose(HTTPS)


def test_credentials_stay_out_of_messages() -> None:
    with pytest.raises(ConfigError) as caught:
        Proxies(https="http://user:s3cret@:1").choose(HTTPS)
    assert "s3cret" not in str(caught.value)


def tunnel(requests: list[bytes]) -> Callable[[Peer], None]:
    """A CONNECT proxy; what it is asked goes into `requests`."""

    def handle(peer: Peer) -> None:
        request = peer.request()
        requests.append(request)
        host, _, port = request.split(b" ")[1].decode().rpartition(":")
        with socket.create_connection((host, int(port)), PATIENCE) as upstream:
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ends = {peer.socket: upstream, upstream: peer.socket}
            while True:
                for ready in select.select(list(ends), [], [], PATIENCE)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    ends[ready].sendall(data)

    return handle


def test_https_goes_through_a_tunnel(
    make_driver: Callable[..., Driver], serve: Callable[..., Server], server_tls: ssl.SSLContext, ca_file: str
) -> None:
    requests: list[bytes] = []
    server, proxy = serve(answering(OK, OK), server_tls), serve(tunnel(requests))
    url = f"http://us%40er:p%3Ass@127.0.0.1:{proxy.port}"
    driver = make_driver(proxies=Proxies(https=url), tls=TlsConfig(ca_file=ca_file))
    assert driver.fetch(server.origin).body == b"ok"
    assert driver.fetch(server.origin).body == b"ok"
    authority = f"localhost:{server.port}"
    assert requests == [
        f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
        "Proxy-Authorization: Basic dXNAZXI6cDpzcw==\r\n\r\n".encode()
    ]


def test_http_is_asked_of_the_proxy_in_absolute_form(
    make_driver: Callable[..., Driver], serve: Callable[..., Server]
) -> None:
    requests: list[bytes] = []

    def handle(peer: Peer) -> None:
        requests.append(peer.request())
        peer.send(OK)
        peer.sees_close()

    proxy = serve(handle)
    driver = make_driver(proxies=Proxies(http=f"http://u:p@127.0.0.1:{proxy.port}"))
    assert driver.fetch(HTTP, b"/v1?x=1").body == b"ok"
    head = requests[0].split(b"\r\n")
    assert head[:2] == [b"POST http://api.example.com/v1?x=1 HTTP/1.1", b"Host: api.example.com"]
    assert b"Proxy-Authorization: Basic dTpw" in head


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "user and a password"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope", "answered 403"),
        (b"", "closed the connection"),
    ],
)
def test_a_proxy_that_opens_no_tunnel(
    make_driver: Callable[..., Driver], serve: Callable[..., Server], answer: bytes, words: str
) -> None:
    proxy = serve(lambda peer: (peer.request(), peer.send(answer)))
    driver = make_driver(proxies=Proxies(https=f"http://127.0.0.1:{proxy.port}"))
    with pytest.raises(UpstreamConnectionError, match=words):
        driver.fetch(HTTPS)


def test_an_absent_proxy_is_the_installations_fault(make_driver: Callable[..., Driver]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    driver = make_driver(proxies=Proxies(https=f"http://127.0.0.1:{port}"))
    with pytest.raises(UpstreamConnectionError, match=r"the proxy http://127\.0\.0\.1.* refused") as caught:
        driver.fetch(HTTPS)
    assert caught.value.fault == "gateway"
