"""Errors, both ways."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsuji.core import errors as e
from tsuji.wire.openai.errors import error_of

from .wire import DIALECT


def parse(status: int, body: Any = None, **headers: str) -> e.TsujiError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DIALECT.parse_error(status, {k.replace("_", "-"): v for k, v in headers.items()}, raw)


def openai(**fields: Any) -> dict[str, Any]:
    return {"error": {"message": "why", "param": None, **fields}}


CASES: list[tuple[int, Any, type[e.TsujiError], str, bool]] = [
    (400, openai(type="invalid_request_error"), e.InvalidRequestError, "caller", False),
    (400, openai(code="context_length_exceeded"), e.ContextLengthExceededError, "caller", False),
    (400, openai(type="exceed_context_size_error", code=400), e.ContextLengthExceededError, "caller", False),
    (
        400,
        openai(code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}),
        e.ContentFilterError,
        "caller",
        False,
    ),
    (400, openai(code="content_policy_violation"), e.ContentFilterError, "caller", False),
    (401, openai(code="invalid_api_key"), e.AuthenticationError, "gateway", False),
    (401, None, e.AuthenticationError, "gateway", False),
    (402, openai(), e.InsufficientFundsError, "gateway", False),
    (403, openai(), e.PermissionDeniedError, "gateway", False),
    (403, openai(code=403, metadata={"reasons": ["x"], "flagged_input": "y"}), e.ContentFilterError, "caller", False),
    (404, openai(code="model_not_found"), e.ModelNotFoundError, "caller", False),
    (404, openai(param="model"), e.ModelNotFoundError, "caller", False),
    (404, openai(), e.NotFoundError, "caller", False),
    (408, openai(), e.UpstreamTimeoutError, "upstream", True),
    (409, openai(), e.UpstreamError, "upstream", True),
    (413, openai(), e.RequestTooLargeError, "caller", False),
    (418, openai(), e.InvalidRequestError, "caller", False),
    (422, {"detail": [{"loc": ["body"]}]}, e.InvalidRequestError, "caller", False),
    (429, openai(type="requests", code="rate_limit_exceeded"), e.RateLimitError, "upstream", True),
    (429, openai(type="insufficient_quota", code="insufficient_quota"), e.InsufficientFundsError, "gateway", False),
    (429, openai(code="1113"), e.InsufficientFundsError, "gateway", False),
    (429, openai(code="1302"), e.RateLimitError, "upstream", True),
    (498, openai(), e.UpstreamUnavailableError, "upstream", True),
    (500, openai(type="server_error"), e.UpstreamError, "upstream", True),
    (500, openai(type="invalid_request_error"), e.UpstreamError, "upstream", True),
    (502, b"<html>bad gateway</html>", e.UpstreamError, "upstream", True),
    (503, b"", e.UpstreamUnavailableError, "upstream", True),
    (504, b"", e.UpstreamTimeoutError, "upstream", True),
    (529, openai(), e.UpstreamUnavailableError, "upstream", True),
    (302, b"", e.UpstreamProtocolError, "upstream", True),
]


@pytest.mark.parametrize(
    ("status", "body", "kind", "fault", "retryable"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_classes(status: int, body: Any, kind: type[e.TsujiError], fault: str, retryable: bool) -> None:
    found = parse(status, body)
    assert type(found) is kind
    assert (found.status, found.fault, found.retryable) == (status, fault, retryable)
    assert found.message


def test_details() -> None:
    body = openai(type="invalid_request_error", code="unknown_parameter", param="seeds")
    found = parse(400, body)
    assert (found.message, found.param, found.code, found.body) == ("why", "seeds", "unknown_parameter", body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "plain"}, "plain"),
        ({"object": "error", "message": "mistral", "type": "x", "code": 3}, "mistral"),
        ({"message": "bare"}, "bare"),
        ({"detail": "fastapi"}, "fastapi"),
        ([{"error": {"message": "gemini", "code": 400}}], "gemini"),
        ({"error": {"message": {"detail": "nested"}}}, '{"message":{"detail":"nested"}}'),
        (b"busy", "the provider answered HTTP 400 without saying why; are the base URL and the model's name right?"),
        ([], "the provider answered HTTP 400 without saying why; are the base URL and the model's name right?"),
    ],
)
def test_where_providers_put_the_message(body: Any, message: str) -> None:
    assert parse(400, body).message == message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "2"}, 2.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "1.2.3"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert parse(429, openai(), **headers).retry_after == seconds


def test_retry_info() -> None:
    details = [{"@type": "x"}, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]
    assert parse(429, [openai(details=details)]).retry_after == 34.5
    assert parse(429, [openai(details=[{"retryDelay": "soon"}, 5])]).retry_after is None
    assert parse(429, [openai(details=details)], retry_after="2").retry_after == 2.0


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"error": {"code": 429}}, 429),
        ({"error": {"code": "tool_use_failed", "status_code": 400}}, 400),
        ({"error": {"type": "rate_limit_error"}}, 429),
        ({"error": {"type": "invalid_request_error"}}, 400),
        ({"error": {"code": 42}}, 502),
        ({"error": "down"}, 502),
    ],
)
def test_an_error_inside_an_answer_says_its_own_status(document: Any, status: int) -> None:
    assert error_of(document, 0).status == status


@given(
    st.integers(100, 599),
    st.binary()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda v: (
            st.lists(v)
            | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "detail", "innererror", "x"]), v)
        ),
    ).map(lambda v: json.dumps(v).encode()),
)
def test_any_body_is_some_error(status: int, body: bytes) -> None:
    found = DIALECT.parse_error(status, {}, body)
    assert isinstance(found, e.TsujiError)
    assert found.status == status
    assert set(json.loads(DIALECT.render_error(found))["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (e.InvalidRequestError("x", param="n"), "invalid_request_error", None),
        (e.InvalidRequestError("x", code="unknown_parameter"), "invalid_request_error", "unknown_parameter"),
        (e.UnsupportedParameterError("x", param="top_k"), "invalid_request_error", "unsupported_parameter"),
        (e.ContextLengthExceededError("x"), "invalid_request_error", "context_length_exceeded"),
        (e.ContentFilterError("x"), "invalid_request_error", "content_filter"),
        (e.ModelNotFoundError("x"), "invalid_request_error", "model_not_found"),
        (e.AuthenticationError("x"), "invalid_request_error", "invalid_api_key"),
        (e.RateLimitError("x"), "rate_limit_error", "rate_limit_exceeded"),
        (e.InsufficientFundsError("x"), "insufficient_quota", "insufficient_quota"),
        (e.UpstreamUnavailableError("x"), "server_error", "upstream_unavailable"),
        (e.InternalError("x"), "server_error", "internal"),
    ],
)
def test_rendering(error: e.TsujiError, kind: str, code: str | None) -> None:
    assert json.loads(DIALECT.render_error(error)) == {
        "error": {"message": "x", "type": kind, "param": error.param, "code": code}
    }
