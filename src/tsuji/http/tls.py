"""TLS for clients: which certificates are trusted, and what to say when one is not. Loaded for https origins only."""

import os
import ssl
from pathlib import Path

import msgspec

from tsuji.core.errors import ConfigError, UpstreamConnectionError


class TlsConfig(msgspec.Struct, frozen=True):
    """ca_file: PEM file of the authorities to trust instead of the system's. insecure: verify nothing (for trials)."""

    ca_file: str | None = None
    insecure: bool = False


# OpenSSL's X509_V_ERR_* codes: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_TRUST_IT = "if you trust it, name its authority's PEM file in SSL_CERT_FILE or as ca_file"
_VERIFY_CODES = {
    9: "is not valid yet; check this machine's clock",
    10: "has expired; the server's operator must renew it (or check this machine's clock)",
    18: f"is self-signed; {_TRUST_IT}",
    19: f"ends in a self-signed certificate that is not trusted here; {_TRUST_IT}",
    20: f"was issued by an authority that is not trusted here; {_TRUST_IT}",
    21: f"was issued by an authority that is not trusted here; {_TRUST_IT}",
    23: "has been revoked by its authority",
    62: "is for another host name; check the URL",
    64: "is for another IP address; check the URL",
}
_contexts: dict[tuple[TlsConfig, str | None, str | None], ssl.SSLContext] = {}


def client_context(config: TlsConfig | None) -> ssl.SSLContext:
    """A verifying context: TLS 1.2 or later, ALPN http/1.1. Built once per process and setting: it takes 20 to 60 ms.

    Trusts `ca_file` where given, else the system's store with SSL_CERT_FILE and SSL_CERT_DIR, else certifi's bundle.
    Raises ConfigError for a file that is missing or holds no certificate.
    """
    config = config or TlsConfig()
    key = (config, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    context = _contexts.get(key)
    if context is None:
        context = _contexts[key] = _build(*key)
    return context


def _build(config: TlsConfig, cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if config.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.ca_file:
        _load(context, "ca_file", config.ca_file)
    else:
        if cert_file:
            _load(context, "SSL_CERT_FILE", cert_file)  # OpenSSL itself passes over a file that it can't read
        context.load_default_certs()
        if not cert_file and not cert_dir and not _system_store(context):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


def _load(context: ssl.SSLContext, setting: str, file: str) -> None:
    try:
        context.load_verify_locations(file)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no PEM certificate"
        raise ConfigError(f"{setting} = {file!r} cannot be used: {reason}", param=setting) from error


def _system_store(context: ssl.SSLContext) -> bool:
    if context.cert_store_stats()["x509_ca"]:
        return True
    folder: str | None = ssl.get_default_verify_paths().capath  # read on demand, so the context can't tell
    return bool(folder) and any(Path(folder).glob("*.0"))


def tls_failure(error: OSError, peer: str) -> UpstreamConnectionError | None:
    """What a failed handshake means, by OpenSSL's codes; None if the error isn't of TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _VERIFY_CODES.get(error.verify_code, f"was refused ({error.verify_message})")
        return UpstreamConnectionError(f"the certificate of {peer} {reason}", retryable=False)
    if not isinstance(error, ssl.SSLError):
        return None
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
        return UpstreamConnectionError(f"{peer} does not speak TLS on that port; is its URL http://?", retryable=False)
    return UpstreamConnectionError(f"the TLS handshake with {peer} failed ({error.reason or error})")
