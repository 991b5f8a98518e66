"""Google's error document, both ways (https://google.aip.dev/193, https://ai.google.dev/gemini-api/docs/troubleshooting).

`{"error": {"code", "message", "status", "details"}}`; a stream that is not SSE wraps it into a list. Classified by
`status` (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto), by the `reason` of an ErrorInfo
in `details`, else by the HTTP status. Google answers 400 to a wrong key; only the ErrorInfo says so.
"""

from typing import Any, Final

import msgspec

from tsuji.core.errors import (
    AuthenticationError,
    Fault,
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

from .fields import dicts_in, int_or_none, text_or_none

Kind = type[TsujiError]

_BY_STATUS: Final[dict[str, Kind]] = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "OUT_OF_RANGE": InvalidRequestError,
    "ALREADY_EXISTS": InvalidRequestError,
    "FAILED_PRECONDITION": PermissionDeniedError,
    "UNAUTHENTICATED": AuthenticationError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "NOT_FOUND": ModelNotFoundError,
    "RESOURCE_EXHAUSTED": RateLimitError,
    "ABORTED": UpstreamUnavailableError,
    "CANCELLED": UpstreamError,
    "INTERNAL": UpstreamError,
    "UNKNOWN": UpstreamError,
    "DATA_LOSS": UpstreamError,
    "UNIMPLEMENTED": UpstreamError,
    "UNAVAILABLE": UpstreamUnavailableError,
    "DEADLINE_EXCEEDED": UpstreamUnavailableError,
}
"""FAILED_PRECONDITION is what the Gemini API says where a project must enable billing first."""

_BY_CODE: Final[dict[int, Kind]] = {
    401: AuthenticationError,
    402: InsufficientFundsError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    408: UpstreamUnavailableError,
    409: UpstreamUnavailableError,
    413: RequestTooLargeError,
    429: RateLimitError,
    503: UpstreamUnavailableError,
    504: UpstreamUnavailableError,
    529: UpstreamUnavailableError,
}
_BY_REASON: Final[dict[str, Kind]] = {
    "API_KEY_INVALID": AuthenticationError,
    "API_KEY_EXPIRED": AuthenticationError,
    "ACCESS_TOKEN_EXPIRED": AuthenticationError,
    "BILLING_DISABLED": InsufficientFundsError,
}
_STATUS_NAMES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    504: "DEADLINE_EXCEEDED",
}
_TYPE: Final = "type.googleapis.com/google.rpc."


def parse_error(status: int, headers: ResponseHeaders, body: bytes) -> TsujiError:
    """Any body will do; without Google's error document the HTTP status decides alone."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    return _error(_inside(document), status, headers, document)


def error_in(document: Any) -> TsujiError | None:
    """The error that a document holds where an answer was expected; None if it holds none."""
    inside = _inside(document)
    if not inside:
        return None
    code = int_or_none(inside.get("code")) or 0
    return _error(inside, code if 400 <= code <= 599 else 500, {}, document)


def _inside(document: Any) -> dict[str, Any]:
    if document.__class__ is list and document:
        document = document[0]
    if document.__class__ is dict:
        error = document.get("error")
        if error.__class__ is dict:
            return error
        if error.__class__ is str:
            return {"message": error}
    return {}


def _error(inside: dict[str, Any], status: int, headers: ResponseHeaders, body: Any) -> TsujiError:
    name = text_or_none(inside.get("status"))
    found = dicts_in(inside.get("details"))
    kind = _kind(name, status, found)
    message = text_or_none(inside.get("message"))
    return kind(
        message or f"the provider answered with status {status}",
        fault=_fault(kind),
        status=status,
        retryable=False if name == "UNIMPLEMENTED" else None,
        retry_after=_retry_after(found, headers),
        param=_violation(found),
        code=name,
        body=body,
    )


def _kind(name: str | None, status: int, details: list[dict[str, Any]]) -> Kind:
    for detail in details:
        kind = _BY_REASON.get(text_or_none(detail.get("reason")) or "")
        if kind is not None:
            return kind
    kind = _BY_STATUS.get(name or "")
    kind = _BY_CODE.get(status, kind) if kind is None or kind is InvalidRequestError else kind
    return kind or (InvalidRequestError if 400 <= status < 500 else UpstreamError)


def _fault(kind: Kind) -> Fault | None:
    """What a provider says of our key, our account or our permissions is this installation's to mend."""
    if issubclass(kind, AuthenticationError | PermissionDeniedError | InsufficientFundsError):
        return "gateway"
    return None


def _retry_after(details: list[dict[str, Any]], headers: ResponseHeaders) -> float | None:
    for detail in details:
        delay = text_or_none(detail.get("retryDelay"))
        if delay is not None:
            return read_seconds(delay.removesuffix("s"))
    milliseconds = read_seconds(headers.get("retry-after-ms", ""))
    return read_seconds(headers.get("retry-after", "")) if milliseconds is None else milliseconds / 1000


def _violation(details: list[dict[str, Any]]) -> str | None:
    for detail in details:
        for violation in dicts_in(detail.get("fieldViolations")):
            return text_or_none(violation.get("field")) or None
    return None


def render_error(error: TsujiError) -> bytes:
    """The error in Google's shape; its HTTP status is `error.status`."""
    return msgspec.json.encode(error_document(error))


def error_document(error: TsujiError) -> dict[str, Any]:
    details: list[dict[str, Any]] = []
    if error.param is not None:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": _TYPE + "BadRequest", "fieldViolations": [violation]})
    if error.retry_after is not None:
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{error.retry_after:g}s"})
    inside: dict[str, Any] = {"code": error.status, "message": error.message, "status": _status_name(error)}
    if details:
        inside["details"] = details
    return {"error": inside}


def _status_name(error: TsujiError) -> str:
    if error.code in _BY_STATUS:
        return error.code
    return _STATUS_NAMES.get(error.status) or ("INVALID_ARGUMENT" if error.status < 500 else "UNAVAILABLE")
