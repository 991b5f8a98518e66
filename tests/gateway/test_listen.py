"""Where the gateway listens: several places, Unix sockets, TLS whose certificate changes under it."""

import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import Client, config, request, start
from tsuji.config import Listen, Server, Tls
from tsuji.core.errors import ConfigError
from tsuji.gateway.listener import connection_limit

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _over(path: Path) -> Client:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(path))
    return Client(0, sock=sock)


def test_a_unix_socket(serve: Any, scripted: Any, tmp_path: Path) -> None:
    path = tmp_path / "tsuji.sock"
    provider = scripted(answers.chat("openai", "over a file"))
    gateway = serve(config({"up": ("openai", provider.url)}, server=Server(socket=path, mode=0o660)))
    assert gateway.url == "http+unix://" + quote(str(path), safe="")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with _over(path) as client:
        for _ in range(2):
            client.send(request(*asking.chat("openai")))
            assert asking.text("openai", client.read()) == "over a file"
    gateway.stop()
    assert not path.exists()


def test_a_unix_socket_that_a_dead_gateway_left_is_taken_over_and_a_live_ones_is_not(tmp_path: Path) -> None:
    path = tmp_path / "tsuji.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    gateway = start(config({}, server=Server(socket=path)))
    with pytest.raises(ConfigError, match="somebody listens there") as caught:
        start(config({}, server=Server(socket=path)))
    assert caught.value.param == "server.socket"
    with _over(path) as client:
        client.send(GET)
        assert client.read().status == 200
    gateway.stop()


def test_a_file_in_place_of_a_unix_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    (tmp_path / "link").symlink_to(path)
    for name in ("precious", "link"):
        with pytest.raises(ConfigError, match="no socket"):
            start(config({}, server=Server(socket=tmp_path / name)))
    assert path.read_text() == "data"


def test_several_places(serve: Any, tmp_path: Path, authority: trustme.CA) -> None:
    path = tmp_path / "tsuji.sock"
    more = [Listen(socket=path), Listen(port=0, tls=_files(authority, tmp_path)), Listen(port=0)]
    gateway = serve(config({}, server=Server(port=0, more=more)))
    urls = [listener.url for listener in gateway.gateway._listeners]
    assert [url.partition(":")[0] for url in urls] == ["http", "http+unix", "https", "http"]
    for port in (gateway.port, int(urls[3].rsplit(":", 1)[1])):
        with Client(port) as client:
            client.send(GET)
            assert client.read().status == 200
    with _over(path) as client:
        client.send(GET)
        assert client.read().status == 200
    with _secure(int(urls[2].rsplit(":", 1)[1]), authority) as client:
        client.send(GET)
        assert client.read().status == 200


def test_one_place_that_cannot_be_leaves_none_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as probe:
            free = probe.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            start(config({}, server=Server(port=free, more=[Listen(port=port)])))
    socket.create_server(("127.0.0.1", free)).close()


# TLS.


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def _files(authority: trustme.CA, folder: Path, *names: str, **more: Any) -> Tls:
    certificate = authority.issue_cert(*(names or ("localhost",)))
    _write(folder / "cert.pem", b"".join([pem.bytes() for pem in certificate.cert_chain_pems]))
    _write(folder / "key.pem", certificate.private_key_pem.bytes())
    return Tls(folder / "cert.pem", folder / "key.pem", **more)


def _write(path: Path, data: bytes) -> None:
    """Another file under the name, as renewing programs do it."""
    path.with_suffix(".new").write_bytes(data)
    path.with_suffix(".new").rename(path)


def _secure(
    port: int, authority: trustme.CA, name: str = "localhost", prepare: Callable[..., None] | None = None
) -> Client:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if prepare is not None:
        prepare(context)
    sock = socket.create_connection(("127.0.0.1", port), 20)
    try:
        return Client(0, sock=context.wrap_socket(sock, server_hostname=name))
    except BaseException:
        sock.close()
        raise


def test_tls(serve: Any, scripted: Any, tmp_path: Path, authority: trustme.CA) -> None:
    provider = scripted(
        lambda r: answers.stream("openai", "safe") if r.json().get("stream") else answers.chat("openai", "safe")
    )
    server = Server(port=0, tls=_files(authority, tmp_path))
    gateway = serve(config({"up": ("openai", provider.url)}, server=server))
    assert gateway.url.startswith("https://127.0.0.1:")
    with _secure(gateway.port, authority) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        assert client.sock.version() == "TLSv1.3"
        for _ in range(2):
            client.send(request(*asking.chat("openai")))
            assert asking.text("openai", client.read()) == "safe"
        client.send(request(*asking.chat("openai", stream=True)))
        answer = client.read()
        assert (asking.streamed("openai", answer), answer.whole) == ("safe", True)
        client.send(request(*asking.chat("openai", user="x" * 3_000_000)))
        assert asking.text("openai", client.read()) == "safe"
        client.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
        assert client.read().status == 200
        assert client.rest() == b""


def test_openssl_s_client(serve: Any, tmp_path: Path, authority: trustme.CA) -> None:
    """An independent TLS: what is spoken, what is not, and that it does not renegotiate."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    gateway = serve(config({}, server=Server(port=0, tls=_files(authority, tmp_path))))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    base = ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-CAfile", str(tmp_path / "ca.pem")]
    base += ["-verify_return_error", "-verify_hostname", "localhost", "-alpn", "h2,http/1.1"]

    def run(*options: str, send: bytes = b"") -> str:
        done = subprocess.run([*base, *options], input=send, capture_output=True, timeout=30)
        return (done.stdout + done.stderr).decode(errors="replace")

    get = GET.replace(b"Host", b"Connection: close\r\nHost")
    for version in ("TLSv1.2", "TLSv1.3"):
        said = run("-" + version.lower().replace(".", "_").replace("v", ""), "-ign_eof", send=get)
        assert "Verify return code: 0 (ok)" in said
        assert "ALPN protocol: http/1.1" in said
        assert re.search(r"Protocol *: TLSv1\.[23]|New, TLSv1\.[23]", said)
        assert '{"status":"ok"}' in said
    for old in ("-tls1", "-tls1_1"):
        assert "Cipher is (NONE)" in run(old, "-cipher", "ALL:@SECLEVEL=0")
    assert '{"status":"ok"}' not in run("-tls1_2", send=b"R\n" + get)


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(
    serve: Any, tmp_path: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = serve(config({}, server=Server(port=0, tls=_files(authority, tmp_path))))

    def served() -> bytes:
        with _secure(
            gateway.port, authority, prepare=lambda context: setattr(context, "check_hostname", False)
        ) as client:
            client.send(GET)
            assert client.read().status == 200
            return client.sock.getpeercert(binary_form=True)  # type: ignore[attr-defined]

    first = served()
    with _secure(gateway.port, authority) as old:
        old.send(GET)
        assert old.read().status == 200
        _files(authority, tmp_path, "localhost")
        _until(lambda: served() != first)
        second = served()
        old.send(GET)  # what was open stays open
        assert old.read().status == 200
    caplog.clear()
    for broken in (b"nonsense", (tmp_path / "key.pem").read_bytes(), b""):
        _write(tmp_path / "cert.pem", broken)
        _until(lambda: "the one before stays" in caplog.text)
        caplog.clear()
        assert served() == second
    (tmp_path / "key.pem").unlink()
    _until(lambda: "the one before stays" in caplog.text)
    assert served() == second
    _files(authority, tmp_path, "localhost")
    _until(lambda: served() != second)


def test_clients_with_certificates(serve: Any, tmp_path: Path, authority: trustme.CA) -> None:
    clients = trustme.CA()
    clients.cert_pem.write_to_path(tmp_path / "clients.pem")
    tls = _files(authority, tmp_path, client_ca=tmp_path / "clients.pem")
    gateway = serve(config({}, server=Server(port=0, tls=tls)))
    with _secure(gateway.port, authority, prepare=clients.issue_cert("somebody@example").configure_cert) as client:
        client.send(GET)
        assert client.read().status == 200
    for prepare in (None, trustme.CA().issue_cert("somebody@example").configure_cert):
        with (
            pytest.raises((ssl.SSLError, OSError, EOFError)),
            _secure(gateway.port, authority, prepare=prepare) as client,
        ):
            client.send(GET)
            client.read()


@pytest.mark.parametrize("names", [("cert.pem", "cert.pem"), ("key.pem", "key.pem"), ("none.pem", "key.pem")])
def test_files_that_make_no_certificate_are_said_at_the_start(
    names: tuple[str, str], tmp_path: Path, authority: trustme.CA
) -> None:
    _files(authority, tmp_path)
    with pytest.raises(ConfigError, match="no certificate can be had") as caught:
        start(config({}, server=Server(port=0, tls=Tls(tmp_path / names[0], tmp_path / names[1]))))
    assert caught.value.param == "server.tls"


def test_a_key_with_a_password_asks_nobody(tmp_path: Path, authority: trustme.CA) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    _files(authority, tmp_path)
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-in", tmp_path / "key.pem", "-aes256", "-passout", "pass:x", "-out", locked]
    subprocess.run(command, check=True)
    with pytest.raises(ConfigError, match="without"):
        start(config({}, server=Server(port=0, tls=Tls(tmp_path / "cert.pem", locked))))


def test_what_is_no_tls_is_closed_and_others_are_served(serve: Any, tmp_path: Path, authority: trustme.CA) -> None:
    gateway = serve(config({}, server=Server(port=0, tls=_files(authority, tmp_path))))
    silent = [Client(gateway.port) for _ in range(20)]
    for data in (GET, b"\x16\x03\x01\xff\xff" + os.urandom(200), b"\0" * 1000):
        with Client(gateway.port) as client:
            client.send(data)
            assert b"HTTP" not in client.rest()
    with _secure(gateway.port, authority) as client:
        client.send(GET)
        assert client.read().status == 200
        # who leaves in the middle of an answer, and who says nothing more
        client.send(GET)
    for client in silent:
        client.sock.close()


def test_a_gateway_that_stops_leaves_no_handshake_behind(tmp_path: Path, authority: trustme.CA) -> None:
    gateway = start(config({}, server=Server(port=0, tls=_files(authority, tmp_path))))
    with Client(gateway.port) as silent:
        gateway.stop()
        assert silent.rest() == b""


# Limits on connections.


def test_more_connections_than_there_may_be_are_told_so(serve: Any) -> None:
    gateway = serve(config({}, server=Server(port=0, max_connections=3)))
    kept = [Client(gateway.port) for _ in range(3)]
    for client in kept:
        client.send(GET)
        assert client.read().status == 200
    with Client(gateway.port) as extra:
        assert extra.rest().startswith(b"HTTP/1.1 503 ")
    for client in kept:
        client.send(GET)
        assert client.read().status == 200
    kept.pop().sock.close()
    _until(lambda: len(gateway.gateway.connections) == 2)
    with Client(gateway.port) as another:
        another.send(GET)
        assert another.read().status == 200
    for client in kept:
        client.sock.close()


def test_one_address_may_not_take_all_connections(serve: Any) -> None:
    gateway = serve(config({}, server=Server(port=0, max_connections_per_address=2)))

    def of(address: str) -> Client:
        return Client(0, sock=socket.create_connection(("127.0.0.1", gateway.port), 20, source_address=(address, 0)))

    with of("127.0.0.2") as first, of("127.0.0.2") as second:
        for client in (first, second):
            client.send(GET)
            assert client.read().status == 200
        with of("127.0.0.2") as third:
            assert third.rest().startswith(b"HTTP/1.1 503 ")
        with of("127.0.0.3") as other:
            other.send(GET)
            assert other.read().status == 200
    _until(lambda: not gateway.gateway.connections)
    assert not gateway.gateway._per_address


def test_the_limit_leaves_files_for_other_things() -> None:
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 8 <= connection_limit(None) <= max(soft - 64, 8)
    assert connection_limit(5) == 5
    assert connection_limit(10**9) == connection_limit(None)
