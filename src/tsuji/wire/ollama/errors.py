"""Errors, both ways: `{"error": "message"}` (https://docs.ollama.com/api/errors).

The HTTP status alone classifies them. In a stream an error is a line of its own, without a status.
"""

from typing import Any, Final

import msgspec

from tsuji.core.errors import (
    AuthenticationError,
    InsufficientFundsError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    TsujiError,
    UpstreamError,
    UpstreamUnavailableError,
)
from tsuji.wire.dialect import ResponseHeaders, read_seconds

from .fields import Object, text_of

_BY_STATUS: Final[dict[int, type[TsujiError]]] = {
    401: AuthenticationError,
    402: InsufficientFundsError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    408: UpstreamUnavailableError,
    413: RequestTooLargeError,
    429: RateLimitError,
    503: UpstreamUnavailableError,
    504: UpstreamUnavailableError,
    529: UpstreamUnavailableError,
}


def parse_error(status: int, headers: ResponseHeaders, body: bytes) -> TsujiError:
    """Any body will do."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    kind = _BY_STATUS.get(status) or (InvalidRequestError if 400 <= status < 500 else UpstreamError)
    milliseconds = read_seconds(headers.get("retry-after-ms", ""))
    return kind(
        _message(document) or f"the provider answered with status {status}",
        status=status,
        retry_after=read_seconds(headers.get("retry-after", "")) if milliseconds is None else milliseconds / 1000,
        body=document,
    )


def error_in(document: Object) -> TsujiError | None:
    """The error that stands where an answer, or a line of one, was expected; None if there is none."""
    if document.get("error") is None:
        return None
    status: Any = document.get("status_code")
    if status.__class__ is not int or not 400 <= status <= 599:
        status = 500
    kind = _BY_STATUS.get(status) or (InvalidRequestError if status < 500 else UpstreamError)
    return kind(_message(document) or "the provider failed and did not say why", status=status, body=document)


def _message(document: Any) -> str:
    """Servers in front of Ollama put an object where it puts its text."""
    if document.__class__ is not dict:
        return ""
    error = document.get("error")
    if error.__class__ is dict:
        error = error.get("message")
    return text_of(error)


def error_document(error: TsujiError) -> Object:
    return {"error": error.message}


def render_error(error: TsujiError) -> bytes:
    return msgspec.json.encode(error_document(error))
