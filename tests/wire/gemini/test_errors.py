"""Google's errors, both ways."""

import json
from typing import Any

import pytest

from tests.wire.gemini.wires import GEMINI
from tsuji.core.errors import (
    AuthenticationError,
    ContextLengthExceededError,
    InsufficientFundsError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    TsujiError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)


def parse(status: int, body: Any, headers: dict[str, str] | None = None) -> TsujiError:
    return GEMINI.parse_error(status, headers or {}, json.dumps(body).encode())


def document(status: int, name: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "message": "what went wrong", "status": name, "details": list(details)}}


@pytest.mark.parametrize(
    ("status", "name", "kind", "fault"),
    [
        (400, "INVALID_ARGUMENT", InvalidRequestError, "caller"),
        (400, "OUT_OF_RANGE", InvalidRequestError, "caller"),
        (400, "FAILED_PRECONDITION", PermissionDeniedError, "gateway"),
        (401, "UNAUTHENTICATED", AuthenticationError, "gateway"),
        (403, "PERMISSION_DENIED", PermissionDeniedError, "gateway"),
        (404, "NOT_FOUND", ModelNotFoundError, "caller"),
        (413, "INVALID_ARGUMENT", RequestTooLargeError, "caller"),
        (429, "RESOURCE_EXHAUSTED", RateLimitError, "upstream"),
        (499, "CANCELLED", UpstreamError, "upstream"),
        (500, "INTERNAL", UpstreamError, "upstream"),
        (501, "UNIMPLEMENTED", UpstreamError, "upstream"),
        (503, "UNAVAILABLE", UpstreamUnavailableError, "upstream"),
        (504, "DEADLINE_EXCEEDED", UpstreamUnavailableError, "upstream"),
    ],
)
def test_by_status_name(status: int, name: str, kind: type[TsujiError], fault: str) -> None:
    body = document(status, name)
    error = parse(status, body)
    assert type(error) is kind
    assert (error.status, error.fault, error.code, error.message) == (status, fault, name, "what went wrong")
    assert error.body == body


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (402, InsufficientFundsError),
        (403, PermissionDeniedError),
        (404, ModelNotFoundError),
        (408, UpstreamUnavailableError),
        (409, UpstreamUnavailableError),
        (413, RequestTooLargeError),
        (418, InvalidRequestError),
        (422, InvalidRequestError),
        (429, RateLimitError),
        (500, UpstreamError),
        (502, UpstreamError),
        (503, UpstreamUnavailableError),
        (529, UpstreamUnavailableError),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error": {}}', b'{"error": "x"}', b'{"error": {"status": 5}}']
)
def test_by_http_status_alone(status: int, kind: type[TsujiError], body: bytes) -> None:
    error = GEMINI.parse_error(status, {}, body)
    assert type(error) is kind
    assert error.status == status
    assert error.message


def test_a_wrong_key_is_a_400_with_a_reason() -> None:
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    error = parse(400, document(400, "INVALID_ARGUMENT", reason))
    assert type(error) is AuthenticationError
    assert (error.status, error.fault) == (400, "gateway")


def test_when_to_come_back() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}
    assert parse(429, document(429, "RESOURCE_EXHAUSTED", info)).retry_after == 37.5
    assert parse(429, {}, {"retry-after": "12"}).retry_after == 12
    assert parse(429, {}, {"retry-after-ms": "1500"}).retry_after == 1.5
    assert parse(429, {}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}).retry_after is None
    assert parse(429, {}).retry_after is None


def test_the_field_at_fault() -> None:
    bad = {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": "contents[0].parts", "description": "empty"}],
    }
    assert parse(400, document(400, "INVALID_ARGUMENT", bad)).param == "contents[0].parts"


def test_errors_of_streams_come_in_a_list() -> None:
    assert type(parse(429, [document(429, "RESOURCE_EXHAUSTED")])) is RateLimitError


@pytest.mark.parametrize("retryable", [("UNAVAILABLE", 503, True), ("UNIMPLEMENTED", 501, False)])
def test_retryable(retryable: tuple[str, int, bool]) -> None:
    name, status, expected = retryable
    assert parse(status, document(status, name)).retryable is expected


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (InvalidRequestError("m"), 400, "INVALID_ARGUMENT"),
        (ContextLengthExceededError("m"), 400, "INVALID_ARGUMENT"),
        (RequestTooLargeError("m"), 413, "INVALID_ARGUMENT"),
        (AuthenticationError("m"), 401, "UNAUTHENTICATED"),
        (InsufficientFundsError("m"), 402, "RESOURCE_EXHAUSTED"),
        (PermissionDeniedError("m"), 403, "PERMISSION_DENIED"),
        (ModelNotFoundError("m"), 404, "NOT_FOUND"),
        (RateLimitError("m"), 429, "RESOURCE_EXHAUSTED"),
        (UpstreamError("m"), 502, "UNAVAILABLE"),
        (UpstreamUnavailableError("m", status=529), 529, "UNAVAILABLE"),
        (UpstreamTimeoutError("m", timeout="idle"), 504, "DEADLINE_EXCEEDED"),
        (TsujiError("m"), 500, "INTERNAL"),
        (TsujiError("m", status=418), 418, "INVALID_ARGUMENT"),
        (TsujiError("m", status=400, code="FAILED_PRECONDITION"), 400, "FAILED_PRECONDITION"),
        (TsujiError("m", status=400, code="invalid_request_error"), 400, "INVALID_ARGUMENT"),
    ],
)
def test_rendered(error: TsujiError, status: int, name: str) -> None:
    assert json.loads(GEMINI.render_error(error)) == {"error": {"code": status, "message": "m", "status": name}}


def test_details_are_rendered_and_read_back() -> None:
    error = RateLimitError("m", param="contents", retry_after=2.5)
    back = GEMINI.parse_error(429, {}, GEMINI.render_error(error))
    assert (type(back), back.param, back.retry_after, back.message) == (RateLimitError, "contents", 2.5, "m")
