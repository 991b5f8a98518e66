"""TLS towards clients: a context from files, made again when they change. Loaded only where TLS is configured."""

import logging
import ssl
from pathlib import Path

from tsuji.config import Tls
from tsuji.core.errors import ConfigError

log = logging.getLogger("tsuji.gateway")

_Signature = tuple[tuple[int, int, int] | None, ...]


class Certificates:
    """context: for the next connection. Raises ConfigError where the files make none."""

    def __init__(self, files: Tls) -> None:
        self._files = files
        self._seen = self._signature()
        self.context = _context(files)

    def refresh(self) -> None:
        """Takes up files that have changed. Those that make no context leave the old one, and the log says so."""
        seen = self._signature()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.context = _context(self._files)
        except ConfigError as error:
            log.error("the certificate was not renewed, the one before stays: %s", error.message)
        else:
            log.warning("the certificate was renewed from %s", self._files.certificate)

    def _signature(self) -> _Signature:
        files = self._files
        return tuple([_stamp(path) for path in (files.certificate, files.key, files.client_ca) if path is not None])


def _context(files: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_refuse_password)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise ConfigError(
            f"no certificate can be had from {files.certificate} and {files.key}: {reason}; both must be PEM, and "
            f"belong together",
            param="server.tls",
        ) from None
    return context


def _refuse_password() -> str:
    raise ConfigError("the key of server.tls asks for a password; give it without one", param="server.tls.key")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file does; None where it is not there. Symbolic links are followed."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
