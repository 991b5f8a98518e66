"""The edge of the dialect: whatever goes wrong inside becomes an error that says whose fault the bytes were.

Readers check what they read. These wrappers are for what a hostile body can still provoke: depth without end, numbers
beyond 64 bits, strings that are no Unicode, types where nobody looked.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import msgspec

from tsuji.core.errors import InternalError, InvalidRequestError, UpstreamProtocolError

P = ParamSpec("P")
R = TypeVar("R")

MALFORMED = (
    TypeError,
    ValueError,  # UnicodeError and msgspec's ValidationError and DecodeError are among them.
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    msgspec.MsgspecError,
)


def guarded_request(function: Callable[P, R]) -> Callable[P, R]:
    """Of functions whose input is the caller's: InvalidRequestError."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except MALFORMED as error:
            raise InvalidRequestError(f"the request is malformed: {_why(error)}") from None

    return call


def guarded_render(function: Callable[P, R]) -> Callable[P, R]:
    """Of functions whose input is core's: what goes wrong there is a bug of ours."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except MALFORMED as error:
            raise InternalError(f"the request could not be written: {_why(error)}; please report this") from error

    return call


def guarded_response(function: Callable[P, R]) -> Callable[P, R]:
    """Of functions whose input is the provider's: UpstreamProtocolError."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except InvalidRequestError as error:
            if error.body is not None:  # The provider's own error, found in an answer.
                raise
            raise UpstreamProtocolError(f"the provider's answer is malformed: {error.message}") from None
        except MALFORMED as error:
            raise UpstreamProtocolError(f"the provider's answer is malformed: {_why(error)}") from None

    return call


def _why(error: BaseException) -> str:
    return "it is nested too deeply" if type(error) is RecursionError else str(error) or type(error).__name__
