"""Errors both ways (https://platform.claude.com/docs/en/api/errors), by status and typed body.

The API has no code for a prompt that is longer than the context window: it is an invalid_request_error like others.
"""

from typing import Any

import msgspec

from tsuji.core.errors import (
    AuthenticationError,
    InsufficientFundsError,
    InvalidRequestError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    TsujiError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)

from ..dialect import ResponseHeaders, read_seconds
from .fields import UNEXPECTED, Object, object_or_empty, text_or_none

_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPES = {status: name for name, status in _STATUS.items()}

_CLASSES: dict[int, type[TsujiError]] = {
    401: AuthenticationError,
    402: InsufficientFundsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: RequestTooLargeError,
    429: RateLimitError,
    503: UpstreamUnavailableError,
    529: UpstreamUnavailableError,
}

_SPENT = frozenset(
    ("contract_spend_limit_reached", "enforced_spend_limit_reached", "linked_organization_spend_limit_reached")
)
_TIMEOUTS = (408, 504)
_RETRYABLE_CONFLICT = 409

_decoder = msgspec.json.Decoder()


def is_error(fields: Object) -> bool:
    return fields.get("type") == "error" or ("error" in fields and "content" not in fields)


def parse_error(status: int, headers: ResponseHeaders, body: bytes) -> TsujiError:
    try:
        found = _decoder.decode(body)
    except UNEXPECTED:
        found = None
    return _error(status, found, headers)


def parse_error_body(fields: Object) -> TsujiError:
    """An error inside an answer or a stream that began as HTTP 200: its type tells the status."""
    kind = text_or_none(object_or_empty(fields.get("error")).get("type"))
    return _error(_STATUS.get(kind or "", 502), fields, {})


def _error(status: int, body: Any, headers: ResponseHeaders) -> TsujiError:
    outer = object_or_empty(body)
    inner: Any = outer.get("error", outer)
    fields = object_or_empty(inner)
    kind = text_or_none(fields.get("type"))
    code = text_or_none(object_or_empty(fields.get("details")).get("error_code"))
    message = text_or_none(fields.get("message")) or text_or_none(inner)
    # A body whose type names another status than the response's is of a server that uses types loosely.
    named = _STATUS.get(kind or "", status)
    told: dict[str, Any] = {
        "status": status,
        "code": code or kind,
        "body": body,
        "retry_after": _retry_after(headers),
    }
    should_retry = headers.get("x-should-retry")
    if should_retry in ("true", "false"):
        told["retryable"] = should_retry == "true"
    return _classified(status, named, kind, code, message or f"the provider answered with status {status}", told)


def _classified(
    status: int, named: int, kind: str | None, code: str | None, message: str, told: dict[str, Any]
) -> TsujiError:
    if code in _SPENT:
        return InsufficientFundsError(message, **told)
    if status in _TIMEOUTS or named in _TIMEOUTS:
        return UpstreamTimeoutError(message, timeout="total", **told)
    if kind == "not_found_error" and status == 404 and code is None:
        # The path exists, so what was not found is the model.
        return ModelNotFoundError(message, **told)
    known = _CLASSES.get(status) or (_CLASSES.get(named) if status in (400, 500, 502) else None)
    if known is not None:
        return known(message, **told)
    if 400 <= status < 500:
        if status == _RETRYABLE_CONFLICT:
            told.setdefault("retryable", True)
        return InvalidRequestError(message, **told)
    return UpstreamError(message, **told)


def _retry_after(headers: ResponseHeaders) -> float | None:
    """Seconds; a date would need a clock."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = read_seconds(headers.get(name, ""))
        if seconds is not None:
            return seconds * scale
    return None


def render_error(error: TsujiError) -> bytes:
    return msgspec.json.encode(error_fields(error))


def error_fields(error: TsujiError) -> Object:
    return {"type": "error", "error": {"type": _type_of(error), "message": error.message}}


def _type_of(error: TsujiError) -> str:
    status = error.status
    if status in _TYPES:
        return _TYPES[status]
    if status in _TIMEOUTS:
        return "timeout_error"
    if isinstance(error, UpstreamUnavailableError):
        return "overloaded_error"
    return "invalid_request_error" if 400 <= status < 500 else "api_error"
