"""The error tree. Every error says whose fault it is, which HTTP status tells a client so, and what to do next.

Errors are classified from an HTTP status and a typed body, never from the wording of a message.
"""

from typing import Any, ClassVar, Literal

Fault = Literal["caller", "gateway", "upstream"]
TimeoutKind = Literal["connect", "first_byte", "first_token", "idle", "rate", "total"]


class TsujiError(Exception):
    """Base of all errors that Tsuji raises.

    message: one sentence, then what to do next.
    fault: "caller" (the request), "gateway" (this installation: its config, keys, local engine) or "upstream" (the
    provider).
    status: HTTP status that a gateway answers with; an error that a provider answered keeps the provider's status.
    kind: a stable snake_case code of the class.
    retryable: whether the same request to the same target may succeed later.
    retry_after: seconds, where the provider said so.
    provider, model: where it happened, if it happened at one.
    param: the request field at fault, if one is.
    code: the provider's own machine-readable code or type, verbatim.
    body: the provider's error document, decoded, if there was one.
    other_key: it was said to one of several keys, and another one may be used at once.
    """

    kind: ClassVar[str] = "error"
    default_fault: ClassVar[Fault] = "gateway"
    default_status: ClassVar[int] = 500
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        fault: Fault | None = None,
        status: int | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        provider: str | None = None,
        model: str | None = None,
        param: str | None = None,
        code: str | None = None,
        body: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fault: Fault = fault or self.default_fault
        self.status = status or self.default_status
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.provider = provider
        self.model = model
        self.param = param
        self.code = code
        self.body = body
        self.other_key = False

    def __str__(self) -> str:
        where = f"[{self.provider}:{self.model}] " if self.provider and self.model else ""
        where = where or (f"[{self.provider}] " if self.provider else "")
        return where + self.message


class InvalidRequestError(TsujiError):
    """The request cannot be served as it stands."""

    kind = "invalid_request"
    default_fault = "caller"
    default_status = 400


class UnsupportedParameterError(InvalidRequestError):
    """The target's dialect cannot say a field of the request; `param` names it. `drop_params` drops it instead."""

    kind = "unsupported_parameter"


class ContextLengthExceededError(InvalidRequestError):
    """The prompt (with the room asked for the answer) is longer than the model's context window."""

    kind = "context_length_exceeded"


class ContentFilterError(InvalidRequestError):
    """The provider, or a guardrail of the gateway, refused the prompt or the answer on policy grounds."""

    kind = "content_filter"


class GuardrailError(TsujiError):
    """A guardrail that asks others could not: nothing passes that it has not let pass."""

    kind = "guardrail_unavailable"
    default_status = 503
    default_retryable = True


class RequestTooLargeError(InvalidRequestError):
    """The body is larger than the limit of this gateway or of the provider."""

    kind = "request_too_large"
    default_status = 413


class ModelNotFoundError(InvalidRequestError):
    """No route, provider or model of that name."""

    kind = "model_not_found"
    default_status = 404


class NotFoundError(InvalidRequestError):
    """No such endpoint or object."""

    kind = "not_found"
    default_status = 404


class ConflictError(InvalidRequestError):
    """What the object is by now does not allow it: another change came first, or it has ended."""

    kind = "conflict"
    default_status = 409


class AuthenticationError(TsujiError):
    """A key is wrong.

    `fault` says which: the caller's key to this gateway, or this installation's key to the provider.
    """

    kind = "authentication"
    default_status = 401


class MissingApiKeyError(AuthenticationError):
    """No key is configured for the provider; the message names the environment variable."""

    kind = "missing_api_key"


class PermissionDeniedError(TsujiError):
    """The key is right but may not do this."""

    kind = "permission_denied"
    default_status = 403


class InsufficientFundsError(TsujiError):
    """A budget or a provider account is exhausted."""

    kind = "insufficient_funds"
    default_status = 402


class RateLimitError(TsujiError):
    """Too many requests or tokens; `retry_after` is in seconds where known."""

    kind = "rate_limit"
    default_fault = "upstream"
    default_status = 429
    default_retryable = True


class UpstreamError(TsujiError):
    """The provider failed to answer properly."""

    kind = "upstream_error"
    default_fault = "upstream"
    default_status = 502
    default_retryable = True


class UpstreamUnavailableError(UpstreamError):
    """The provider says that it is overloaded or down."""

    kind = "upstream_unavailable"
    default_status = 503


class UpstreamConnectionError(UpstreamError):
    """DNS, TCP or TLS failed, or the connection was lost before the answer began.

    reached: there was a connection, and it was lost; without, nothing at that address takes requests.
    """

    kind = "upstream_connection"

    def __init__(self, message: str, *, reached: bool = False, **details: Any) -> None:
        super().__init__(message, **details)
        self.reached = reached


class UpstreamTimeoutError(UpstreamError):
    """A limit was passed; `timeout` says which: connect, first_byte, first_token, idle, rate or total."""

    kind = "upstream_timeout"
    default_status = 504

    # "total" is for copies and pickles: they are made from the message alone, and get their attributes afterwards.
    def __init__(self, message: str, *, timeout: TimeoutKind = "total", **details: Any) -> None:
        super().__init__(message, **details)
        self.timeout: TimeoutKind = timeout


class UpstreamProtocolError(UpstreamError):
    """The provider sent what its protocol does not allow: bad HTTP, another content type, malformed JSON."""

    kind = "upstream_protocol"


class StreamInterruptedError(UpstreamError):
    """The answer ended before it was complete; what came before it has been delivered and is not the whole."""

    kind = "stream_interrupted"


class ConfigError(TsujiError):
    """The configuration is wrong; the message says where and what it should be."""

    kind = "config"


class LocalEngineError(TsujiError):
    """The local engine could not load or run a model; the message says which of file, memory or architecture it was."""

    kind = "local_engine"
    default_status = 503


class LedgerError(TsujiError):
    """The ledger of keys and usage cannot be read or written."""

    kind = "ledger"
    default_status = 503
    default_retryable = True


class InternalError(TsujiError):
    """A bug of ours."""

    kind = "internal"
