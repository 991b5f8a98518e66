"""Whose request it is behind proxies: headers and the PROXY protocol, from those who may say it, and through nginx."""

import contextlib
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.fronts import nginx
from tests.gateway.serving import Client, Serving, config, request
from tsuji.config import Listen, Server
from tsuji.core.errors import ConfigError, InvalidRequestError
from tsuji.gateway.client_address import UNIX, Proxies, plain
from tsuji.gateway.proxy_protocol import MAX_HEADER, SIGNATURE, Header, read

TRUSTED = ("10.0.0.0/8", "192.0.2.1", "fd00::/8", "unix")


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody's proxy is not believed
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # what the client wrote itself stands to the left
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.2.3.4, 192.0.2.1", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1, fd00::1", "2001:db8::1"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "unknown", ""),
        ("10.0.0.1", "198.51.100.1, ", ""),
        ("10.0.0.1", "198.51.100.1 evil", ""),
        ("10.0.0.1", "198.51.100.01", ""),
        ("10.0.0.1", "", ""),
        (UNIX, "198.51.100.1", "198.51.100.1"),
        (UNIX, "unix", ""),
        ("", "198.51.100.1", ""),
    ],
)
def test_x_forwarded_for(peer: str, header: str | None, client: str) -> None:
    headers = {} if header is None else {b"x-forwarded-for": header.encode()}
    assert Proxies(TRUSTED, "x-forwarded-for").client(peer, headers) == client
    headers[b"forwarded"] = b"for=9.9.9.9"  # the other header is the client's own
    assert Proxies(TRUSTED, "x-forwarded-for").client(peer, headers) == client


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ("For=198.51.100.1;proto=https;by=10.0.0.1", "198.51.100.1"),
        ("for=1.1.1.1, for=198.51.100.1;host=x, proto=http;for=10.0.0.2", "198.51.100.1"),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="198.51.100.1:80"', "198.51.100.1"),
        ("for=_hidden", ""),
        ("for=unknown", ""),
        ("proto=https", ""),
    ],
)
def test_forwarded(header: str, client: str) -> None:
    headers = {b"forwarded": header.encode(), b"x-forwarded-for": b"9.9.9.9"}
    assert Proxies(TRUSTED, "forwarded").client("10.0.0.1", headers) == client


@given(st.text(max_size=60))
def test_no_header_is_too_strange(value: str) -> None:
    for header in ("x-forwarded-for", "forwarded"):
        Proxies(TRUSTED, header).client("10.0.0.1", {header.encode(): value.encode()})


def test_a_range_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"server\.trusted_proxies"):
        Proxies(["10.0.0.1/8"], "x-forwarded-for")


def test_ipv4_in_ipv6s_clothes() -> None:
    assert [plain(a) for a in ("::ffff:1.2.3.4", "::1", "1.2.3.4", "fe80::1")] == [
        "1.2.3.4",
        "::1",
        "1.2.3.4",
        "fe80::1",
    ]


# The PROXY protocol's header.


def v2(command: int, family: int, payload: bytes, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return SIGNATURE + struct.pack("!BBH", command, family, size) + payload


IPV4 = socket.inet_aton("198.51.100.1") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 4711, 443)
IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + struct.pack("!HH", 4711, 443)
TLV = b"\x04\x00\x03abc"
HEADERS = {
    b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443\r\n": "198.51.100.1",
    b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n": "2001:db8::1",
    b"PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n": "error",
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n": None,
    b"PROXY UNKNOWN\n": "error",
    b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443\n": "error",
    b"PROXY TCP4 198.51.100.1 10.0.0.1 4711\r\n": "error",
    b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443 1\r\n": "error",
    b"PROXY TCP4  198.51.100.1 10.0.0.1 4711 443\r\n": "error",
    b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443 \r\n": "error",
    b"PROXY TCP4 198.51.100.01 10.0.0.1 4711 443\r\n": "error",
    b"PROXY TCP4 198.51.100.256 10.0.0.1 4711 443\r\n": "error",
    b"PROXY TCP4 198.51.100.1 10.0.0.1 04711 443\r\n": "error",
    b"PROXY TCP4 198.51.100.1 10.0.0.1 65536 443\r\n": "error",
    b"PROXY TCP4 2001:db8::1 ::1 4711 443\r\n": "error",
    b"PROXY TCP6 198.51.100.1 10.0.0.1 4711 443\r\n": "error",
    b"PROXY TCP4 localhost 10.0.0.1 4711 443\r\n": "error",
    b"PROXY UDP4 198.51.100.1 10.0.0.1 4711 443\r\n": "error",
    b"proxy TCP4 198.51.100.1 10.0.0.1 4711 443\r\n": "error",
    b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443" + b" " * 100: "error",
    b"GET / HTTP/1.1\r\n": "error",
    b"\x16\x03\x01": "error",
    v2(0x21, 0x11, IPV4): "198.51.100.1",
    v2(0x21, 0x11, IPV4 + TLV): "198.51.100.1",
    v2(0x21, 0x21, IPV6): "2001:db8::1",
    v2(0x21, 0x31, bytes(216)): UNIX,
    v2(0x20, 0x00, b""): None,
    v2(0x20, 0x11, IPV4): None,
    v2(0x20, 0xFF, b"whatever"): None,
    v2(0x21, 0x00, b""): None,
    v2(0x21, 0x12, IPV4): "error",
    v2(0x21, 0x41, IPV4): "error",
    v2(0x21, 0x10, IPV4): "error",
    v2(0x21, 0x11, IPV4[:-1]): "error",
    v2(0x21, 0x21, IPV4): "error",
    v2(0x11, 0x11, IPV4): "error",
    v2(0x22, 0x11, IPV4): "error",
    v2(0x21, 0x11, IPV4, length=MAX_HEADER): "error",
}


@pytest.mark.parametrize("data", HEADERS, ids=repr)
def test_a_proxy_protocol_header(data: bytes) -> None:
    address = HEADERS[data]
    if address == "error":
        with pytest.raises(InvalidRequestError):
            read(data)
        return
    for after in (b"", b"GET / HTTP/1.1\r\n"):
        assert read(data + after) == Header(len(data), address)
    for end in range(len(data)):
        assert read(data[:end]) is None


@given(
    st.binary(max_size=80)
    | st.binary(max_size=60).map(SIGNATURE.__add__)
    | st.binary(max_size=99).map(b"PROXY ".__add__)
)
def test_no_bytes_are_too_strange(data: bytes) -> None:
    try:
        header = read(data)
    except InvalidRequestError:
        return
    assert header is None or 0 < header.size <= len(data)


# A gateway behind them. Who asks is seen in what the ledger's keys are scoped by.

WHO = b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _asks(gateway: Serving, client: Client, data: bytes = b"", **headers: str) -> str:
    """The address that the gateway takes a request of this connection to be of."""
    found: list[str] = []
    admit = gateway.gateway.admit

    def spy(request: Any, connection: Any) -> Any:
        found.append(connection.address)
        return admit(request, connection)

    gateway.gateway.admit = spy  # type: ignore[method-assign]
    try:
        client.send(data + request("/healthz", b"", headers, "GET"))
        assert client.read().status == 200
    finally:
        gateway.gateway.admit = admit  # type: ignore[method-assign]
    return found[-1]


def _behind(serve: Any, *trusted: str, **more: Any) -> Serving:
    return serve(config({}, server=Server(port=0, keys=["k"], trusted_proxies=trusted, **more)))


def test_headers_are_believed_from_trusted_peers_only(serve: Any) -> None:
    forwarded = {"X-Forwarded-For": "198.51.100.1"}
    trusting, other = _behind(serve, "127.0.0.1"), _behind(serve, "10.0.0.0/8")
    with trusting.client() as client:
        assert _asks(trusting, client, **forwarded) == "198.51.100.1"
        assert _asks(trusting, client) == "127.0.0.1"  # each request says it anew
        assert _asks(trusting, client, **{"X-Forwarded-For": "198.51.100.2"}) == "198.51.100.2"
    with other.client() as client:
        assert _asks(other, client, **forwarded) == "127.0.0.1"


def test_a_trusted_proxy_makes_a_keyless_gateway_ask_for_keys() -> None:
    from tests.gateway.serving import start

    with pytest.raises(ConfigError, match="behind a proxy without keys"):
        start(config({}, server=Server(port=0, trusted_proxies=["127.0.0.1"])))


def test_a_proxy_protocol_header_is_taken_off_wherever_it_is_cut(serve: Any) -> None:
    gateway = _behind(serve, "127.0.0.1", proxy_protocol=True)
    for header, address in (
        (b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443\r\n", "198.51.100.1"),
        (v2(0x21, 0x21, IPV6 + TLV), "2001:db8::1"),
        (v2(0x20, 0, b""), "127.0.0.1"),
    ):
        with gateway.client() as client:
            assert _asks(gateway, client, header) == address
            assert _asks(gateway, client) == address
        for cut in (1, 13, len(header) - 1):
            with gateway.client() as client:
                client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.send(header[:cut])
                assert _asks(gateway, client, header[cut:]) == address


@pytest.mark.parametrize(
    "data", [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"PROXY TCP4 1.2.3.4\r\n", v2(0x2F, 0x11, IPV4), b""]
)
def test_a_connection_without_a_valid_header_is_closed_unanswered(data: bytes, serve: Any) -> None:
    gateway = _behind(serve, "127.0.0.1", proxy_protocol=True)
    with gateway.client() as client:
        client.send(data)
        with contextlib.suppress(OSError):  # the gateway may have closed it already
            client.sock.shutdown(socket.SHUT_WR)
        assert client.rest() == b""


def test_a_header_of_nobodys_proxy_is_not_read(serve: Any) -> None:
    gateway = _behind(serve, "10.0.0.0/8", proxy_protocol=True)
    with gateway.client() as client:
        client.send(b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443\r\n")
        assert client.rest() == b""


def test_a_header_that_does_not_come_is_not_waited_for(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsuji.gateway.listener.HEADER_SECONDS", 0.2)
    gateway = _behind(serve, "127.0.0.1", proxy_protocol=True)
    with gateway.client() as client, gateway.client() as half:
        half.send(b"PROXY TCP4 198.51")
        assert client.rest() == half.rest() == b""


def test_a_second_header_is_no_request(serve: Any) -> None:
    gateway = _behind(serve, "127.0.0.1", proxy_protocol=True)
    with gateway.client() as client:
        client.send(b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443\r\n" * 2)
        assert client.read().status == 400
        assert client.rest() == b""


def test_the_proxy_protocol_before_tls(serve: Any, tmp_path: Path) -> None:
    from tests.gateway.test_listen import _files

    authority = trustme.CA()
    gateway = _behind(serve, "127.0.0.1", proxy_protocol=True, tls=_files(authority, tmp_path))
    import ssl

    context = ssl.create_default_context()
    authority.configure_trust(context)
    sock = socket.create_connection(("127.0.0.1", gateway.port), 20)
    sock.sendall(b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443\r\n")
    with Client(0, sock=context.wrap_socket(sock, server_hostname="localhost")) as client:
        assert _asks(gateway, client) == "198.51.100.1"


def test_nginx_says_it_in_a_header(serve: Any, tmp_path: Path) -> None:
    gateway = _behind(serve, "127.0.0.1")
    with nginx(tmp_path, f"127.0.0.1:{gateway.port}") as port:
        source = socket.create_connection(("127.0.0.1", port), 20, source_address=("127.0.0.5", 0))
        with Client(0, sock=source) as client:
            assert _asks(gateway, client) == "127.0.0.5"
            assert _asks(gateway, client, **{"X-Forwarded-For": "6.6.6.6"}) == "127.0.0.5"


def test_nginx_over_a_unix_socket(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()
    path = tmp_path / "tsuji.sock"
    gateway = _behind(serve, "unix", socket=path)
    with nginx(tmp_path / "nginx", f"unix:{path}") as port, Client(port) as client:
        assert _asks(gateway, client) == "127.0.0.1"


def test_nginx_says_it_in_the_proxy_protocol(serve: Any, tmp_path: Path) -> None:
    gateway = _behind(serve, "127.0.0.1", proxy_protocol=True)
    with nginx(tmp_path, f"127.0.0.1:{gateway.port}", proxy_protocol=True) as port:
        source = socket.create_connection(("127.0.0.1", port), 20, source_address=("127.0.0.6", 0))
        with Client(0, sock=source) as client:
            assert _asks(gateway, client) == "127.0.0.6"
            assert _asks(gateway, client, **{"X-Forwarded-For": "6.6.6.6"}) == "127.0.0.6"


def test_listeners_say_for_themselves_whether_proxies_stand_before_them(serve: Any) -> None:
    more = [Listen(port=0, proxy_protocol=True)]
    gateway = _behind(serve, "127.0.0.1", more=more)
    with gateway.client() as client:
        assert _asks(gateway, client) == "127.0.0.1"
    with Client(int(gateway.gateway._listeners[1].url.rsplit(":", 1)[1])) as client:
        assert _asks(gateway, client, b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443\r\n") == "198.51.100.1"
