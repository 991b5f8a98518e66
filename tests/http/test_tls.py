import datetime
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.http.conftest import OK, Driver, Server, answering, server_context
from tsuji.core.errors import ConfigError, UpstreamConnectionError, UpstreamProtocolError
from tsuji.http.tls import TlsConfig, client_context
from tsuji.http.url import Origin

Make = Callable[..., Driver]
Serve = Callable[..., Server]


def test_a_trusted_certificate(make_driver: Make, serve: Serve, server_tls: ssl.SSLContext, ca_file: str) -> None:
    server = serve(answering(OK, OK), server_tls)
    driver = make_driver(tls=TlsConfig(ca_file=ca_file))
    assert driver.fetch(server.origin).body == b"ok"
    assert driver.fetch(Origin("https", "localhost", server.port)).body == b"ok"
    assert server.connections == 1


def test_an_ip_address_in_the_certificate(
    make_driver: Make, serve: Serve, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    server = serve(answering(OK), server_tls)
    driver = make_driver(tls=TlsConfig(ca_file=ca_file))
    assert driver.fetch(Origin("https", "127.0.0.1", server.port)).body == b"ok"


def test_ssl_cert_file_is_honoured(
    make_driver: Make, serve: Serve, server_tls: ssl.SSLContext, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    server = serve(answering(OK), server_tls)
    assert make_driver().fetch(server.origin).body == b"ok"


def test_ssl_cert_dir_is_honoured(
    make_driver: Make, serve: Serve, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    certificate = authority.issue_cert("localhost")
    hashed = tmp_path / f"{_subject_hash(authority, tmp_path)}.0"
    authority.cert_pem.write_to_path(hashed)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    server = serve(answering(OK), server_context(certificate))
    assert make_driver().fetch(server.origin).body == b"ok"


def _subject_hash(authority: trustme.CA, folder: Path) -> str:
    """The name that OpenSSL looks an authority up by in a folder."""
    import shutil
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("the openssl command, which names certificates in a folder, is not installed")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(folder / "ca.pem")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_an_expired_certificate(make_driver: Make, serve: Serve, authority: trustme.CA, ca_file: str) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    expired = authority.issue_cert("localhost", not_before=past, not_after=past + datetime.timedelta(days=1))
    refused(make_driver(tls=TlsConfig(ca_file=ca_file)), serve(answering(OK), server_context(expired)), "has expired")


def test_a_certificate_for_another_host(make_driver: Make, serve: Serve, authority: trustme.CA, ca_file: str) -> None:
    context = server_context(authority.issue_cert("elsewhere.example"))
    refused(make_driver(tls=TlsConfig(ca_file=ca_file)), serve(answering(OK), context), "for another host name")


def test_a_certificate_for_another_address(
    make_driver: Make, serve: Serve, authority: trustme.CA, ca_file: str
) -> None:
    server = serve(answering(OK), server_context(authority.issue_cert("10.0.0.1")))
    with pytest.raises(UpstreamConnectionError, match="for another IP address"):
        make_driver(tls=TlsConfig(ca_file=ca_file)).fetch(Origin("https", "127.0.0.1", server.port))


def test_an_unknown_authority(make_driver: Make, serve: Serve, ca_file: str) -> None:
    context = server_context(trustme.CA().issue_cert("localhost"))
    refused(make_driver(tls=TlsConfig(ca_file=ca_file)), serve(answering(OK), context), "not trusted here")


def test_a_self_signed_certificate(make_driver: Make, serve: Serve, ca_file: str, tmp_path: Path) -> None:
    lonely = trustme.CA()
    lonely.cert_pem.write_to_path(tmp_path / "cert.pem")
    lonely.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    refused(make_driver(tls=TlsConfig(ca_file=ca_file)), serve(answering(OK), context), "self-signed")


def refused(driver: Driver, server: Server, words: str) -> None:
    with pytest.raises(UpstreamConnectionError, match=words) as caught:
        driver.fetch(server.origin)
    assert not caught.value.retryable
    assert caught.value.fault == "upstream"


def test_insecure_asks_for_nothing(make_driver: Make, serve: Serve) -> None:
    server = serve(answering(OK), server_context(trustme.CA().issue_cert("elsewhere.example")))
    assert make_driver(tls=TlsConfig(insecure=True)).fetch(server.origin).body == b"ok"


def test_tls_on_a_plain_port_and_the_reverse(
    make_driver: Make, serve: Serve, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    plain = serve(lambda peer: (peer.socket.recv(10), peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
    driver = make_driver(tls=TlsConfig(ca_file=ca_file))
    with pytest.raises(UpstreamConnectionError, match="does not speak TLS"):
        driver.fetch(Origin("https", "localhost", plain.port))
    secure = serve(answering(OK), server_tls)
    with pytest.raises((UpstreamConnectionError, UpstreamProtocolError)):
        driver.fetch(Origin("http", "localhost", secure.port))


def test_old_tls_is_refused(ca_file: str) -> None:
    assert client_context(TlsConfig(ca_file=ca_file)).minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_default_store_is_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where OpenSSL finds nothing of the system's."""
    empty = ssl.DefaultVerifyPaths(None, None, "", "", "", "")
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: empty)
    monkeypatch.setattr("tsuji.http.tls._contexts", {})
    assert client_context(None).cert_store_stats()["x509_ca"] > 0


@pytest.mark.parametrize("setting", ["ca_file", "SSL_CERT_FILE"])
def test_a_missing_or_empty_store_is_a_config_error(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.pem").write_text("nothing here")
    for name, words in (("absent.pem", "No such file"), ("empty.pem", "no PEM certificate")):
        file = str(tmp_path / name)
        if setting == "SSL_CERT_FILE":
            monkeypatch.setenv(setting, file)
        with pytest.raises(ConfigError, match=words) as caught:
            client_context(TlsConfig(ca_file=file if setting == "ca_file" else None))
        assert caught.value.param == setting


def test_a_config_error_comes_out_of_a_request(make_driver: Make, serve: Serve, server_tls: ssl.SSLContext) -> None:
    server = serve(lambda peer: peer.sees_close(), server_tls)
    with pytest.raises(ConfigError, match="ca_file"):
        make_driver(tls=TlsConfig(ca_file="absent.pem")).fetch(server.origin)
