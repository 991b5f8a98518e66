"""Errors, both ways.

An error is classified by the provider's `code` and `type`, then by the HTTP status, never by its wording. Bodies seen:
`{"error": {message, type, param, code}}` (OpenAI, https://platform.openai.com/docs/guides/error-codes),
`{"error": "text"}`, `{"object": "error", message, type, code}` (Mistral, vLLM), `{"detail": ...}` (FastAPI),
`[{"error": ...}]` (Gemini's OpenAI endpoint), codes as numbers in strings (Z.ai,
https://docs.z.ai/api-reference/api-code), `exceed_context_size_error` (llama.cpp).
"""

from typing import Any

import msgspec

from tsuji.core.errors import (
    AuthenticationError,
    ContentFilterError,
    ContextLengthExceededError,
    InsufficientFundsError,
    InvalidRequestError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    TsujiError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from tsuji.wire.dialect import ResponseHeaders, read_seconds
from tsuji.wire.passthrough import encode

from .fields import is_list, is_object

Kind = type[TsujiError]

_CODES: dict[str, Kind] = {
    "context_length_exceeded": ContextLengthExceededError,
    "exceed_context_size_error": ContextLengthExceededError,
    "1261": ContextLengthExceededError,
    "model_not_found": ModelNotFoundError,
    "model_not_available": ModelNotFoundError,
    "invalid_model": ModelNotFoundError,
    "1211": ModelNotFoundError,
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "moderation_blocked": ContentFilterError,
    "ResponsibleAIPolicyViolation": ContentFilterError,
    "1301": ContentFilterError,
    "insufficient_quota": InsufficientFundsError,
    "insufficient_balance": InsufficientFundsError,
    "billing_hard_limit_reached": InsufficientFundsError,
    "1113": InsufficientFundsError,
    "rate_limit_exceeded": RateLimitError,
    "rate_limit_error": RateLimitError,
    "1302": RateLimitError,
    "1303": RateLimitError,
    "1305": RateLimitError,
    "invalid_api_key": AuthenticationError,
    "authentication_error": AuthenticationError,
    "1000": AuthenticationError,
    "1002": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "overloaded_error": UpstreamUnavailableError,
    "server_error": UpstreamError,
    "internal_server_error": UpstreamError,
    "invalid_request_error": InvalidRequestError,
    "invalid_value": InvalidRequestError,
}
_BROAD = frozenset(("server_error", "internal_server_error", "invalid_request_error", "invalid_value"))

_STATUSES: dict[int, Kind] = {
    401: AuthenticationError,
    402: InsufficientFundsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: UpstreamTimeoutError,
    409: UpstreamError,
    413: RequestTooLargeError,
    429: RateLimitError,
    498: UpstreamUnavailableError,  # Groq: flex capacity exceeded.
    503: UpstreamUnavailableError,
    504: UpstreamTimeoutError,
    529: UpstreamUnavailableError,
}


def parse_error(status: int, headers: ResponseHeaders, body: bytes) -> TsujiError:
    """Never raises, whatever the body."""
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    return error_of(document, status, retry_after(headers))


def retry_after(headers: ResponseHeaders) -> float | None:
    """Seconds. A Retry-After that is a date needs a clock and is not read here."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name)
        seconds = None if text is None else read_seconds(text)
        if seconds is not None:
            return seconds / unit
    return None


def error_of(document: Any, status: int, wait: float | None = None) -> TsujiError:
    """The error that a decoded body says. status 0: take it from the body."""
    fields = _fields(document)
    words = [w for w in (_word(fields.get("code")), _word(fields.get("type")), _inner_code(fields)) if w]
    status = status or _status(fields, words)
    kind = _kind(status, words, fields)
    message = fields.get("message")
    details: dict[str, Any] = {
        "status": status,
        "retry_after": _retry_info(fields) if wait is None else wait,
        "code": words[0] if words else None,
        "param": _word(fields.get("param")),
        "body": {} if document is None else document,
    }
    text = message if type(message) is str and message else _no_message(status, message)
    if kind is UpstreamTimeoutError:
        return UpstreamTimeoutError(text, timeout="total", **details)
    return kind(text, **details)


def _no_message(status: int, message: Any) -> str:
    if message is not None:
        return encode({"message": message}).decode()
    hint = "try again, or look at its status page" if status >= 500 else "are the base URL and the model's name right?"
    return f"the provider answered HTTP {status} without saying why; {hint}"


def _fields(document: Any) -> dict[str, Any]:
    """The object that has the message, with what stands around it where it says less."""
    if is_list(document):
        document = document[0] if document else None
    if not is_object(document):
        return {}
    error: Any = document.get("error")
    if is_object(error):
        return error
    if error is not None and error is not False and "message" not in document:
        return {**document, "message": error}
    if "message" not in document and "detail" in document:
        return {**document, "message": document["detail"]}
    return document


def _retry_info(fields: dict[str, Any]) -> float | None:
    """Seconds, by google.rpc.RetryInfo (Gemini's OpenAI endpoint): {"retryDelay": "34s"}."""
    details: Any = fields.get("details")
    for detail in details if is_list(details) else ():
        delay: Any = detail.get("retryDelay") if is_object(detail) else None
        if type(delay) is str and (found := read_seconds(delay.removesuffix("s"))) is not None:
            return found
    return None


def _word(value: Any) -> str | None:
    if type(value) is str:
        return value or None
    return str(value) if type(value) is int else None


def _inner_code(fields: dict[str, Any]) -> str | None:
    """Azure's, more exact than the outer one."""
    inner: Any = fields.get("innererror")
    return _word(inner.get("code")) if is_object(inner) else None


def _status(fields: dict[str, Any], words: list[str]) -> int:
    """The HTTP status that an error inside an HTTP 200 stands for."""
    for name in ("status_code", "status", "code"):
        word = _word(fields.get(name)) or ""
        if len(word) == 3 and word.isascii() and word.isdecimal() and "400" <= word <= "599":
            return int(word)
    for word in words:
        kind = _CODES.get(word)
        if kind is not None:
            return kind.default_status
    return UpstreamError.default_status


def _kind(status: int, words: list[str], fields: dict[str, Any]) -> Kind:
    for word in words:
        kind = _CODES.get(word)
        # A word that says no more than "bad request" or "our fault" leaves the choice to the status.
        if kind is not None and word not in _BROAD and not (status >= 500 and issubclass(kind, InvalidRequestError)):
            return kind
    metadata: Any = fields.get("metadata")
    if is_object(metadata) and "flagged_input" in metadata:  # OpenRouter's moderation, with status 403.
        return ContentFilterError
    kind = _STATUSES.get(status)
    if kind is NotFoundError and fields.get("param") == "model":
        return ModelNotFoundError
    if kind is not None:
        return kind
    if status >= 500:
        return UpstreamError
    return InvalidRequestError if status >= 400 else UpstreamProtocolError


def body_error(answer: dict[str, Any]) -> TsujiError | None:
    """The error that stands where an answer should, in an HTTP 200; None if it is none."""
    error: Any = answer.get("error")
    if error or answer.get("object") == "error":
        return error_of(answer, 0)
    return None


def decode_answer(body: bytes) -> dict[str, Any]:
    """A JSON object of the provider's. Raises UpstreamProtocolError."""
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamProtocolError(f"the provider's answer is no JSON: {error}") from None
    if not is_object(answer):
        raise (
            body_error(answer[0]) or _no_object()
            if is_list(answer) and answer and is_object(answer[0])
            else _no_object()
        )
    return answer


def _no_object() -> TsujiError:
    return UpstreamProtocolError("the provider's answer is no JSON object")


# kind -> (type, code), as OpenAI names them; the official clients go by the status.
_SAID: dict[str, tuple[str, str | None]] = {
    "authentication": ("invalid_request_error", "invalid_api_key"),
    "missing_api_key": ("server_error", "missing_api_key"),
    "permission_denied": ("invalid_request_error", "permission_denied"),
    "insufficient_funds": ("insufficient_quota", "insufficient_quota"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "model_not_found": ("invalid_request_error", "model_not_found"),
    "context_length_exceeded": ("invalid_request_error", "context_length_exceeded"),
    "content_filter": ("invalid_request_error", "content_filter"),
    "unsupported_parameter": ("invalid_request_error", "unsupported_parameter"),
    "request_too_large": ("invalid_request_error", "request_too_large"),
}


def render_error(error: TsujiError) -> bytes:
    return encode(write_error(error))


def write_error(error: TsujiError) -> dict[str, Any]:
    """{"error": {message, type, param, code}}."""
    said = _SAID.get(error.kind)
    if said is None:
        said = ("server_error" if error.fault != "caller" else "invalid_request_error", None)
    code = said[1] or error.code or (None if isinstance(error, InvalidRequestError) else error.kind)
    return {"error": {"message": str(error), "type": said[0], "param": error.param, "code": code}}
