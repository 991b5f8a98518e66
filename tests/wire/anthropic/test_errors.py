"""Errors of the provider, classified; errors of ours, in this dialect's shape."""

import json
from typing import Any

import pytest

from tsuji.core.errors import (
    AuthenticationError,
    ConfigError,
    ContextLengthExceededError,
    Fault,
    InsufficientFundsError,
    InternalError,
    InvalidRequestError,
    LocalEngineError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    StreamInterruptedError,
    TsujiError,
    UnsupportedParameterError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from tsuji.wire.anthropic import DIALECT


def parse(status: int, body: Any, headers: dict[str, str] | None = None) -> TsujiError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DIALECT.parse_error(status, headers or {}, raw)


def told(kind: str, code: str | None = None) -> dict[str, Any]:
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": "why", **details}, "request_id": "req_1"}


CASES: list[tuple[int, str, type[TsujiError], Fault, bool]] = [
    (400, "invalid_request_error", InvalidRequestError, "caller", False),
    (401, "authentication_error", AuthenticationError, "gateway", False),
    (402, "billing_error", InsufficientFundsError, "gateway", False),
    (403, "permission_error", PermissionDeniedError, "gateway", False),
    (404, "not_found_error", ModelNotFoundError, "caller", False),
    (409, "conflict_error", InvalidRequestError, "caller", True),
    (413, "request_too_large", RequestTooLargeError, "caller", False),
    (422, "invalid_request_error", InvalidRequestError, "caller", False),
    (429, "rate_limit_error", RateLimitError, "upstream", True),
    (500, "api_error", UpstreamError, "upstream", True),
    (503, "api_error", UpstreamUnavailableError, "upstream", True),
    (504, "timeout_error", UpstreamTimeoutError, "upstream", True),
    (529, "overloaded_error", UpstreamUnavailableError, "upstream", True),
]


@pytest.mark.parametrize(("status", "kind", "expected", "fault", "retryable"), CASES)
def test_errors_of_the_api(status: int, kind: str, expected: type[TsujiError], fault: Fault, retryable: bool) -> None:
    body = told(kind)
    error = parse(status, body)
    assert type(error) is expected
    assert (error.status, error.fault, error.retryable) == (status, fault, retryable)
    assert (error.message, error.code, error.body) == ("why", kind, body)


@pytest.mark.parametrize("status", [400, 402, 429])
def test_a_spent_account_is_not_a_rate(status: int) -> None:
    error = parse(status, told("rate_limit_error", "enforced_spend_limit_reached"))
    assert type(error) is InsufficientFundsError
    assert (error.status, error.code, error.retryable) == (status, "enforced_spend_limit_reached", False)


def test_a_missing_object_is_not_a_missing_model() -> None:
    assert type(parse(404, told("not_found_error", "thread_not_found"))) is NotFoundError


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidRequestError),
        (404, NotFoundError),
        (408, UpstreamTimeoutError),
        (418, InvalidRequestError),
        (429, RateLimitError),
        (502, UpstreamError),
        (504, UpstreamTimeoutError),
        (301, UpstreamError),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"error":5}', b'{"error":{"type":[]}}', b"\xff"])
def test_without_a_typed_body_the_status_decides(status: int, expected: type[TsujiError], body: bytes) -> None:
    error = parse(status, body)
    assert type(error) is expected
    assert error.status == status
    assert error.message == f"the provider answered with status {status}"


def test_messages_of_compatible_servers() -> None:
    assert parse(500, {"error": "out of memory"}).message == "out of memory"
    assert parse(400, {"message": "bad"}).message == "bad"


@pytest.mark.parametrize(("status", "expected"), [(400, RateLimitError), (500, RateLimitError)])
def test_the_type_says_more_than_a_loose_status(status: int, expected: type[TsujiError]) -> None:
    error = parse(status, told("rate_limit_error"))
    assert type(error) is expected
    assert error.status == status


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "٣"}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert parse(429, told("rate_limit_error"), headers).retry_after == seconds


def test_the_provider_may_say_whether_to_retry() -> None:
    assert not parse(500, told("api_error"), {"x-should-retry": "false"}).retryable
    assert parse(400, told("invalid_request_error"), {"x-should-retry": "true"}).retryable


RENDERED: list[tuple[TsujiError, str]] = [
    (InvalidRequestError("m"), "invalid_request_error"),
    (UnsupportedParameterError("m", param="seed"), "invalid_request_error"),
    (ContextLengthExceededError("m"), "invalid_request_error"),
    (AuthenticationError("m"), "authentication_error"),
    (InsufficientFundsError("m"), "billing_error"),
    (PermissionDeniedError("m"), "permission_error"),
    (ModelNotFoundError("m"), "not_found_error"),
    (InvalidRequestError("m", status=405), "invalid_request_error"),
    (InvalidRequestError("m", status=409), "conflict_error"),
    (RequestTooLargeError("m"), "request_too_large"),
    (InvalidRequestError("m", status=422), "invalid_request_error"),
    (RateLimitError("m"), "rate_limit_error"),
    (InternalError("m"), "api_error"),
    (ConfigError("m"), "api_error"),
    (LocalEngineError("m"), "api_error"),
    (StreamInterruptedError("m"), "api_error"),
    (UpstreamUnavailableError("m"), "overloaded_error"),
    (UpstreamTimeoutError("m", timeout="idle"), "timeout_error"),
    (UpstreamTimeoutError("m", timeout="total", status=408), "timeout_error"),
]


@pytest.mark.parametrize(("error", "kind"), RENDERED, ids=lambda v: v if isinstance(v, str) else type(v).__name__)
def test_errors_of_ours(error: TsujiError, kind: str) -> None:
    assert json.loads(DIALECT.render_error(error)) == {"type": "error", "error": {"type": kind, "message": "m"}}
