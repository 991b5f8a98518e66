"""Errors, both ways: `{"message": "...", "id": "..."}` (https://docs.cohere.com/reference/errors).

The HTTP status alone classifies them. 498 is a deny-listed token in the request or the answer. In a stream an error
comes with the end of the message.
"""

from typing import Any

import msgspec

from tsuji.core.errors import (
    AuthenticationError,
    ContentFilterError,
    InsufficientFundsError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    TsujiError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamUnavailableError,
)
from tsuji.wire.dialect import ResponseHeaders
from tsuji.wire.openai.errors import retry_after
from tsuji.wire.openai.fields import is_object
from tsuji.wire.passthrough import encode

from .fields import Fields, text_of

_BY_STATUS: dict[int, type[TsujiError]] = {
    401: AuthenticationError,
    402: InsufficientFundsError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    408: UpstreamUnavailableError,
    413: RequestTooLargeError,
    429: RateLimitError,
    498: ContentFilterError,
    499: UpstreamError,
    503: UpstreamUnavailableError,
    504: UpstreamUnavailableError,
}


def parse_error(status: int, headers: ResponseHeaders, body: bytes) -> TsujiError:
    """Any body will do."""
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    kind = _BY_STATUS.get(status) or (InvalidRequestError if 400 <= status < 500 else UpstreamError)
    message = _message(document) or f"the provider answered with status {status}"
    return kind(message, status=status, retry_after=retry_after(headers), body={} if document is None else document)


def _message(document: Any) -> str:
    """Servers in front of the API put the message into an `error`, or call it `detail`."""
    for name in ("message", "error", "detail"):
        said: Any = document.get(name) if is_object(document) else None
        if said:
            return text_of(said) or (_message(said) if is_object(said) else encode({name: said}).decode())
    return ""


def error_in(document: Fields) -> TsujiError | None:
    """The error that stands where an answer, or an event of one, was expected; None if there is none."""
    named = document.get("type") == "error" or document.get("error")
    if named or (type(document.get("message")) is str and "type" not in document):
        return UpstreamError(_message(document) or "the provider failed and did not say why", status=500, body=document)
    return None


def decode_answer(body: bytes) -> Fields:
    """A JSON object. Raises UpstreamProtocolError, or the error that the object is."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamProtocolError(f"the provider's answer is no JSON: {error}") from None
    if not is_object(found):
        raise UpstreamProtocolError("the provider's answer is no JSON object", body=found)
    failed = error_in(found)
    if failed is not None:
        raise failed
    return found


def render_error(error: TsujiError) -> bytes:
    return encode({"message": error.message})
