"""Errors both ways: a type, in the header `x-amzn-errortype` or in the body, and `{"message": ...}`
(https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html).

The type classifies them; where there is none, the status does. A rendered error has its type in the body as `__type`,
which the official clients read as well. In a stream an error is a message of type "exception", of one of five kinds.
"""

from typing import Any, Final

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

from ..anthropic.fields import UNEXPECTED, Object, object_or_empty, text_or_none
from ..dialect import ResponseHeaders, read_seconds
from ..eventstream import encode_message

_TYPES: Final[dict[str, tuple[int, type[TsujiError]]]] = {
    "ValidationException": (400, InvalidRequestError),
    "ConflictException": (400, InvalidRequestError),
    "ServiceQuotaExceededException": (400, RateLimitError),
    "AccessDeniedException": (403, PermissionDeniedError),
    "ResourceNotFoundException": (404, ModelNotFoundError),
    "ModelTimeoutException": (408, UpstreamTimeoutError),
    "ModelErrorException": (424, UpstreamError),
    "ModelStreamErrorException": (424, UpstreamError),
    "ThrottlingException": (429, RateLimitError),
    "ModelNotReadyException": (429, UpstreamUnavailableError),
    "InternalServerException": (500, UpstreamError),
    "ServiceUnavailableException": (503, UpstreamUnavailableError),
    # Of AWS in general, before Bedrock has seen the request.
    "UnrecognizedClientException": (403, AuthenticationError),
    "InvalidSignatureException": (403, AuthenticationError),
    "IncompleteSignatureException": (403, AuthenticationError),
    "MissingAuthenticationTokenException": (403, AuthenticationError),
    "InvalidClientTokenId": (403, AuthenticationError),
    "ExpiredTokenException": (403, AuthenticationError),
    "UnknownOperationException": (404, NotFoundError),
    "RequestEntityTooLargeException": (413, RequestTooLargeError),
    "TooManyRequestsException": (429, RateLimitError),
    "InternalFailure": (500, UpstreamError),
    "ServiceUnavailable": (503, UpstreamUnavailableError),
}
_STATUS: Final[dict[int, type[TsujiError]]] = {
    401: AuthenticationError,
    402: InsufficientFundsError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    408: UpstreamTimeoutError,
    413: RequestTooLargeError,
    424: UpstreamError,
    429: RateLimitError,
    503: UpstreamUnavailableError,
    504: UpstreamTimeoutError,
    529: UpstreamUnavailableError,
}
_NAMES: Final = {
    401: "AccessDeniedException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}
_STREAMED: Final = (
    "internalServerException",
    "modelStreamErrorException",
    "validationException",
    "throttlingException",
    "serviceUnavailableException",
)
_LOST: Final = (424, 502, 504)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def is_error(fields: Object) -> bool:
    """Whether a body that came under a status of success is an error's."""
    return "__type" in fields or ("output" not in fields and (fields.get("message") is not None or "Message" in fields))


def parse_error(status: int, headers: ResponseHeaders, body: bytes) -> TsujiError:
    """Any body will do."""
    document = decode_document(body)
    fields = object_or_empty(document)
    named = headers.get("x-amzn-errortype") or fields.get("__type") or fields.get("code")
    error = _error(status, _type(named), document)
    error.retry_after = read_seconds(headers.get("retry-after", ""))
    return error


def parse_error_body(fields: Object) -> TsujiError:
    """An error under a status that says success."""
    code = _type(fields.get("__type"))
    return _error(_TYPES.get(code or "", (502, UpstreamError))[0], code, fields)


def parse_exception(code: str, payload: bytes) -> TsujiError:
    """An error in a stream: its type, written with a small letter, tells the status."""
    code = code[:1].upper() + code[1:]
    return _error(_TYPES.get(code, (502, UpstreamError))[0], code or None, decode_document(payload))


def decode_document(body: bytes) -> Any:
    try:
        return _decode(body)
    except UNEXPECTED:
        return None


def _type(named: Any) -> str | None:
    """Without the namespace before it and the URL behind it."""
    return named.partition(":")[0].rpartition("#")[2] or None if type(named) is str else None


def _error(status: int, code: str | None, document: Any) -> TsujiError:
    fields = object_or_empty(document)
    message = text_or_none(fields.get("message")) or text_or_none(fields.get("Message"))
    known = _TYPES.get(code or "")
    kind = known[1] if known is not None else _STATUS.get(status)
    if kind is None:
        kind = InvalidRequestError if 400 <= status < 500 else UpstreamError
    return kind(message or _unsaid(status, code), status=status, code=code, body=document)


def _unsaid(status: int, code: str | None) -> str:
    return f"the provider answered with status {status}" + (f", {code}" if code else "")


def error_code(error: TsujiError) -> str:
    """The type whose exception the official client raises."""
    if error.code in _TYPES:
        return error.code
    name = _NAMES.get(error.status)
    if name is not None:
        return name
    return "ValidationException" if 400 <= error.status < 500 else "InternalServerException"


def render_error(error: TsujiError) -> bytes:
    return _encode({"__type": error_code(error), "message": error.message})


def render_exception(error: TsujiError) -> bytes:
    """The message that ends a stream; what went wrong with the stream itself has a type of its own."""
    code = error_code(error)
    name = code[:1].lower() + code[1:]
    if name not in _STREAMED or error.status in _LOST:
        name = "validationException" if error.fault == "caller" else "modelStreamErrorException"
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return encode_message(headers, _encode({"message": error.message}))
