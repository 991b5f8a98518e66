"""Google's application default credentials, through google-auth: https://docs.cloud.google.com/docs/authentication"""

from collections.abc import Mapping
from datetime import UTC
from importlib import import_module
from time import time
from typing import Any

import msgspec

from tsuji.core.errors import AuthenticationError, ConfigError, MissingApiKeyError, TsujiError, UpstreamUnavailableError

from .signer import Bearer, Fetch, bearer

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_SECONDS = 60.0
_UNSAID = 300.0
"""Seconds that a token is taken to last where that is not said."""


def grant(fetch: Fetch) -> Bearer:
    """A token, and the project that the credentials belong to.

    Raises ConfigError without google-auth, MissingApiKeyError without credentials, AuthenticationError where they are
    refused, UpstreamError where nobody could be asked.
    """
    try:
        auth: Any = import_module("google.auth")
        failures: Any = import_module("google.auth.exceptions")
    except ImportError:
        raise ConfigError("Google's credentials take google-auth: pip install 'tsuji[google]'") from None
    failed: list[TsujiError] = []
    request = _request(fetch, failures.TransportError, failed)
    try:
        credentials, project = auth.default(scopes=_SCOPES, request=request)
    except failures.DefaultCredentialsError as error:
        raise MissingApiKeyError(
            "no Google credentials: looked for the file that GOOGLE_APPLICATION_CREDENTIALS names, then for those of "
            f"`gcloud auth application-default login`, then for a machine of Google's ({_first_line(error)})"
        ) from error
    try:
        credentials.refresh(request)
    except failures.GoogleAuthError as error:
        if isinstance(error, failures.TransportError) and failed:
            raise failed[-1] from error
        if getattr(error, "retryable", False):
            raise UpstreamUnavailableError(f"Google gave no token: {_first_line(error)}") from error
        raise AuthenticationError(f"Google refused the credentials: {_first_line(error)}") from error
    headers: dict[str, str] = {}
    credentials.apply(headers)
    until = credentials.expiry.replace(tzinfo=UTC).timestamp() if credentials.expiry else time() + _UNSAID
    found = bearer(credentials.token, until, {"project": project} if project else {})
    if quota := headers.get("x-goog-user-project"):
        found.lines += b"x-goog-user-project: " + quota.encode() + b"\r\n"
    return found


class _Response(msgspec.Struct):
    """As google.auth.transport.Response."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _request(fetch: Fetch, transport_error: Any, failed: list[TsujiError]) -> Any:
    """As google.auth.transport.Request, over our own transport. failed: is given what goes wrong in it."""

    def request(
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Response:
        content = body.encode() if isinstance(body, str) else body or b""
        try:
            return _Response(*fetch(method, url, headers or {}, content, timeout or _SECONDS))
        except TsujiError as error:
            failed.append(error)
            raise transport_error(error.message) from error

    return request


def _first_line(error: Exception) -> str:
    """google-auth's own sentence; what follows it is the answer as a whole."""
    return str(error.args[0] if error.args else error).partition("\n")[0].rstrip(". ")
